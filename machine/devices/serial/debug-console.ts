/**
 * Debug console: a port that prints every byte written to it. At 0x402 it is QEMU's `isa-debugcon` as SeaBIOS uses it,
 * at 0xe9 Bochs's "port E9 hack". Reading returns E9, by which firmware finds out that it is there.
 */

import type { Device, PortRange, StateTable } from '../../device.js'
import { portOption } from '../device-option.js'
import { type CharBackend, deviceType } from '../device-type.js'

const READBACK = 0xe9

export interface DebugConsoleOptions {
  /** 0x402 or 0xe9. */
  base: number
  output: (byte: number) => void
}

const STATE: StateTable = {}

export class DebugConsole implements Device {
  readonly name: string
  readonly state = STATE
  readonly ports: readonly PortRange[]

  constructor(options: DebugConsoleOptions) {
    this.name = `isa-debugcon ${options.base.toString(16)}`
    this.ports = [
      {
        name: this.name,
        base: options.base,
        count: 1,
        width: 1,
        read: () => READBACK,
        write: (_offset, value) => options.output(value & 0xff),
      },
    ]
  }

  reset(): void {}
}

export const isaDebugcon = deviceType({
  type: 'isa-debugcon',
  title: 'a port that prints what is written to it',
  category: 'Serial',
  bus: 'isa',
  options: () => ({ iobase: portOption().default(0xe9).describe('the port') }),
  create(slot, { iobase }) {
    const backend = slot.backend<CharBackend>('char')
    return new DebugConsole({ base: iobase, output: (byte) => backend?.send(byte) })
  },
})
