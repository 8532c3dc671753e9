/** `vm.keyboard`: keys at the pace of the guest, which fetches each before the next is sent. */
import type { LayoutName } from '../keys/keyboard-layouts.js'
import { codesOf, layoutNamed, strokesFor, strokesForText } from '../keys/keyboard-layouts.js'
import { keyCode, parseKeys } from '../keys/keys.js'
import { quoted } from '../words/quoted.js'
import type { TimeoutOptions, VmDriver } from './driver.js'

export interface KeyboardOptions extends TimeoutOptions {
  /** The guest's keyboard layout; default the machine's. */
  layout?: LayoutName
}

export class Keyboard {
  constructor(
    private readonly driver: VmDriver,
    private readonly layout: LayoutName,
  ) {}

  /**
   * Types a text; a line feed is Enter.
   * @throws Error that names a character which the layout has no key for; nothing is typed then.
   */
  async type(text: string, options: KeyboardOptions = {}): Promise<void> {
    const strokes = strokesForText(text, this.layoutOf(options))
    await this.driver.run(
      strokes.map((stroke) => ({ kind: 'tap', codes: codesOf(stroke) })),
      { ...options, title: `type ${quoted(text)}` },
    )
  }

  /**
   * Presses a key or a combination and lets it go: `Enter`, `Control+Alt+Delete`, `ctrl-alt-delete`, `a`.
   * @throws Error that names an unknown key and offers the nearest.
   */
  async press(keys: string, options: KeyboardOptions = {}): Promise<void> {
    const single = Array.from(keys).length === 1
    const taps = single ? strokesFor(keys, this.layoutOf(options)).map(codesOf) : [parseKeys(keys)]
    await this.driver.run(
      taps.map((codes) => ({ kind: 'tap', codes })),
      { ...options, title: `press ${keys}` },
    )
  }

  /** A key goes down and stays so. */
  async down(key: string, options: TimeoutOptions = {}): Promise<void> {
    await this.driver.run([{ kind: 'key', code: keyCode(key), down: true }], options)
  }

  async up(key: string, options: TimeoutOptions = {}): Promise<void> {
    await this.driver.run([{ kind: 'key', code: keyCode(key), down: false }], options)
  }

  private layoutOf({ layout }: KeyboardOptions): LayoutName {
    return layout === undefined ? this.layout : layoutNamed(layout)
  }
}
