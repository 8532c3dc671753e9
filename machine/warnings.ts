/** What devices warn of, such as registers that they lack: counted by text, so that a loop is one line. */
import type { Stateful, StateTable, Warn } from './device.js'
import { count, list, orNone, record, text } from './state/fields.js'

export interface Warning {
  text: string
  /** Where it happened last, in the device's own words: a port, a register, an address. */
  address?: number | undefined
  count: number
}

/** Different texts that are kept; what comes after them is counted as one. */
const MOST = 200
const LONGEST = 1000
const OTHERS = 'further warnings'

const STATE: StateTable = { entries: list(record({ text: text(LONGEST), address: orNone(count), count }), 0, MOST + 1) }

export class Warnings implements Stateful {
  readonly state = STATE
  private readonly byText = new Map<string, Warning>()

  /** A bound function, to be handed to devices as it is. */
  readonly warn: Warn = (what, address) => {
    const text = this.byText.has(what) || this.byText.size < MOST ? what.slice(0, LONGEST) : OTHERS
    const known = this.byText.get(text)
    if (known) {
      known.count++
      known.address = address
    } else this.byText.set(text, { text, address, count: 1 })
  }

  /** The most frequent first. */
  list(): Warning[] {
    return this.entries.sort((a, b) => b.count - a.count)
  }

  /** In the order in which they came, for the state. */
  get entries(): Warning[] {
    return [...this.byText.values()].map((warning) => ({ ...warning }))
  }

  set entries(entries: Warning[]) {
    this.byText.clear()
    for (const entry of entries) this.byText.set(entry.text, entry)
  }
}
