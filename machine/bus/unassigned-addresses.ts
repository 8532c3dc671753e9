/** Counts what a guest touched in memory where nobody answers, by address and direction. */
import type { State, Warn } from '../device.js'

export interface UnhandledAddress {
  address: number
  reads: number
  writes: number
}

/** Distinct addresses that are kept apart: a guest that sweeps the hole must not fill the host's memory. */
const LIMIT = 1024

export class OwnerlessAddresses {
  private readonly counts = new Map<number, UnhandledAddress>()
  private others = 0

  /** `warn` is told of each address once, up to the bound. */
  constructor(private readonly warn?: Warn) {}

  count(address: number, write: boolean): void {
    let entry = this.counts.get(address)
    if (entry === undefined) {
      if (this.counts.size >= LIMIT) {
        this.others++
        return
      }
      entry = { address, reads: 0, writes: 0 }
      this.counts.set(address, entry)
      this.warn?.(write ? 'memory write, nobody there' : 'memory read, nobody there', address)
    }
    if (write) entry.writes++
    else entry.reads++
  }

  /** Lowest address first; `others` counts accesses past the bound. */
  report(): { addresses: UnhandledAddress[]; others: number } {
    const addresses = [...this.counts.values()].sort((a, b) => a.address - b.address).map((entry) => ({ ...entry }))
    return { addresses, others: this.others }
  }

  save(): State {
    const { addresses, others } = this.report()
    return { addresses: addresses.map(({ address, reads, writes }) => [address, reads, writes]), others }
  }

  load(state: State): void {
    this.clear()
    for (const [address, reads, writes] of state.addresses as [number, number, number][])
      this.counts.set(address, { address, reads, writes })
    this.others = state.others as number
  }

  clear(): void {
    this.counts.clear()
    this.others = 0
  }
}
