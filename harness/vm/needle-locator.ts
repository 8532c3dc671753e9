/** A needle on the screen, by its name or a tag, to be waited for or clicked on. */
import type { Frame } from '../../machine/devices/display/display.js'
import { checkedButton } from '../keys/boot-command.js'
import { bestMatch, type NeedleMatch } from '../needles/match.js'
import type { Needle } from '../needles/needle.js'
import { NeedleError } from '../needles/needle-file.js'
import type { NeedleSet } from '../needles/needle-set.js'
import type { Condition } from '../protocol/condition.js'
import type { TimeoutOptions, VmDriver } from './driver.js'
import type { ClickOptions } from './mouse.js'

interface Screen {
  readonly driver: VmDriver
  frame(): Promise<Frame>
}

export class NeedleLocator {
  constructor(
    private readonly screen: Screen,
    private readonly set: NeedleSet | undefined,
    readonly name: string,
  ) {}

  /** The needle that fits best now, found or not. Rejects with a NeedleError where there is none of this name or tag. */
  async best(): Promise<NeedleMatch> {
    return (await this.look()).match
  }

  /** @internal With the needle and the screen. */
  async look(): Promise<{ match: NeedleMatch; needle: Needle; frame: Frame }> {
    const [needles, frame] = [await this.needles(), await this.screen.frame()]
    const match = bestMatch(frame, needles) as NeedleMatch
    return { match, needle: needles.find(({ name }) => name === match.needle) as Needle, frame }
  }

  /** The condition that one of the needles is there. */
  async condition(): Promise<Condition> {
    return { kind: 'needle', needles: await this.needles() }
  }

  /** Rejects with a TimeoutError. */
  async waitFor(options?: TimeoutOptions): Promise<NeedleMatch> {
    await this.screen.driver.until(await this.condition(), options)
    return this.best()
  }

  /** On the needle's click point, or the middle of its last area. */
  async click(options: ClickOptions & { id?: string } = {}): Promise<void> {
    const { id } = options
    const button = checkedButton(options.button)
    const { clickPoints, needle } = await this.waitFor(options)
    const at = id === undefined ? clickPoints.at(-1) : clickPoints.find((point) => point.id === id)
    if (!at) throw new NeedleError(`the needle '${needle}' has no click point '${id}'`)
    await this.screen.driver.run(
      [
        { kind: 'mouse-to', x: at.x, y: at.y },
        { kind: 'mouse-click', button },
      ],
      options,
    )
  }

  private async needles(): Promise<Needle[]> {
    const { set, name } = this
    if (!set) throw new NeedleError(`the needle '${name}' is not known: give launch() a folder of needles as 'needles'`)
    const isTag = set.files.some(({ tags }) => tags.includes(name))
    return isTag ? set.tagged(name) : [await set.get(name)]
  }
}
