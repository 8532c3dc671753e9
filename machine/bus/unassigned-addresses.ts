/** Counts what a guest touched in memory where nobody answers, by address and direction. */
import type { StateTable } from '../device.js'
import { count, list } from '../state/fields.js'

export interface UnhandledAddress {
  address: number
  reads: number
  writes: number
}

/** Distinct addresses that are kept apart: a guest that sweeps the hole must not fill the host's memory. */
const LIMIT = 1024

const STATE: StateTable = { table: list(list(count, 3), 0, LIMIT), others: count }

export class UnassignedAddresses {
  readonly state = STATE
  private readonly counts = new Map<number, UnhandledAddress>()
  private others = 0

  count(address: number, write: boolean): void {
    let entry = this.counts.get(address)
    if (entry === undefined) {
      if (this.counts.size >= LIMIT) {
        this.others++
        return
      }
      entry = { address, reads: 0, writes: 0 }
      this.counts.set(address, entry)
    }
    if (write) entry.writes++
    else entry.reads++
  }

  /** Lowest address first; `others` counts accesses past the bound. */
  report(): { addresses: UnhandledAddress[]; others: number } {
    const addresses = [...this.counts.values()].sort((a, b) => a.address - b.address).map((entry) => ({ ...entry }))
    return { addresses, others: this.others }
  }

  /** Address, reads and writes, for the state. */
  get table(): [number, number, number][] {
    return this.report().addresses.map(({ address, reads, writes }) => [address, reads, writes])
  }

  set table(entries: [number, number, number][]) {
    this.counts.clear()
    for (const [address, reads, writes] of entries) this.counts.set(address, { address, reads, writes })
  }

  clear(): void {
    this.counts.clear()
    this.others = 0
  }
}
