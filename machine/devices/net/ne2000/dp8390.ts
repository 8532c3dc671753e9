/**
 * National DP8390D Network Interface Controller (data sheet of July 1995): the core of every NE2000. It knows its
 * registers, a buffer memory of 64 KiB at most behind its local bus, and a network port.
 *
 * A frame takes its time on a wire of 10 Mbit/s. Nothing collides. Received frames are stored whole: the ring is
 * looked through first, so that a frame for which there is no room leaves it as it was (the chip writes up to BNRY).
 * The file is longer than others, because both directions work on the one set of registers.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { AccessSize, IrqLine, Stateful, StateTable, Warn } from '../../../device.js'
import { Arrivals, LONGEST_FRAME, type NetworkPort, SHORTEST_FRAME } from '../../../network/port.js'
import { bytes, flag, integer, timer, u8, u16 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import { checkSequence, endsInCheckSequence, FCS, multicastHash } from '../check-sequence.js'

/** Command register. */
const CR_STP = 0x01
const CR_STA = 0x02
const CR_TXP = 0x04
const CR_RD = 0x38
const CR_RD_READ = 0x08
const CR_RD_WRITE = 0x10
const CR_RD_SEND = 0x18
const CR_RD_ABORT = 0x20

/** Interrupt status and mask. */
const ISR_PRX = 0x01
const ISR_PTX = 0x02
const ISR_OVW = 0x10
const ISR_CNT = 0x20
const ISR_RDC = 0x40
const ISR_RST = 0x80
const IMR_BITS = 0x7f

const DCR_WTS = 0x01
const DCR_LAS = 0x04
/** Set: normal operation, whatever TCR's loop-back bits say. */
const DCR_LS = 0x08

const TCR_CRC = 0x01
/** 0 normal; loop-back 1 in the controller, 2 through the encoder, 3 through the cable. */
const TCR_LB = 0x06

const TSR_PTX = 0x01
/** Loop-back's results, as the data sheet's table gives them: neither carrier nor heartbeat in the controller itself. */
const TSR_OF_LOOPBACK = [TSR_PTX, 0x53, 0x43, 0x03]

const RCR_AR = 0x02
const RCR_AB = 0x04
const RCR_AM = 0x08
const RCR_PRO = 0x10
const RCR_MON = 0x20

const RSR_PRX = 0x01
const RSR_CRC = 0x02
const RSR_MPA = 0x10
const RSR_PHY = 0x20
const RSR_DIS = 0x40

const PAGE = 256
/** Status, next page, byte count. */
const HEADER = 4
/** Without the check sequence. */
const SHORTEST_ON_WIRE = 60
/** The tally counters stop here, and ask to be read from 80h on. */
const MOST_COUNTED = 0xc0
/** 10 Mbit/s; preamble, check sequence and the gap to the next frame. */
const NS_PER_BYTE = 800
const BYTES_AROUND = 8 + FCS + 12

export interface Dp8390Options {
  name: string
  clock: Clock
  irq: IrqLine
  warn: Warn
  port: NetworkPort | undefined
  /** The buffer memory, by local address, 0 to ffffh; what is not there reads ffh and keeps nothing. */
  read: (address: number) => number
  write: (address: number, value: number) => void
  /** What registers 0Ah and 0Bh of page 0 read; clones have an identification there. Default ffh. */
  id?: readonly [number, number]
  /** Registers 1 to 0Fh of page 3, which clones have; undefined from `read` is a register that is not there. */
  page3?: { read(register: number): number | undefined; write(register: number, value: number): void }
}

const STATE: StateTable = {
  ...{ cr: u8, isr: u8, imr: u8, dcr: u8, tcr: u8, rcr: u8, tsr: u8, rsr: u8 },
  ...{ pstart: u8, pstop: u8, bnry: u8, curr: u8, tpsr: u8, tbcr: u16 },
  ...{ rsar: u16, rbcr: u16, clda: u16 },
  ...{
    par: bytes(6),
    mar: bytes(8),
    counters: bytes(3),
    fifo: bytes(8),
    fifoAt: integer(0, 7),
    sending: flag,
    started: flag,
  },
  ...{ transmitted: timer, arrivals: part() },
}

