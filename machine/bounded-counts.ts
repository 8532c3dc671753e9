/** Counts by number of what a guest touches: as many numbers as are of use to a person, whatever the guest does. */
import type { Stateful, StateTable } from './device.js'
import { count, list } from './state/fields.js'

/** A guest that sweeps all numbers must not fill the host's memory. */
const LIMIT = 1024

const STATE: StateTable = { entries: list(list(count, 2), 0, LIMIT) }

export class BoundedCounts implements Stateful {
  readonly state = STATE
  private readonly counts = new Map<number, number>()

  count(key: number): void {
    const before = this.counts.get(key)
    if (before !== undefined || this.counts.size < LIMIT) this.counts.set(key, (before ?? 0) + 1)
  }

  /** A member of the machine's state, too. */
  get entries(): [key: number, count: number][] {
    return [...this.counts]
  }

  set entries(entries: [key: number, count: number][]) {
    this.counts.clear()
    for (const [key, count] of entries) this.counts.set(key, count)
  }
}
