/**
 * QEMU's `isa-debug-exit`: a guest ends the machine by writing `n` to it, and the exit status is `(n << 1) | 1`, so it
 * is never 0. Hobby kernels' test runners live on it. Its ports by default are QEMU's; the board has one more at F4h.
 */

import type { Device, PortRange, StateTable } from '../../device.js'
import { integerOption, portOption } from '../device-option.js'
import { deviceType, type MachineControl } from '../device-type.js'

export interface IsaDebugExitOptions {
  /** Default `isa-debug-exit`; unique in a machine. */
  name?: string
  /** First port; default 0x501. */
  base?: number
  /** Number of ports; default 2. */
  size?: number
  /** Called with the exit status, unsigned 32 bits; a process would show its low byte. */
  onExit: (code: number) => void
}

const STATE: StateTable = {}

export class IsaDebugExit implements Device {
  readonly name: string
  readonly state = STATE
  readonly ports: readonly PortRange[]

  constructor(options: IsaDebugExitOptions) {
    this.name = options.name ?? 'isa-debug-exit'
    this.ports = [
      {
        name: this.name,
        base: options.base ?? 0x501,
        count: options.size ?? 2,
        width: 4,
        read: () => 0,
        write: (_offset, value) => options.onExit(((value << 1) | 1) >>> 0),
      },
    ]
  }

  reset(): void {}
}

export const isaDebugExit = deviceType({
  type: 'isa-debug-exit',
  title: 'a port whose writes end the machine',
  category: 'Misc',
  bus: 'isa',
  options: () => ({
    iobase: portOption().default(0x501).describe('first port'),
    iosize: integerOption(1, 8).default(2).describe('number of ports'),
  }),
  create: (slot, { iobase, iosize }) =>
    new IsaDebugExit({
      name: slot.name,
      base: iobase,
      size: iosize,
      onExit: (status) => slot.bus<MachineControl>('machine').debugExit(status >>> 1),
    }),
})