export class Dp8390 implements Stateful {
  readonly state = STATE
  private cr = 0
  private isr = 0
  private imr = 0
  private dcr = 0
  private tcr = 0
  private rcr = 0
  private tsr = 0
  private rsr = 0
  /** The ring: pages PSTART to PSTOP - 1; BNRY is the last one the host has read, CURR the first one of the next frame. */
  private pstart = 0
  private pstop = 0
  private bnry = 0
  private curr = 0
  private tpsr = 0
  private tbcr = 0
  /** Remote DMA: address and bytes left. */
  private rsar = 0
  private rbcr = 0
  /** Local DMA address, for whoever reads it. */
  private clda = 0
  private readonly par = new Uint8Array(6)
  private readonly mar = new Uint8Array(8)
  /** Frame alignment errors, check sequence errors, missed frames. */
  private readonly counters = new Uint8Array(3)
  private readonly fifo = new Uint8Array(8)
  private fifoAt = 0
  /** The remote DMA in progress is a "send packet", after which BNRY moves on. */
  private sending = false
  /** By STA, until STP; a command with neither leaves it. */
  private started = false

  private readonly transmitted: Timer
  private readonly arrivals: Arrivals

  constructor(private readonly options: Dp8390Options) {
    const { name, clock, warn, port } = options
    this.transmitted = clock.timer(`${name} transmission`, () => this.endTransmission())
    this.arrivals = new Arrivals(name, clock, warn, (frame) => this.receive(frame))
    if (port) {
      port.receive = (frame, time) => this.arrivals.add(frame, time)
      port.speed = 8e9 / NS_PER_BYTE
    }
    this.reset()
  }

  /** RESET#. What is on the wire stays there; the tally counters, addresses and DMA registers keep their contents, as the data sheet has it. */
  reset(): void {
    this.cr = CR_STP | CR_RD_ABORT
    this.isr = ISR_RST
    this.imr = 0
    this.dcr |= DCR_LAS
    this.tcr &= ~TCR_LB
    this.sending = false
    this.transmitted.cancel()
    this.started = false
    this.updateIrq()
  }

  private updateIrq(): void {
    this.options.irq((this.isr & this.imr & IMR_BITS) !== 0)
  }

  private raise(bits: number): void {
    this.isr |= bits
    this.updateIrq()
  }

  // Registers, by their number 0 to 15 and the page that CR selects

  readRegister(register: number): number {
    if (register === 0) return this.cr
    switch (this.cr >>> 6) {
      case 0:
        return this.readPage0(register)
      case 1:
        if (register <= 6) return this.par[register - 1]
        return register === 7 ? this.curr : this.mar[register - 8]
      case 2:
        return this.readPage2(register)
      default:
        return this.options.page3?.read(register) ?? this.unknown('read', register)
    }
  }

  private readPage0(register: number): number {
    switch (register) {
      case 0x1:
        return this.clda & 0xff
      case 0x2:
        return this.clda >>> 8
      case 0x3:
        return this.bnry
      case 0x4:
        return this.tsr
      case 0x5: // collisions of the last transmission
        return 0
      case 0x6: {
        const value = this.fifo[this.fifoAt]
        this.fifoAt = (this.fifoAt + 1) & 7
        return value
      }
      case 0x7:
        return this.isr
      case 0x8:
        return this.rsar & 0xff
      case 0x9:
        return this.rsar >>> 8
      case 0xa:
      case 0xb:
        return this.options.id?.[register - 0xa] ?? 0xff
      case 0xc:
        return this.rsr
      default: {
        const value = this.counters[register - 0xd]
        this.counters[register - 0xd] = 0
        return value
      }
    }
  }

  private readPage2(register: number): number {
    switch (register) {
      case 0x1:
        return this.pstart
      case 0x2:
        return this.pstop
      case 0x4:
        return this.tpsr
      case 0x5:
        return this.curr
      case 0x6:
        return this.clda >>> 8
      case 0x7:
        return this.clda & 0xff
      case 0xc:
        return this.rcr | 0xc0
      case 0xd:
        return this.tcr | 0xe0
      case 0xe:
        return this.dcr | 0x80
      case 0xf:
        return this.imr | 0x80
      default:
        return this.unknown('read', register)
    }
  }

  private unknown(direction: string, register: number): number {
    this.options.warn(`${this.options.name}: ${direction} of register ${register} of page ${this.cr >>> 6}`, register)
    return 0xff
  }

  writeRegister(register: number, value: number): void {
    if (register === 0) {
      this.command(value)
      return
    }
    switch (this.cr >>> 6) {
      case 0:
        this.writePage0(register, value)
        break
      case 1:
        if (register <= 6) this.par[register - 1] = value
        else if (register === 7) this.curr = value
        else this.mar[register - 8] = value
        break
      case 3:
        if (this.options.page3) this.options.page3.write(register, value)
        else this.unknown('write', register)
        break
      default:
        this.unknown('write', register)
    }
  }

