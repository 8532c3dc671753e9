/** The watches of conditions on pictures: the screen's mode, and areas that show exactly what they should. */
import type { Display } from '../../../machine/devices/display/display.js'
import { matchNeedle } from '../../needles/match.js'
import { areaHash, compareScreen } from '../../picture/screen-areas.js'
import type { ModeCondition, NeedleCondition, PictureCondition, ScreenshotCondition } from '../../protocol/condition.js'
import type { Watch } from './watch.js'

/** A condition that only the screen decides; it is looked at again only when something visible may have changed. */
abstract class ScreenWatch implements Watch {
  private generation = -1
  private met = false

  constructor(protected readonly display: Display) {}

  protected abstract look(): boolean

  atFrame(): boolean {
    const generation = this.display.generation()
    if (generation !== this.generation) {
      this.generation = generation
      this.met = this.look()
    }
    return this.met
  }

  atByte(): boolean {
    return false
  }

  atExit(): boolean {
    return this.atFrame()
  }
}

export class ModeWatch extends ScreenWatch {
  constructor(
    private readonly condition: ModeCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    const { mode, width, height } = this.condition
    const now = this.display.mode()
    return now.kind === mode && (width ?? now.width) === now.width && (height ?? now.height) === now.height
  }
}

export class PictureWatch extends ScreenWatch {
  constructor(
    private readonly condition: PictureCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    const { width, height, areas } = this.condition
    const mode = this.display.mode()
    if (mode.width !== width || mode.height !== height) return false
    const frame = this.display.frame()
    return areas.every((area) => areaHash(frame, area) === area.sha256)
  }
}

export class NeedleWatch extends ScreenWatch {
  constructor(
    private readonly condition: NeedleCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    if (this.display.mode().kind === 'off') return false
    const { needles, searchRatio } = this.condition
    const screen = this.display.frame()
    return needles.some((needle) => matchNeedle(screen, needle, { searchRatio, quick: true }).ok)
  }
}

export class ScreenshotWatch extends ScreenWatch {
  constructor(
    private readonly condition: ScreenshotCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    const { expected, area } = this.condition
    const mode = this.display.mode()
    if (!area && (mode.width !== expected.width || mode.height !== expected.height)) return false
    return compareScreen(this.display.frame(), this.condition).equal
  }
}
