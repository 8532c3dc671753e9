/** Steps that bring the pointer to a place or to words on the screen, and what is said where it does not come there. */
import type { Area } from '../picture/compare-pictures.js'
import { findText } from '../picture/screen-reading.js'
import { Pointer } from './pointer.js'
import { StepFailed } from './steps.js'
import type { Typist } from './typist.js'
import type { SampledDisplay } from './watches/sampled-display.js'
import type { WatchedScreen } from './watches/watched-screen.js'

export class Pointing {
  private readonly pointer: Pointer

  /** @param advance Runs the machine for some ns of guest time. */
  constructor(
    private readonly display: SampledDisplay,
    private readonly screen: WatchedScreen,
    private readonly typist: Typist,
    advance: (ns: number) => void,
  ) {
    this.pointer = new Pointer(display, typist, advance)
  }

  /** Throws a StepFailed. */
  moveToText(pattern: RegExp, area: Area | undefined): void {
    const found = findText(this.screen.read(area), pattern)
    if (!found) throw new StepFailed('failed', 'script', `${pattern} is not on the screen, so it cannot be clicked on`)
    const { x, y, width, height } = found.area
    const [middle, centre] = [Math.floor(x + width / 2), Math.floor(y + height / 2)]
    // Guests in text modes may take clicks without showing a pointer; they count from the corner.
    if (this.display.mode().kind !== 'text') this.moveTo(middle, centre)
    else if (this.pointer.moveTo(middle, centre).outcome !== 'there') this.typist.moveTo(middle, centre)
  }

  /** Throws a StepFailed. */
  moveTo(x: number, y: number): void {
    const { width, height } = this.display.mode()
    if (!(x >= 0 && y >= 0 && x < width && y < height))
      throw new StepFailed('failed', 'script', `${x},${y} is not on the screen of ${width}×${height} pixels`)
    const result = this.pointer.moveTo(x, y)
    if (result.outcome === 'there') return
    const why =
      result.outcome === 'unseen'
        ? 'nothing moves on the screen when the mouse does: is the guest ready for it?'
        : `it came no nearer than ${result.at.x},${result.at.y}`
    throw new StepFailed('failed', 'script', `the mouse pointer cannot be brought to ${x},${y}: ${why}`)
  }
}
