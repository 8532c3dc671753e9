/**
 * Watches: what checks a condition in the machine's thread, at every guest frame, at every serial byte, and when the
 * machine stops by itself.
 */
import type { MachineExit } from '../../../machine/machine.js'
import type { Area } from '../../picture/compare-pictures.js'
import { cutOut } from '../../picture/screen-areas.js'
import { screenText } from '../../picture/screen-text.js'
import {
  acceptsExit,
  type Condition,
  compilePattern,
  type ExitCondition,
  NETWORK,
  requestText,
} from '../../protocol/condition.js'
import { ModeWatch, NeedleWatch, PictureWatch, ScreenshotWatch } from './screen-watches.js'
import type { Scene, Watch } from './watch.js'

export function createWatch(condition: Condition, scene: Scene): Watch {
  switch (condition.kind) {
    case 'text':
      return new TextWatch(compilePattern(condition.pattern), condition.area, scene)
    case 'serial':
      return new SerialWatch(condition.port, compilePattern(condition.pattern), condition.peek ?? false, scene)
    case 'output':
      return new OutputWatch(condition.port)
    case 'request':
      return new RequestWatch(compilePattern(condition.pattern), condition.after, scene)
    case 'exit':
      return new ExitWatch(condition)
    case 'reach':
      return scene.stops.watch(condition)
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

class RequestWatch implements Watch {
  private met = false

  constructor(
    private readonly pattern: RegExp,
    private readonly after: number,
    private readonly scene: Scene,
  ) {
    this.look()
  }

  atFrame(): boolean {
    return this.met
  }

  atByte(port: number): boolean {
    if (port === NETWORK) this.look()
    return this.met
  }

  atExit(): boolean {
    return this.met
  }

  private look(): void {
    this.met ||= this.scene
      .requests()
      .some((one) => one.number > this.after && one.result !== undefined && this.pattern.test(requestText(one)))
  }
}

class ExitWatch implements Watch {
  private met = false

  constructor(private readonly condition: ExitCondition) {}

  atFrame(): boolean {
    return this.met
  }

  atByte(): boolean {
    return this.met
  }

  atExit(exit: MachineExit): boolean {
    this.met ||= acceptsExit(this.condition, exit)
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
