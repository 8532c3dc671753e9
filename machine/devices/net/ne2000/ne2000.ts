/**
 * Novell's NE2000: a DP8390 with 32 KiB of buffer memory and a PROM behind 32 ports.
 *
 *   0 to 0Fh     the DP8390's registers
 *   10h to 17h   data port of the remote DMA
 *   18h to 1Fh   reset: a read resets the chip, a write ends that on the first cards
 */
import type { AccessSize, Device, PortRange, StateTable } from '../../../device.js'
import { bytes } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import { Dp8390, type Dp8390Options } from './dp8390.js'

export const NE2000_PORTS = 0x20
const DATA_PORT = 0x10
const RESET_PORT = 0x18

/** In the chip's local memory: 16 bytes, each there twice, for the words of the 16-bit slot. */
const PROM_SIZE = 0x20
const RAM_START = 0x4000
const RAM_SIZE = 0x8000
/** Bytes 14 and 15 of the PROM, by which drivers know a 16-bit card: "WW". */
const SIGNATURE = 0x57

export interface Ne2000Options extends Omit<Dp8390Options, 'read' | 'write'> {
  /** Where its ports are; undefined: behind a base address register, which leads to `window`. */
  base?: number
  /** The six bytes of its address. */
  mac: readonly number[]
}

export const NE2000_STATE: StateTable = { chip: part(), ram: bytes(RAM_SIZE) }

export class Ne2000 implements Device {
  readonly state = NE2000_STATE
  readonly name: string
  readonly ports: readonly PortRange[]
  private readonly width: 2 | 4
  private readonly prom = new Uint8Array(PROM_SIZE)
  private readonly ram = new Uint8Array(RAM_SIZE)
  private readonly chip: Dp8390

  constructor(options: Ne2000Options) {
    this.name = options.name
    this.width = options.base === undefined ? 4 : 2
    for (let i = 0; i < PROM_SIZE; i++) this.prom[i] = options.mac[i >>> 1] ?? (i >= 28 ? SIGNATURE : 0)
    const { prom, ram } = this
    this.chip = new Dp8390({
      ...options,
      read: (at) =>
        at < PROM_SIZE ? prom[at] : at >= RAM_START && at < RAM_START + RAM_SIZE ? ram[at - RAM_START] : 0xff,
      write: (at, value) => {
        if (at >= RAM_START && at < RAM_START + RAM_SIZE) ram[at - RAM_START] = value
      },
    })
    const { base } = options
    this.ports = base === undefined ? [] : [{ ...this.window, base }]
  }

  reset(): void {
    this.chip.reset()
  }

  /** Accesses as wide as the slot's; but registers have a byte each. */
  get window(): Omit<PortRange, 'base'> {
    return {
      name: this.name,
      count: NE2000_PORTS,
      width: this.width,
      read: (offset, size) => this.read(offset, size),
      write: (offset, value, size) => this.write(offset, value, size),
    }
  }

  private read(offset: number, size: AccessSize): number {
    if (offset >= DATA_PORT && offset < RESET_PORT) return this.chip.readData(size)
    let value = 0
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i)
    return value >>> 0
  }

  private readByte(offset: number): number {
    if (offset < DATA_PORT) return this.chip.readRegister(offset)
    this.chip.reset()
    return 0
  }

  private write(offset: number, value: number, size: AccessSize): void {
    if (offset >= RESET_PORT) return
    if (offset >= DATA_PORT) this.chip.writeData(value, size)
    else for (let i = 0; i < size; i++) this.chip.writeRegister(offset + i, (value >>> (8 * i)) & 0xff)
  }
}
