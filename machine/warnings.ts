/** What devices warn of, such as registers that they lack: counted by text, so that a loop is one line. */
import type { Warn } from './device.js'

export interface Warning {
  text: string
  /** Where it happened last, in the device's own words: a port, a register, an address. */
  address: number | undefined
  count: number
}

/** Different texts that are kept; what comes after them is counted as one. */
const MOST = 200
const OTHERS = 'further warnings'

export class Warnings {
  private readonly byText = new Map<string, Warning>()

  /** A bound function, to be handed to devices as it is. */
  readonly warn: Warn = (what, address) => {
    const text = this.byText.has(what) || this.byText.size < MOST ? what : OTHERS
    const known = this.byText.get(text)
    if (known) {
      known.count++
      known.address = address
    } else this.byText.set(text, { text, address, count: 1 })
  }

  /** The most frequent first. */
  list(): Warning[] {
    return [...this.byText.values()].map((warning) => ({ ...warning })).sort((a, b) => b.count - a.count)
  }
}
