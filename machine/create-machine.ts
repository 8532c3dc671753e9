/** Makes a machine: the board that the options name, in a virtual machine. */
import type { BoardType } from './assembly.js'
import { deviceTable, pcI440fx } from './boards/pc-i440fx.js'
import { arenaBytes } from './boards/plug.js'
import type { Machine, MachineOptions } from './machine.js'
import { VirtualMachine } from './virtual-machine.js'

const PC: BoardType = { memory: (options) => arenaBytes(deviceTable(options)), build: pcI440fx }

/** Throws an EngineUnavailableError, a DeviceError, or a BootImageError for a kernel that cannot be booted. */
export function createMachine(options: MachineOptions): Machine {
  return new VirtualMachine(options, PC)
}