  private writePage0(register: number, value: number): void {
    switch (register) {
      case 0x1:
        this.pstart = value
        break
      case 0x2:
        this.pstop = value
        break
      case 0x3:
        this.bnry = value
        break
      case 0x4:
        this.tpsr = value
        break
      case 0x5:
        this.tbcr = (this.tbcr & 0xff00) | value
        break
      case 0x6:
        this.tbcr = (this.tbcr & 0x00ff) | (value << 8)
        break
      case 0x7:
        this.isr &= ~(value & IMR_BITS)
        this.updateIrq()
        break
      case 0x8:
        this.rsar = (this.rsar & 0xff00) | value
        break
      case 0x9:
        this.rsar = (this.rsar & 0x00ff) | (value << 8)
        break
      case 0xa:
        this.rbcr = (this.rbcr & 0xff00) | value
        break
      case 0xb:
        this.rbcr = (this.rbcr & 0x00ff) | (value << 8)
        break
      case 0xc:
        this.rcr = value & 0x3f
        break
      case 0xd:
        this.tcr = value & 0x1f
        break
      case 0xe:
        this.dcr = value & 0x7f
        break
      case 0xf:
        this.imr = value & IMR_BITS
        this.updateIrq()
        break
    }
  }

  private command(value: number): void {
    // TXP ends by itself alone. A stopped chip finishes what it sends.
    this.cr = value | (this.cr & CR_TXP)
    if (value & CR_STP) {
      this.started = false
      this.isr |= ISR_RST
    } else if (value & CR_STA) {
      this.started = true
      this.isr &= ~ISR_RST
    }
    const remote = value & CR_RD
    if (remote & CR_RD_ABORT) this.sending = false
    else if (remote === CR_RD_SEND) this.sendPacket()
    // A transfer of nothing is over at once; drivers count on it.
    else if (remote && this.rbcr === 0) this.raise(ISR_RDC)
    if (value & CR_TXP && !(value & CR_STP) && this.transmitted.deadline === Number.POSITIVE_INFINITY) {
      const length = Math.max(this.tbcr, SHORTEST_ON_WIRE)
      this.transmitted.at(this.options.clock.now() + (length + BYTES_AROUND) * NS_PER_BYTE)
    } else if (value & CR_STP && this.transmitted.deadline === Number.POSITIVE_INFINITY) {
      this.cr &= ~CR_TXP
    }
  }

  // Remote DMA: between the data port and the buffer memory

  /** The frame at BNRY goes to the host, header and all. */
  private sendPacket(): void {
    const at = this.bnry << 8
    this.rsar = at
    this.rbcr = this.options.read(at + 2) | (this.options.read(at + 3) << 8)
    this.sending = true
    if (this.rbcr === 0) this.remoteDone()
  }

  private remoteDone(): void {
    if (this.sending) this.bnry = this.options.read((this.bnry << 8) + 1)
    this.sending = false
    this.raise(ISR_RDC)
  }

  /** A read of the data port, of one byte or two; of four on a PCI card. */
  readData(size: AccessSize): number {
    const remote = this.cr & CR_RD
    if (remote !== CR_RD_READ && remote !== CR_RD_SEND) return 0xffff_ffff >>> (32 - 8 * size)
    const moved = this.isWord ? Math.max(size, 2) : size
    let value = 0
    for (let i = 0; i < moved; i++) value |= this.remoteByte() << (8 * i)
    return size === 1 ? value & 0xff : value >>> 0
  }

  writeData(value: number, size: AccessSize): void {
    if ((this.cr & CR_RD) !== CR_RD_WRITE) return
    const moved = this.isWord ? Math.max(size, 2) : size
    for (let i = 0; i < moved; i++) this.remoteByte((value >>> (8 * i)) & 0xff)
  }

  /** The data port moves words, whatever the width of the access. */
  private get isWord(): boolean {
    return (this.dcr & DCR_WTS) !== 0
  }

  private remoteByte(value?: number): number {
    // The last byte of an odd count in words, and what the host asks for after the end.
    if (this.rbcr === 0) return 0xff
    const { rsar } = this
    let got = 0xff
    if (value === undefined) got = this.options.read(rsar)
    else this.options.write(rsar, value)
    this.rsar = (rsar + 1) & 0xffff
    if (this.rsar === this.pstop << 8) this.rsar = this.pstart << 8
    if (--this.rbcr === 0) this.remoteDone()
    return got
  }

  // Transmission

