/** The ports that were accessed last, for reports on a guest that went wrong. No part of any state. */
import type { AccessSize } from '../device.js'

export interface PortAccess {
  kind: 'read' | 'write'
  port: number
  /** Of the device behind it. */
  name?: string
  size: AccessSize
  /** Of the last time. */
  value: number
  /** How often since it is in the list. */
  times: number
}

const ENTRIES = 8

/** A list of reads and writes by port: one that is done again moves to its end, and the longest ago makes room. */
export class PortLog {
  /** Port number, and 10000h where it is written; -1 is no entry. */
  private readonly keys = new Int32Array(ENTRIES).fill(-1)
  private readonly sizes = new Uint8Array(ENTRIES)
  private readonly values = new Uint32Array(ENTRIES)
  private readonly times = new Float64Array(ENTRIES)
  /** When it was done last, by the count of changes from one port to another. */
  private readonly stamps = new Float64Array(ENTRIES)
  private stamp = 0
  /** The entry of the last access. */
  private last = 0

  /** @param write 1 is a write. */
  note(write: 0 | 1, port: number, value: number, size: AccessSize): void {
    const key = (write << 16) | port
    let { last } = this
    if (this.keys[last] !== key) {
      last = this.entryFor(key)
      this.last = last
      this.stamps[last] = ++this.stamp
    }
    this.values[last] = value
    this.sizes[last] = size
    this.times[last]++
  }

  /** The machine is another one now, or at another moment. */
  forget(): void {
    this.keys.fill(-1)
  }

  private entryFor(key: number): number {
    const { keys, stamps } = this
    let oldest = 0
    for (let i = 0; i < ENTRIES; i++) {
      if (keys[i] === key) return i
      if (stamps[i] < stamps[oldest]) oldest = i
    }
    keys[oldest] = key
    this.times[oldest] = 0
    return oldest
  }

  /** The last one last. */
  list(nameOf: (port: number) => string | undefined): PortAccess[] {
    const used = [...this.keys.keys()].filter((i) => this.keys[i] >= 0)
    used.sort((a, b) => this.stamps[a] - this.stamps[b])
    return used.map((i) => {
      const port = this.keys[i] & 0xffff
      const name = nameOf(port)
      return {
        kind: this.keys[i] > 0xffff ? 'write' : 'read',
        port,
        ...(name !== undefined && { name }),
        size: this.sizes[i] as AccessSize,
        value: this.values[i],
        times: this.times[i],
      }
    })
  }
}
