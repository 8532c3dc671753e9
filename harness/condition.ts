/**
 * Conditions: what a test waits for, as plain data that can be sent to the machine's thread, and the watch that checks
 * one there: at every guest frame, at every serial byte, and when the machine stops by itself.
 */
import type { Display } from '../machine/devices/display/display.js'
import type { MachineExit } from '../machine/machine.js'
import type { Pattern } from './boot-command.js'
import {
  describeScreenCondition,
  type ModeCondition,
  ModeWatch,
  type NeedleCondition,
  NeedleWatch,
  type PictureCondition,
  PictureWatch,
} from './screen-conditions.js'
import { screenText } from './screen-text.js'
import type { SerialLog } from './serial-log.js'

export type ExitReason = MachineExit['reason']

export type Condition =
  /** The text screen matches: its rows joined by line feeds, without the spaces at their ends. */
  | { kind: 'text'; pattern: Pattern }
  /** What the guest sent over COM1 + `port` since the last match matches. */
  | { kind: 'serial'; port: number; pattern: Pattern }
  /**
   * The machine stops by itself. Without `reasons`, a clean stop: power-off, reset, or debug-exit with code 0. A
   * panic shall not pass for a success.
   */
  | { kind: 'exit'; reasons?: readonly ExitReason[] }
  /** The picture has not changed for `ns` of guest time; the cursor's blinking does not count. */
  | { kind: 'still'; ns: number }
  | ModeCondition
  | PictureCondition
  | NeedleCondition
  | { kind: 'any'; of: readonly Condition[] }
  /** All at once; serial output and an exit stay true once they came. */
  | { kind: 'all'; of: readonly Condition[] }

/** What a watch looks at. */
export interface Scene {
  /** Guest time in ns. */
  now(): number
  readonly display: Display
  /** The text screen's text; undefined in graphics modes. */
  text(): string | undefined
  serial(port: number): SerialLog
}

export interface Watch {
  /** At the start, and at every guest frame. */
  atFrame(): boolean
  /** After a byte on COM1 + port. */
  atByte(port: number): boolean
  /** The machine stopped by itself: what the screen showed then counts too. */
  atExit(exit: MachineExit): boolean
}

export function createWatch(condition: Condition, scene: Scene): Watch {
  switch (condition.kind) {
    case 'text':
      return new TextWatch(compilePattern(condition.pattern), scene)
    case 'serial':
      return new SerialWatch(condition.port, compilePattern(condition.pattern), scene)
    case 'exit':
      return new ExitWatch(condition.reasons)
    case 'still':
      return new StillWatch(condition.ns, scene)
    case 'mode':
      return new ModeWatch(condition, scene.display)
    case 'picture':
      return new PictureWatch(condition, scene.display)
    case 'needle':
      return new NeedleWatch(condition, scene.display)
    case 'any':
    case 'all':
      return new SeveralWatch(
        condition.of.map((part) => createWatch(part, scene)),
        condition.kind === 'all',
      )
  }
}

/** `^` and `$` always match at the ends of rows and lines: there is no other beginning on a screen or a serial line. */
export function compilePattern(pattern: Pattern): RegExp {
  const flags = pattern.flags.replace(/[gy]/g, '')
  return new RegExp(pattern.source, flags.includes('m') ? flags : `${flags}m`)
}

/** For messages: `the text /login:/ on the screen`. */
export function describeCondition(condition: Condition): string {
  switch (condition.kind) {
    case 'text':
      return `the text ${describePattern(condition.pattern)} on the screen`
    case 'serial':
      return `${describePattern(condition.pattern)} on COM${condition.port + 1}`
    case 'exit':
      return condition.reasons ? `the guest's exit (${condition.reasons.join(' or ')})` : "the guest's exit"
    case 'still':
      return `a picture that does not change for ${condition.ns / 1e9} s`
    case 'mode':
    case 'picture':
    case 'needle':
      return describeScreenCondition(condition)
    case 'any':
    case 'all':
      return condition.of.map(describeCondition).join(condition.kind === 'any' ? ' or ' : ' and ')
  }
}

