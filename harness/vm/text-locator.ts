/** Text somewhere on the screen, to be waited for, clicked on, or asked where it is. */
import { checkedButton, type Pattern } from '../keys/boot-command.js'
import type { Area } from '../picture/compare-pictures.js'
import type { Condition } from '../protocol/condition.js'
import type { Step } from '../protocol/script.js'
import type { TimeoutOptions, VmDriver } from './driver.js'
import type { ClickOptions } from './mouse.js'

/** The screen, or an area of it. */
interface Region {
  readonly driver: VmDriver
  readonly area: Area | undefined
  /** Where a text is now, all places of it. */
  places(pattern: Pattern): Promise<{ text: string; area: Area }[]>
  shows(pattern: Pattern): Condition
}

export class TextLocator {
  constructor(
    readonly region: Region,
    readonly pattern: Pattern,
  ) {}

  /** Waits until it is there, or with `state: 'hidden'` until it is not. */
  async waitFor(options: TimeoutOptions & { state?: 'visible' | 'hidden' } = {}): Promise<void> {
    const shown = this.region.shows(this.pattern)
    await this.region.driver.until(options.state === 'hidden' ? { kind: 'not', of: shown } : shown, options)
  }

  /** Waits until it is there, and clicks on the middle of its first place. */
  async click(options: ClickOptions = {}): Promise<void> {
    await this.press(1, options)
  }

  async dblclick(options: ClickOptions = {}): Promise<void> {
    await this.press(2, options)
  }

  /** Where it is now, in pixels of the screen; undefined where it is not. */
  async area(): Promise<Area | undefined> {
    return (await this.region.places(this.pattern))[0]?.area
  }

  /** How often it is there now. */
  async count(): Promise<number> {
    return (await this.region.places(this.pattern)).length
  }

  /** What matches, where it is first; undefined where nothing does. */
  async text(): Promise<string | undefined> {
    return (await this.region.places(this.pattern))[0]?.text
  }

  private async press(count: number, options: ClickOptions): Promise<void> {
    const { region, pattern } = this
    const steps: Step[] = [
      { kind: 'until', condition: region.shows(pattern) },
      { kind: 'click-text', pattern, area: region.area, button: checkedButton(options.button), count },
    ]
    await region.driver.run(steps, options)
  }
}
