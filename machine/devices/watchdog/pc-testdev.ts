/**
 * QEMU's `pc-testdev`, which kvm-unit-tests drive: interrupt lines to raise by hand, and registers that hold what is
 * written to them.
 *
 *   0E0h to 0E3h  four bytes of storage
 *   0E4h to 0E7h  an address whose page the hypervisor is to forget: there is nothing to forget here
 *   0E8h          one byte of storage
 *   2000h + n     the level of global system interrupt n, 0 to 23
 *   FF000000h     64 KiB of storage, as MMIO
 */

import type { AccessSize, Device, IrqLine, MmioRange, PortRange, StateTable } from '../../device.js'
import { bytes, u8 } from '../../state/fields.js'
import { deviceType } from '../device-type.js'

const LINES = 24
const MMIO_BASE = 0xff000000
const MMIO_SIZE = 0x10000

export interface PcTestdevOptions {
  /** A source of global system interrupt `n`. */
  irq: (n: number) => IrqLine
}

const STATE: StateTable = { storage: bytes(4), byte: u8, contents: bytes(MMIO_SIZE) }

export class PcTestdev implements Device {
  readonly name = 'pc-testdev'
  readonly state = STATE
  readonly ports: readonly PortRange[]
  readonly mmio: readonly MmioRange[]
  private readonly storage = new Uint8Array(4)
  private byte = 0
  private readonly contents = new Uint8Array(MMIO_SIZE)
  private readonly memory = new DataView(this.contents.buffer)
  private readonly lines: IrqLine[]

  constructor(options: PcTestdevOptions) {
    this.lines = Array.from({ length: LINES }, (_, n) => options.irq(n))
    this.ports = [
      {
        name: 'pc-testdev storage',
        base: 0xe0,
        count: 4,
        width: 1,
        read: (offset) => this.storage[offset],
        write: (offset, value) => {
          this.storage[offset] = value
        },
      },
      { name: 'pc-testdev flush', base: 0xe4, count: 4, width: 4, read: () => 0, write: () => {} },
      {
        name: 'pc-testdev byte',
        base: 0xe8,
        count: 1,
        width: 1,
        read: () => this.byte,
        write: (_offset, value) => {
          this.byte = value
        },
      },
      {
        name: 'pc-testdev interrupts',
        base: 0x2000,
        count: LINES,
        width: 1,
        read: () => 0,
        write: (n, value) => this.lines[n](value !== 0),
      },
    ]
    this.mmio = [
      {
        name: 'pc-testdev memory',
        base: MMIO_BASE,
        size: MMIO_SIZE,
        read: (offset, size) => this.read(offset, size),
        write: (offset, value, size) => this.write(offset, value, size),
      },
    ]
  }

  private read(offset: number, size: AccessSize): number {
    if (size === 4) return this.memory.getUint32(offset, true)
    return size === 2 ? this.memory.getUint16(offset, true) : this.memory.getUint8(offset)
  }

  private write(offset: number, value: number, size: AccessSize): void {
    if (size === 4) this.memory.setUint32(offset, value, true)
    else if (size === 2) this.memory.setUint16(offset, value, true)
    else this.memory.setUint8(offset, value)
  }

  reset(): void {
    for (const line of this.lines) line(false)
  }
}

export const pcTestdev = deviceType({
  type: 'pc-testdev',
  title: 'interrupt lines and storage for kernels that test the machine itself',
  category: 'Misc',
  bus: 'isa',
  options: () => ({}),
  create: (slot) => new PcTestdev({ irq: (n) => slot.irq(String(n), n) }),
})
