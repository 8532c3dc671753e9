/**
 * Realtek RTL8139C(L)+, QEMU's `rtl8139`, 10ec:8139 (data sheet 1.6): 256 bytes of registers in I/O and in memory space. As
 * an RTL8139C (`plus=off`) it lacks the C+ mode, and Linux's 8139too takes it in place of 8139cp.
 *
 * Registers are a table, by offset and width; an access may have any part of one, or several.
 * The file is longer than others, because its table of registers names all that it does.
 */
import type { Timer } from '../../../clock.js'
import type { AccessSize, Device, IrqLine, StateTable } from '../../../device.js'
import { Arrivals } from '../../../network/port.js'
import { list, time, timer, u8, u16, u32 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import { BusMaster } from '../../bus-master.js'
import { flagOption } from '../../device-option.js'
import { MicrowireEeprom } from '../microwire-eeprom.js'
import { addRegisterBars, networkCardType } from '../network-card.js'
import { LINK_CHANGE, NS_PER_BYTE, type Rtl8139Parts, SWINT, TIME_OUT } from './rtl8139-parts.js'
import { Rtl8139Phy } from './rtl8139-phy.js'
import { Rtl8139Receiver } from './rtl8139-receiver.js'
import { TallyCounters } from './rtl8139-tally.js'
import { Rtl8139Transmitter } from './rtl8139-transmitter.js'

const REGISTERS = 0x100

// CR
const CR_RST = 0x10
const CR_RE = 0x08
const CR_TE = 0x04
const CR_BUFE = 0x01

const INTERRUPTS = 0xe1ff

// TCR
const TCR_BITS = 0x0307_07f0
const TCR_CLRABT = 0x01
/** HWVERID: an RTL8139C, an RTL8139C+. */
const VERSION_C = 0x7400_0000
const VERSION_PLUS = 0x7480_0000

// 9346CR
const EEM = 0xc0
const EEM_NORMAL = 0x00
const EEM_AUTOLOAD = 0x40
const EEM_PROGRAM = 0x80
const EEM_CONFIG = 0xc0
const EECS = 0x08
const EESK = 0x04
const EEDI = 0x02
const EEDO = 0x01

// C+CR
const CPRX = 0x02
const CPTX = 0x01
const CPCR_BITS = 0x007b

// DTCCR
const DTCCR_CMD = 0x08

/** CONFIG1: registers in memory and I/O space. */
const CONFIG1_DEFAULT = 0x0c
const CONFIG1_BITS = 0xf3
const CONFIG3_BITS = 0x6a
const CONFIG4_BITS = 0xff
const CONFIG5_BITS = 0x7f

/** TCTR counts cycles of the bus: 33 MHz. */
const TICKS_PER_NS = 33 / 1000
const TICKS_TO_WRAP = 2 ** 32

/** Words of the EEPROM: its mark, the PCI numbers, the address. */
const EEPROM_MARK = 0x8129
const EEPROM_MAC = 7

interface Register {
  width: 1 | 2 | 4
  read(): number
  /** Bits outside `mask` were not in the access, and `value` has what the register reads there. */
  write?(value: number, mask: number): void
  /** It is written whole, whatever the access. */
  merge?: boolean
}

export interface Rtl8139Options extends Omit<Rtl8139Parts, 'raise' | 'tally'> {
  irq: IrqLine
  mac: readonly number[]
  plus: boolean
}

const STATE: StateTable = {
  ...{ cr: u8, isr: u16, imr: u16, tcr: u32, cr9346: u8, configs: list(u8, 6), multiple: u16, command: u16 },
  ...{ dtccr: list(u32, 2), threshold: u8, timerInterrupt: u32, timerStart: time, timeOut: timer },
  ...{ eeprom: part(), phy: part(), receiver: part(), transmitter: part(), tally: part(), arrivals: part() },
}

export class Rtl8139 implements Device {
  readonly state = STATE
  readonly name: string
  private cr = 0
  private isr = 0
  private imr = 0
  private tcr = 0
  private cr9346 = 0
  /** CONFIG0 to CONFIG5. */
  private readonly configs = new Uint8Array(6)
  /** MULINT. */
  private multiple = 0
  /** C+CR. */
  private command = 0
  private readonly dtccr = new Uint32Array(2)
  /** ETThR. */
  private threshold = 0
  private timerInterrupt = 0
  /** When TCTR was 0. */
  private timerStart = 0
  private readonly timeOut: Timer
  private readonly eeprom = new MicrowireEeprom()
  private readonly phy: Rtl8139Phy
  private readonly receiver: Rtl8139Receiver
  private readonly transmitter: Rtl8139Transmitter
  private readonly tally = new TallyCounters()
  private readonly arrivals: Arrivals
  /** By byte: the register that it is part of, and where that begins. */
  private readonly registers: ({ at: number; register: Register } | undefined)[] = []

  constructor(private readonly options: Rtl8139Options) {
    const { name, clock, warn, port } = options
    this.name = name
    const parts = { ...options, tally: this.tally, raise: (bits: number) => this.raise(bits) }
    const chip = this
    this.receiver = new Rtl8139Receiver(parts, {
      get enabled() {
        return (chip.cr & CR_RE) !== 0
      },
      get plus() {
        return (chip.command & CPRX) !== 0
      },
      get command() {
        return chip.command
      },
    })
    this.transmitter = new Rtl8139Transmitter(
      parts,
      {
        get enabled() {
          return (chip.cr & CR_TE) !== 0
        },
        get plus() {
          return (chip.command & CPTX) !== 0
        },
        get tcr() {
          return chip.tcr
        },
      },
      (frame) => this.receiver.receive(frame, true),
    )
    this.phy = new Rtl8139Phy(port, () => this.raise(LINK_CHANGE))
    this.timeOut = clock.timer(`${name} timer`, () => this.timedOut())
    this.arrivals = new Arrivals(name, clock, warn, (frame) => this.receiver.receive(frame))
    if (port) {
      port.receive = (frame, at) => this.arrivals.add(frame, at)
      port.speed = 8e9 / NS_PER_BYTE
    }
    this.writeEeprom()
    for (const [at, register] of this.table())
      for (let i = 0; i < register.width; i++) this.registers[at + i] = { at, register }
    this.reset()
  }

  private writeEeprom(): void {
    const { mac } = this.options
    this.eeprom.words.set([EEPROM_MARK, 0x10ec, 0x8139, 0x1af4, 0x1100])
    for (let i = 0; i < 3; i++) this.eeprom.words[EEPROM_MAC + i] = mac[2 * i] | (mac[2 * i + 1] << 8)
  }

  /** RSTB. What is on the wire stays there. */
  reset(): void {
    this.phy.reset()
    this.tally.reset()
    this.timerStart = this.options.clock.now()
    this.timerInterrupt = 0
    this.command = 0
    this.receiver.mar.fill(0)
    this.autoload()
    this.softReset()
  }

  /** From the EEPROM. */
  private autoload(): void {
    for (let i = 0; i < 6; i++) this.receiver.idr[i] = this.eeprom.words[EEPROM_MAC + (i >>> 1)] >>> (8 * (i & 1))
    this.configs.set([0, CONFIG1_DEFAULT, 0, 0, 0, 0])
    this.cr9346 = EEM_NORMAL
  }

  /** RST in CR: addresses, the EEPROM's contents and PCI's registers stay. */
  private softReset(): void {
    this.cr = 0
    this.isr = 0
    this.imr = 0
    this.tcr = 0
    this.multiple = 0
    this.command = 0
    this.dtccr.fill(0)
    this.threshold = 0
    this.receiver.reset()
    this.transmitter.reset()
    this.armTimer()
    this.updateIrq()
  }

  private updateIrq(): void {
    this.options.irq((this.isr & this.imr) !== 0)
  }

  private raise(bits: number): void {
    this.isr |= bits
    this.updateIrq()
  }

  // Accesses

  read(offset: number, size: AccessSize): number {
    if (this.options.bus.isSelf) return 0xffff_ffff >>> (32 - 8 * size)
    let value = 0
    for (let i = 0; i < size; ) {
      const found = this.registers[offset + i]
      if (!found) {
        i++
        continue
      }
      const { at, register } = found
      const skipped = offset + i - at
      const count = Math.min(register.width - skipped, size - i)
      const bits = (register.read() >>> (8 * skipped)) & (0xffff_ffff >>> (32 - 8 * count))
      value |= bits << (8 * i)
      i += count
    }
    return value >>> 0
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (this.options.bus.isSelf) return
    for (let i = 0; i < size; ) {
      const found = this.registers[offset + i]
      if (!found) {
        i++
        continue
      }
      const { at, register } = found
      const skipped = offset + i - at
      const count = Math.min(register.width - skipped, size - i)
      const mask = ((0xffff_ffff >>> (32 - 8 * count)) << (8 * skipped)) >>> 0
      const bits = ((value >>> (8 * i)) << (8 * skipped)) & mask
      const rest = register.merge ? register.read() & ~mask : 0
      register.write?.((bits | rest) >>> 0, mask)
      i += count
    }
  }

  private table(): [offset: number, register: Register][] {
    const { receiver, transmitter, phy } = this
    const stored = (array: Uint8Array | Uint32Array, i: number, bits = 0xffff_ffff): Register => ({
      width: array.BYTES_PER_ELEMENT as 1 | 4,
      merge: true,
      read: () => array[i],
      write: (value) => {
        array[i] = value & bits
      },
    })
    const constant = (width: 1 | 2 | 4, read: () => number): Register => ({ width, read })
    const config = (i: number, bits: number): Register => ({
      width: 1,
      read: () => this.configs[i],
      write: (value) => {
        if (this.configOpen) this.configs[i] = (this.configs[i] & ~bits) | (value & bits)
      },
    })
    const transceiver = (at: number): Register => ({
      width: 2,
      merge: at !== 0x74,
      read: () => phy.read(at),
      write: (value) => {
        if (at !== 0x62 || this.configOpen || value & 0x8000) phy.write(at, value)
      },
    })
    const four = [0, 1, 2, 3]
    const rows: [number, Register][] = [
      ...Array.from(receiver.idr, (_, i): [number, Register] => [i, stored(receiver.idr, i)]),
      ...Array.from(receiver.mar, (_, i): [number, Register] => [8 + i, stored(receiver.mar, i)]),
      // TSD, and in C+ mode DTCCR
      ...four.map((n): [number, Register] => [
        0x10 + 4 * n,
        {
          width: 4,
          merge: true,
          read: () => (this.hasDump && n < 2 ? this.dtccr[n] : transmitter.tsd[n]),
          write: (value) => (this.hasDump ? this.writeDump(n, value) : transmitter.writeTsd(n, value)),
        },
      ]),
      // TSAD, and in C+ mode TNPDS and THPDS
      ...four.map((n): [number, Register] => [
        0x20 + 4 * n,
        {
          width: 4,
          merge: true,
          read: () => (this.hasDump ? transmitter.rings : transmitter.tsad)[n],
          write: (value) => {
            transmitter.tsad[n] = value
            transmitter.rings[n] = value
          },
        },
      ]),
      [
        0x30,
        {
          ...{ width: 4, merge: true, read: () => receiver.rbstart },
          write: (value) => {
            receiver.rbstart = value
          },
        },
      ],
      [0x34, constant(2, () => 0)], // ERBCR
      [0x36, constant(1, () => 0)], // ERSR
      [
        0x37,
        {
          width: 1,
          read: () => this.cr | (receiver.isEmpty ? CR_BUFE : 0),
          write: (value) => this.writeCr(value),
        },
      ],
      [
        0x38,
        {
          ...{ width: 2, merge: true, read: () => receiver.capr },
          write: (value) => {
            receiver.capr = value
          },
        },
      ],
      [0x3a, constant(2, () => receiver.cbr)],
      [
        0x3c,
        {
          ...{ width: 2, merge: true, read: () => this.imr },
          write: (value) => {
            this.imr = value & INTERRUPTS
            this.updateIrq()
          },
        },
      ],
      [
        0x3e,
        {
          ...{ width: 2, read: () => this.isr },
          write: (value) => {
            this.isr &= ~value
            this.updateIrq()
          },
        },
      ],
      [
        0x40,
        {
          ...{ width: 4, merge: true },
          read: () => (this.tcr | (this.options.plus ? VERSION_PLUS : VERSION_C)) >>> 0,
          write: (value) => {
            this.tcr = value & TCR_BITS & ~TCR_CLRABT
          },
        },
      ],
      [0x44, { width: 4, merge: true, read: () => receiver.rcr, write: (value) => receiver.writeRcr(value) }],
      [0x48, { width: 4, read: () => this.ticks, write: () => this.restartTimer() }],
      [
        0x4c,
        {
          ...{ width: 4, read: () => receiver.missed },
          write: () => {
            receiver.missed = 0
          },
        },
      ],
      [0x50, { width: 1, read: () => this.read9346(), write: (value) => this.write9346(value) }],
      [0x51, config(0, 0)],
      [0x52, config(1, CONFIG1_BITS)],
      [
        0x54,
        {
          ...{ width: 4, merge: true, read: () => this.timerInterrupt },
          write: (value) => {
            this.timerInterrupt = value
            this.armTimer()
          },
        },
      ],
      [0x58, constant(1, () => phy.mediaStatus)],
      [0x59, config(3, CONFIG3_BITS)],
      [0x5a, config(4, CONFIG4_BITS)],
      [
        0x5c,
        {
          ...{ width: 2, merge: true, read: () => this.multiple },
          write: (value) => {
            this.multiple = value & 0x0fff
          },
        },
      ],
      [0x5e, constant(1, () => (this.options.plus ? 0x20 : 0x10))],
      [0x60, constant(2, () => transmitter.summary)],
      ...[0x62, 0x64, 0x66, 0x68, 0x6a, 0x74].map((at): [number, Register] => [at, transceiver(at)]),
      [0x6c, constant(2, () => 0)], // DIS
      [0x6e, constant(2, () => 0)], // FCSC
      [0x72, constant(2, () => 0)], // REC
      [0xd8, stored(this.configs, 5, CONFIG5_BITS)],
    ]
    if (!this.options.plus) return rows
    return [
      ...rows,
      [0xd9, { width: 1, read: () => transmitter.pollBits, write: (value) => this.poll(value) }],
      [
        0xe0,
        {
          ...{ width: 2, merge: true, read: () => this.command },
          write: (value) => {
            this.command = value & CPCR_BITS
          },
        },
      ],
      [0xe4, stored(receiver.ring, 0)],
      [0xe8, stored(receiver.ring, 1)],
      [
        0xec,
        {
          ...{ width: 1, read: () => this.threshold },
          write: (value) => {
            this.threshold = value & 0x3f
          },
        },
      ],
    ]
  }

  // Registers that do something

  private writeCr(value: number): void {
    if (value & CR_RST) {
      this.softReset()
      return
    }
    const rising = value & ~this.cr
    const falling = ~value & this.cr
    this.cr = value & (CR_RE | CR_TE)
    if (rising & CR_RE) this.receiver.restart()
    if (rising & CR_TE) this.transmitter.restart()
    if (falling & CR_TE) this.transmitter.stop()
    this.transmitter.advance()
  }

  private get configOpen(): boolean {
    return (this.cr9346 & EEM) === EEM_CONFIG
  }

  private read9346(): number {
    return this.cr9346 | (this.eeprom.dataOut ? EEDO : 0)
  }

  private write9346(value: number): void {
    if ((value & EEM) === EEM_AUTOLOAD) {
      this.autoload()
      return
    }
    this.cr9346 = value & (EEM | EECS | EESK | EEDI)
    if ((value & EEM) === EEM_PROGRAM) this.eeprom.set((value & EECS) !== 0, (value & EESK) !== 0, (value & EEDI) !== 0)
    else this.eeprom.set(false, false, false)
  }

  private poll(value: number): void {
    if (value & 1) this.raise(SWINT)
    if (this.command & CPTX) this.transmitter.poll(value)
  }

  /** In C+ mode the place of the four descriptors is another's. */
  private get hasDump(): boolean {
    return (this.command & CPTX) !== 0
  }

  private writeDump(n: number, value: number): void {
    if (n > 1) return
    this.dtccr[n] = n === 0 ? value & ~0x3f : value
    if (n === 0 && value & DTCCR_CMD)
      this.options.bus.write(this.dtccr[1] * 0x1_0000_0000 + this.dtccr[0], this.tally.dump())
  }

  // The timer

  private get ticks(): number {
    return Math.floor((this.options.clock.now() - this.timerStart) * TICKS_PER_NS) % TICKS_TO_WRAP
  }

  private restartTimer(): void {
    this.timerStart = this.options.clock.now()
    this.armTimer()
  }

  /** For the next time that TCTR comes to TimerInt; 0 is never. */
  private armTimer(): void {
    if (this.timerInterrupt === 0) {
      this.timeOut.cancel()
      return
    }
    const { ticks } = this
    const left = ticks < this.timerInterrupt ? this.timerInterrupt - ticks : TICKS_TO_WRAP - ticks + this.timerInterrupt
    this.timeOut.at(this.options.clock.now() + Math.ceil(left / TICKS_PER_NS))
  }

  private timedOut(): void {
    this.raise(TIME_OUT)
    this.timeOut.at(this.options.clock.now() + Math.ceil(TICKS_TO_WRAP / TICKS_PER_NS))
  }
}

export const rtl8139 = networkCardType({
  ...{ type: 'rtl8139', title: 'Realtek RTL8139C+ Fast Ethernet', rom: 'efi-rtl8139.rom' },
  options: () => ({ plus: flagOption().default(true).describe('the C+ mode; off: an RTL8139C') }),
  create(slot, given, { plus }) {
    const pci = slot.pci({
      ...{ vendorId: 0x10ec, deviceId: 0x8139, revision: plus ? 0x20 : 0x10 },
      ...{ classCode: 0x020000, interruptPin: 1 },
    })
    const bus = new BusMaster(slot.name, slot.memory, pci, slot.warn)
    const card = new Rtl8139({ ...given, irq: pci.interrupt, bus, plus })
    addRegisterBars(pci, card, REGISTERS)
    return { card, pci }
  },
})