function describePattern({ source, flags }: Pattern): string {
  return `/${source}/${flags}`
}

/** Whether an exit is what an `exit` condition waits for. */
export function acceptsExit(reasons: readonly ExitReason[] | undefined, exit: MachineExit): boolean {
  if (reasons) return reasons.includes(exit.reason)
  if (exit.reason === 'debug-exit') return exit.code === 0
  return exit.reason === 'poweroff' || exit.reason === 'reset'
}

class TextWatch implements Watch {
  constructor(
    private readonly pattern: RegExp,
    private readonly scene: Scene,
  ) {}

  atFrame(): boolean {
    const text = this.scene.text()
    return text !== undefined && this.pattern.test(text)
  }

  atByte(): boolean {
    return false
  }

  atExit(): boolean {
    return this.atFrame()
  }
}

class SerialWatch implements Watch {
  private met = false

  constructor(
    private readonly port: number,
    private readonly pattern: RegExp,
    private readonly scene: Scene,
  ) {}

  atFrame(): boolean {
    this.met ||= this.scene.serial(this.port).match(this.pattern) !== undefined
    return this.met
  }

  atByte(port: number): boolean {
    return this.met || (port === this.port && this.atFrame())
  }

  atExit(): boolean {
    return this.met
  }
}

class ExitWatch implements Watch {
  private met = false

  constructor(private readonly reasons: readonly ExitReason[] | undefined) {}

  atFrame(): boolean {
    return this.met
  }

  atByte(): boolean {
    return this.met
  }

  atExit(exit: MachineExit): boolean {
    this.met ||= acceptsExit(this.reasons, exit)
    return this.met
  }
}

class StillWatch implements Watch {
  private generation = -1
  private since = 0
  private text: string | undefined
  private picture: Uint8Array | undefined

  constructor(
    private readonly ns: number,
    private readonly scene: Scene,
  ) {
    this.since = scene.now()
  }

  atFrame(): boolean {
    const { display } = this.scene
    const generation = display.generation()
    if (generation !== this.generation) {
      this.generation = generation
      if (this.changed()) this.since = this.scene.now()
    }
    return this.scene.now() - this.since >= this.ns
  }

  atByte(): boolean {
    return false
  }

  atExit(): boolean {
    return false
  }

  /** Text is compared by its cells, because the cursor blinks in the picture. */
  private changed(): boolean {
    const { display } = this.scene
    const screen = display.text()
    const text = screen && `${screen.columns} ${screenText(screen)} ${screen.cells.map(attribute).join('')}`
    const picture = screen ? undefined : display.frame().data
    const same =
      text === this.text &&
      (picture === undefined || (this.picture !== undefined && Buffer.compare(picture, this.picture) === 0))
    this.text = text
    this.picture = picture && Uint8Array.from(picture)
    return !same
  }
}

function attribute(cell: { foreground: number; background: number; blink: boolean }): string {
  return String.fromCharCode(0x100 | (cell.background << 4) | cell.foreground | (cell.blink ? 0x200 : 0))
}

class SeveralWatch implements Watch {
  constructor(
    private readonly parts: readonly Watch[],
    private readonly all: boolean,
  ) {}

  atFrame(): boolean {
    return this.combine((part) => part.atFrame())
  }

  atByte(port: number): boolean {
    // A part that only frames can tell is not asked at a byte, so `all` is decided at the next frame.
    const met = this.parts.filter((part) => part.atByte(port)).length
    return this.all ? met === this.parts.length : met > 0
  }

  atExit(exit: MachineExit): boolean {
    return this.combine((part) => part.atExit(exit))
  }

  /** Every part is asked, since some keep what they saw. */
  private combine(ask: (part: Watch) => boolean): boolean {
    const met = this.parts.map(ask)
    return this.all ? met.every(Boolean) : met.some(Boolean)
  }
}
