/**
 * The seam between a screen and needles: where needles come from is handed to `launch`, and what is here knows of them
 * only that they have a name and can be looked for in a picture.
 */
import type { Frame } from '../machine/devices/display/display.js'
import type { Area } from './compare-pictures.js'
import type { TimeoutOptions } from './vm-driver.js'
import type { ClickOptions } from './vm-mouse.js'
import type { Screen } from './vm-screen.js'

export interface NeedleMatch {
  /** Every area of the needle is there, each with the similarity that it asks for. */
  matched: boolean
  /** Of the area that fits least, from 0 to 1. */
  similarity: number
  /** Where its areas are on the screen. */
  areas: readonly Area[]
  /** Where to click, in pixels of the screen. */
  click?: { x: number; y: number }
}

/** A set of needles, e.g. a folder of openQA's. */
export interface NeedleStore {
  /**
   * The needles of a name, or with a tag; the names must be known.
   * @throws Error with one sentence where there is none.
   */
  find(nameOrTag: string): Promise<readonly { readonly name: string }[]>
  /** @param needle One that `find` gave. */
  match(frame: Frame, needle: { readonly name: string }): Promise<NeedleMatch> | NeedleMatch
}

export interface FoundNeedle extends NeedleMatch {
  name: string
}

export class NeedleLocator {
  constructor(
    private readonly screen: Screen,
    private readonly store: NeedleStore | undefined,
    readonly name: string,
  ) {}

  /** The needle that fits best now, matched or not. */
  async best(): Promise<FoundNeedle> {
    if (!this.store)
      throw new Error(`the needle '${this.name}' cannot be looked for: give launch() a needle store as 'needles'`)
    const needles = await this.store.find(this.name)
    const frame = await this.screen.frame()
    const found: FoundNeedle[] = []
    for (const needle of needles) found.push({ name: needle.name, ...(await this.store.match(frame, needle)) })
    return found.sort((a, b) => Number(b.matched) - Number(a.matched) || b.similarity - a.similarity)[0]
  }

  /** Rejects with a TimeoutError. */
  waitFor(options?: TimeoutOptions): Promise<FoundNeedle> {
    const check = async () => {
      const best = await this.best()
      return best.matched ? best : undefined
    }
    return this.screen.driver.poll(check, `the needle '${this.name}'`, options)
  }

  /** On the needle's click point, or the middle of its last area. */
  async click(options: ClickOptions = {}): Promise<void> {
    const { click, areas } = await this.waitFor(options)
    const area = areas[areas.length - 1]
    const at = click ?? { x: Math.floor(area.x + area.width / 2), y: Math.floor(area.y + area.height / 2) }
    await this.screen.driver.run(
      [
        { kind: 'mouse-to', ...at },
        { kind: 'mouse-click', button: options.button ?? 'left' },
      ],
      options,
    )
  }
}
