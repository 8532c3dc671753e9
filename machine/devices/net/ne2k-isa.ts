/**
 * Novell NE2000, QEMU's `ne2k_isa`: a DP8390 with 32 KiB of buffer memory and a PROM, from 300h on.
 *
 *   0 to 0Fh     the DP8390's registers
 *   10h to 17h   data port of the remote DMA
 *   18h to 1Fh   reset: a read resets the chip, a write ends that on the first cards
 */
import { z } from 'zod'
import type { Device, PortRange, StateTable } from '../../device.js'
import type { NetworkPort } from '../../network/port.js'
import { bytes } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { deviceType, integerOption, portOption } from '../device-type.js'
import { Dp8390, type Dp8390Options } from './dp8390.js'

const PORTS = 0x20
const DATA_PORT = 0x10
const RESET_PORT = 0x18

/** In the chip's local memory: 16 bytes, each there twice, for the words of the 16-bit slot. */
const PROM_SIZE = 0x20
const RAM_START = 0x4000
const RAM_SIZE = 0x8000
/** Bytes 14 and 15 of the PROM, by which drivers know a 16-bit card: "WW". */
const SIGNATURE = 0x57

export interface Ne2000Options extends Omit<Dp8390Options, 'read' | 'write'> {
  base: number
  /** The six bytes of its address. */
  mac: readonly number[]
}

const STATE: StateTable = { chip: part(), ram: bytes(RAM_SIZE) }

export class Ne2000 implements Device {
  readonly state = STATE
  readonly name: string
  readonly ports: readonly PortRange[]
  private readonly prom = new Uint8Array(PROM_SIZE)
  private readonly ram = new Uint8Array(RAM_SIZE)
  private readonly chip: Dp8390

  constructor(options: Ne2000Options) {
    this.name = options.name
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
    const { chip } = this
    this.ports = [
      {
        name: `${this.name} registers`,
        base: options.base,
        count: DATA_PORT,
        read: (register) => chip.readRegister(register),
        write: (register, value) => chip.writeRegister(register, value),
      },
      {
        name: `${this.name} data`,
        base: options.base + DATA_PORT,
        count: RESET_PORT - DATA_PORT,
        width: 2,
        read: (_offset, size) => chip.readData(size === 1 ? 1 : 2),
        write: (_offset, value, size) => chip.writeData(value, size === 1 ? 1 : 2),
      },
      {
        name: `${this.name} reset`,
        base: options.base + RESET_PORT,
        count: PORTS - RESET_PORT,
        read: () => {
          chip.reset()
          return 0
        },
        write: () => {},
      },
    ]
  }

  reset(): void {
    this.chip.reset()
  }
}

/** `52:54:00:12:34:56`, of a station and not of a group. */
export const macOption = () =>
  z
    .string()
    .regex(
      /^[\da-f][02468ace](:[\da-f]{2}){5}$/i,
      'an address has six bytes, as in 52:54:00:12:34:56, the first one even',
    )
    .default('52:54:00:12:34:56')
    .describe('Ethernet address')

export const ne2kIsa = deviceType({
  type: 'ne2k_isa',
  title: 'NE2000 Ethernet card',
  category: 'Network',
  bus: 'isa',
  options: z.strictObject({
    iobase: portOption().default(0x300).describe('first of its 32 ports'),
    irq: integerOption(3, 15).default(9).describe('ISA interrupt'),
    mac: macOption(),
  }),
  legacyPorts: [{ name: 'NE2000', base: 0x300, count: PORTS }],
  create: (slot, { iobase, irq, mac }) =>
    new Ne2000({
      name: slot.name,
      clock: slot.clock,
      warn: slot.warn,
      irq: slot.irq('irq', irq),
      port: slot.backend<NetworkPort>('net'),
      base: iobase,
      mac: mac.split(':').map((byte) => Number.parseInt(byte, 16)),
    }),
})
