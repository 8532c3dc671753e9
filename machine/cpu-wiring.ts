/**
 * What the CPUs' pins are wired to: the buses and the board. All that passes is counted, noted for reports, and told to the
 * log.
 */
import type { Board } from './boards/board.js'
import type { MemoryMap } from './bus/memory-map.js'
import type { PortBus } from './bus/port-bus.js'
import { PortLog } from './bus/port-log.js'
import type { CpuBoard } from './cpu/engine.js'
import type { MachineLog } from './debug/machine-log.js'
import type { GuestErrors } from './guest-errors.js'

export class CpuWiring {
  /** To ports and devices' memory. */
  accesses = 0
  readonly portLog = new PortLog()
  /** The log wants to know of accesses. */
  tellsIo = false

  /** @param board Is built when the CPUs are there. */
  pins(ports: PortBus, memory: MemoryMap, errors: GuestErrors, log: MachineLog, board: () => Board): CpuBoard {
    const { portLog } = this
    return {
      portRead: (port, size) => {
        const value = ports.read(port, size)
        this.accesses++
        portLog.note(0, port, value, size)
        if (this.tellsIo) log.port(false, port, value, size, ports.nameOf(port))
        return value
      },
      portWrite: (port, value, size) => {
        this.accesses++
        portLog.note(1, port, value, size)
        if (this.tellsIo) log.port(true, port, value, size, ports.nameOf(port))
        ports.write(port, value, size)
      },
      mmioRead: (address, size) => {
        this.accesses++
        const value = memory.mmioRead(address, size)
        if (this.tellsIo) log.memory(false, address, value, size)
        return value
      },
      mmioWrite: (address, value, size) => {
        this.accesses++
        if (this.tellsIo) log.memory(true, address, value, size)
        memory.mmioWrite(address, value, size)
      },
      acknowledgeInterrupt: () => board().pins.acknowledgeInterrupt(),
      readMsr: (index) => board().pins.readMsr(index),
      writeMsr: (index, value) => board().pins.writeMsr(index, value),
      readTpr: () => board().pins.readTpr(),
      writeTpr: (value) => board().pins.writeTpr(value),
      ferr: (level) => board().pins.ferr(level),
      smmChanged: (inSmm) => board().pins.smmChanged(inSmm),
      warnMsr: (index) => errors.unknownMsrs.count(index),
    }
  }
}