  private endTransmission(): void {
    const { name, clock, port, warn, read } = this.options
    const from = this.tpsr << 8
    const loopback = this.dcr & DCR_LS ? 0 : (this.tcr & TCR_LB) >>> 1
    const length = this.tbcr
    this.cr &= ~CR_TXP
    this.tsr = TSR_OF_LOOPBACK[loopback]
    this.raise(ISR_PTX)
    if (length < SHORTEST_FRAME || length > LONGEST_FRAME) {
      warn(`${name}: a frame of ${length} bytes is none and was not sent`, from)
      return
    }
    const frame = Uint8Array.from({ length }, (_, i) => read((from + i) & 0xffff))
    if (loopback) this.loopBack(frame)
    else if (!(this.tcr & TCR_CRC)) port?.send(frame, clock.now())
    else if (endsInCheckSequence(frame)) port?.send(frame.subarray(0, -FCS), clock.now())
    else warn(`${name}: a frame with a wrong check sequence of the guest's own was not sent`, from)
  }

  /** In loop-back a frame comes no further than the FIFO. */
  private loopBack(frame: Uint8Array): void {
    const own = (this.tcr & TCR_CRC) !== 0
    const sent = own ? frame : Uint8Array.of(...frame, ...checkSequence(frame))
    this.fifo.set([sent.length & 0xff, sent.length >>> 8, sent.length >>> 8, ...sent.subarray(-5)])
    this.fifoAt = 0
    // There is one generator: while the transmitter appends the check sequence, the receiver cannot check it.
    this.rsr = own && endsInCheckSequence(frame) ? RSR_PRX : RSR_CRC
  }

  // Reception

  private receive(frame: Uint8Array): void {
    const { name, warn } = this.options
    const isLoopback = !(this.dcr & DCR_LS) && (this.tcr & TCR_LB) !== 0
    if (!this.started || isLoopback) return
    if (frame.length < SHORTEST_ON_WIRE && !(this.rcr & RCR_AR)) {
      warn(`${name}: a frame of less than 60 bytes was dropped; who sends it must pad it`, frame.length)
      return
    }
    if (!this.isFor(frame)) return
    const physical = frame[0] & 1 ? RSR_PHY : 0
    if (this.rcr & RCR_MON) {
      this.rsr = RSR_DIS | physical
      this.miss()
      return
    }
    const pages = Math.ceil((HEADER + frame.length + FCS) / PAGE)
    if (!this.hasRoom(pages)) {
      warn(`${name}: a frame found no room in the ring`, this.curr << 8)
      this.rsr = RSR_MPA | physical
      this.miss()
      this.raise(ISR_OVW)
      return
    }
    this.rsr = RSR_PRX | physical
    this.store(frame, pages)
    this.raise(ISR_PRX)
  }

  private miss(): void {
    this.counters[2] = Math.min(this.counters[2] + 1, MOST_COUNTED)
    if (this.counters[2] & 0x80) this.raise(ISR_CNT)
  }

  private isFor(frame: Uint8Array): boolean {
    const { rcr, par, mar } = this
    if (!(frame[0] & 1)) return (rcr & RCR_PRO) !== 0 || par.every((byte, i) => byte === frame[i])
    if (frame.subarray(0, 6).every((byte) => byte === 0xff)) return (rcr & RCR_AB) !== 0
    if (!(rcr & RCR_AM)) return false
    const hash = multicastHash(frame.subarray(0, 6))
    return (mar[hash >>> 3] & (1 << (hash & 7))) !== 0
  }

  /** CURR never comes to BNRY: the two alike is an empty ring. */
  private hasRoom(pages: number): boolean {
    if (this.pstart >= this.pstop) return false
    for (let page = this.curr, n = 0; n < pages; n++) {
      page = this.nextPage(page)
      if (page === this.bnry || n >= this.pstop - this.pstart) return false
    }
    return true
  }

  private nextPage(page: number): number {
    const next = (page + 1) & 0xff
    return next === this.pstop ? this.pstart : next
  }

  private store(frame: Uint8Array, pages: number): void {
    const { write } = this.options
    const first = this.curr
    let next = first
    for (let i = 0; i < pages; i++) next = this.nextPage(next)
    const count = frame.length + FCS
    const bytes = new Uint8Array(HEADER + count)
    bytes.set([this.rsr, next, count & 0xff, count >>> 8])
    bytes.set(frame, HEADER)
    bytes.set(checkSequence(frame), HEADER + frame.length)
    let page = first
    for (const [i, byte] of bytes.entries()) {
      if (i > 0 && i % PAGE === 0) page = this.nextPage(page)
      this.clda = (page << 8) | (i % PAGE)
      write(this.clda, byte)
    }
    this.curr = next
  }
}
