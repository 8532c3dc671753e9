/** The last port accesses, for reports on a guest that went wrong. No part of any state. */
import type { AccessSize } from '../device.js'

export interface PortAccess {
  kind: 'read' | 'write'
  port: number
  /** Of the device behind it. */
  name?: string
  size: AccessSize
  /** Of the last one where it came several times. */
  value: number
  /** How often in a row: a polling loop is one entry. */
  times: number
}

const ENTRIES = 8

export class PortLog {
  private readonly ports = new Uint16Array(ENTRIES)
  private readonly sizes = new Uint8Array(ENTRIES)
  private readonly writes = new Uint8Array(ENTRIES)
  private readonly values = new Uint32Array(ENTRIES)
  private readonly times = new Float64Array(ENTRIES)
  /** The entry of the last access. */
  private last = 0

  /** @param write 1 is a write. */
  note(write: 0 | 1, port: number, value: number, size: AccessSize): void {
    const { last } = this
    if (this.ports[last] === port && this.writes[last] === write && this.times[last] > 0) {
      this.values[last] = value
      this.times[last]++
      return
    }
    const next = (last + 1) % ENTRIES
    this.last = next
    this.ports[next] = port
    this.sizes[next] = size
    this.writes[next] = write
    this.values[next] = value
    this.times[next] = 1
  }

  /** The last one last. */
  list(nameOf: (port: number) => string | undefined): PortAccess[] {
    const list: PortAccess[] = []
    for (let i = 1; i <= ENTRIES; i++) {
      const at = (this.last + i) % ENTRIES
      if (this.times[at] === 0) continue
      const [port, value, times] = [this.ports[at], this.values[at], this.times[at]]
      const name = nameOf(port)
      const kind = this.writes[at] === 1 ? 'write' : 'read'
      list.push({ kind, port, ...(name !== undefined && { name }), size: this.sizes[at] as AccessSize, value, times })
    }
    return list
  }
}
