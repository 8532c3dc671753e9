/**
 * Conditions: what a test waits for, as plain data that can be sent to the machine's thread, and the watch that checks
 * one there: at every guest frame, at every serial byte, and when the machine stops by itself.
 */
import type { Display } from '../../machine/devices/display/display.js'
import type { MachineExit } from '../../machine/machine.js'
import type { Pattern } from '../keys/boot-command.js'
import type { Area } from '../picture/compare-pictures.js'
import { screenText } from '../picture/screen-text.js'
import {
  cutOut,
  describeScreenCondition,
  type ModeCondition,
  ModeWatch,
  type NeedleCondition,
  NeedleWatch,
  type PictureCondition,
  PictureWatch,
  type ScreenshotCondition,
  ScreenshotWatch,
} from '../runtime/screen-conditions.js'
import type { SerialLog } from '../runtime/serial-log.js'

export type ExitReason = MachineExit['reason']

export type Condition =
  /**
   * The screen's text matches: its rows joined by line feeds, without the spaces at their ends. In graphics modes it is
   * what the fonts at hand make out.
   */
  | { kind: 'text'; pattern: Pattern; area?: Area }
  /** What the guest sent over COM1 + `port` since the last match matches; with `peek`, all that it sent lately. */
  | { kind: 'serial'; port: number; pattern: Pattern; peek?: boolean }
  /** The guest sends something over COM1 + `port`. */
  | { kind: 'output'; port: number }
  /**
   * The machine stops by itself. Without `reasons`, a clean stop: power-off, reset, or debug-exit with code 0. A
   * panic shall not pass for a success.
   */
  | { kind: 'exit'; reasons?: readonly ExitReason[] }
  /** The picture has not changed for `ns` of guest time; the cursor's blinking does not count. */
  | { kind: 'still'; ns: number; area?: Area }
  | ModeCondition
  | PictureCondition
  | NeedleCondition
  | ScreenshotCondition
  /** The other is not met, as seen at a frame. */
  | { kind: 'not'; of: Condition }
  | { kind: 'any'; of: readonly Condition[] }
  /** All at once; serial output and an exit stay true once they came. */
  | { kind: 'all'; of: readonly Condition[] }

/** What a watch looks at. */
export interface Scene {
  /** Guest time in ns. */
  now(): number
  readonly display: Display
  /** The text on the screen or in an area of it; undefined in graphics modes where none can be read. */
  text(area?: Area): string | undefined
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
      return new TextWatch(compilePattern(condition.pattern), condition.area, scene)
    case 'serial':
      return new SerialWatch(condition.port, compilePattern(condition.pattern), condition.peek ?? false, scene)
    case 'output':
      return new OutputWatch(condition.port)
    case 'exit':
      return new ExitWatch(condition.reasons)
    case 'still':
      return new StillWatch(condition.ns, condition.area, scene)
    case 'mode':
      return new ModeWatch(condition, scene.display)
    case 'picture':
      return new PictureWatch(condition, scene.display)
    case 'needle':
      return new NeedleWatch(condition, scene.display)
    case 'screenshot':
      return new ScreenshotWatch(condition, scene.display)
    case 'not':
      return new NotWatch(createWatch(condition.of, scene))
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
      return `the text ${describePattern(condition.pattern)} ${describePlace(condition.area)}`
    case 'serial':
      return `${describePattern(condition.pattern)} on COM${condition.port + 1}`
    case 'output':
      return `output on COM${condition.port + 1}`
    case 'exit':
      return condition.reasons ? `the guest's exit (${condition.reasons.join(' or ')})` : "the guest's exit"
    case 'still':
      return `a picture that does not change for ${condition.ns / 1e9} s`
    case 'mode':
    case 'picture':
    case 'needle':
    case 'screenshot':
      return describeScreenCondition(condition)
    case 'not':
      return `the end of ${describeCondition(condition.of)}`
    case 'any':
    case 'all':
      return condition.of.map(describeCondition).join(condition.kind === 'any' ? ' or ' : ' and ')
  }
}

function describePlace(area: Area | undefined): string {
  return area ? `at ${area.x},${area.y} (${area.width}×${area.height} pixels)` : 'on the screen'
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
    private readonly area: Area | undefined,
    private readonly scene: Scene,
  ) {}

  atFrame(): boolean {
    const text = this.scene.text(this.area)
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
    private readonly peek: boolean,
    private readonly scene: Scene,
  ) {}

  atFrame(): boolean {
    const log = this.scene.serial(this.port)
    this.met ||= this.peek ? log.has(this.pattern) : log.match(this.pattern) !== undefined
    return this.met
  }

  atByte(port: number): boolean {
    return this.met || (port === this.port && this.atFrame())
  }

  atExit(): boolean {
    return this.met
  }
}

class OutputWatch implements Watch {
  private met = false

  constructor(private readonly port: number) {}

  atFrame(): boolean {
    return this.met
  }

  atByte(port: number): boolean {
    this.met ||= port === this.port
    return this.met
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
    private readonly area: Area | undefined,
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
    const screen = this.area ? undefined : display.text()
    const text = screen && `${screen.columns} ${screenText(screen)} ${screen.cells.map(attribute).join('')}`
    const picture = screen ? undefined : cutOut(display.frame(), this.area)
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

class NotWatch implements Watch {
  constructor(private readonly part: Watch) {}

  atFrame(): boolean {
    return !this.part.atFrame()
  }

  atByte(): boolean {
    return false
  }

  atExit(exit: MachineExit): boolean {
    return !this.part.atExit(exit)
  }
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
