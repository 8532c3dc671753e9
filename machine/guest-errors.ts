/** What a guest does that it should not: it touches what is not there, or has devices warn. Counted, and saved with the machine. */
import { BoundedCounts } from './bounded-counts.js'
import type { MemoryMap } from './bus/memory-map.js'
import type { PortBus } from './bus/port-bus.js'
import type { Stateful, StateTable } from './device.js'
import type { UnhandledAccess } from './report.js'
import { count, list } from './state/fields.js'
import { part } from './state/state-table.js'
import { Warnings } from './warnings.js'

const STATE: StateTable = {
  ...{ unknownMsrs: part(), unassignedPorts: list(list(count, 3), 0, 0x10000), unassignedMemory: part() },
  warnings: part(),
}

export class GuestErrors implements Stateful {
  readonly state = STATE
  readonly unknownMsrs = new BoundedCounts()
  readonly warnings = new Warnings()

  constructor(
    private readonly ports: PortBus,
    private readonly memory: MemoryMap,
  ) {}

  get unassignedPorts(): [number, number, number][] {
    return this.ports.unhandledCounts
  }

  set unassignedPorts(counts: [number, number, number][]) {
    this.ports.unhandledCounts = counts
  }

  get unassignedMemory(): Stateful {
    return this.memory.unassigned
  }

  /** What is not there, the most touched first. */
  unhandled(): UnhandledAccess[] {
    const list: UnhandledAccess[] = [
      ...this.ports.unhandled().map(({ port, ...rest }) => ({ kind: 'port' as const, address: port, ...rest })),
      ...this.memory
        .unhandled()
        .addresses.map(({ address, reads, writes }) => ({ kind: 'mmio' as const, address, reads, writes })),
      ...this.unknownMsrs.entries.map(([address, reads]) => ({ kind: 'msr' as const, address, reads, writes: 0 })),
    ]
    return list.sort((a, b) => b.reads + b.writes - (a.reads + a.writes))
  }
}
