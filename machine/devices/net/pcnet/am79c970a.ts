/**
 * AMD Am79C970A PCnet-PCI II (data sheet 19436, June 2000): the controller behind RDP, RAP and BDP. It knows its control
 * and status registers, its bus configuration registers, the rings in memory and a network port.
 *
 * A frame takes its time on a wire of 10 Mbit/s, and each of its buffers at least a microsecond, so that a ring of empty
 * descriptors costs the guest time. Nothing collides. LAPPEN, the magic packet and big-endian order are not there. The
 * file is longer than others, because all of it works on the one set of CSRs.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { IrqLine, Stateful, StateTable, Warn } from '../../../device.js'
import { Arrivals, LONGEST_FRAME, type NetworkPort, SHORTEST_FRAME } from '../../../network/port.js'
import { bytes, flag, integer, list, timer, u8, u16 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import type { BusMaster } from '../../bus-master.js'
import { checkSequence, crc, endsInCheckSequence, FCS } from '../check-sequence.js'
import * as ring from './pcnet-descriptors.js'

// CSR0
const BABL = 0x4000
const MISS = 0x1000
const MERR = 0x0800
const RINT = 0x0400
const TINT = 0x0200
const IDON = 0x0100
const INTR = 0x0080
const IENA = 0x0040
const RXON = 0x0020
const TXON = 0x0010
const TDMD = 0x0008
const STOP = 0x0004
const STRT = 0x0002
const INIT = 0x0001
const ERROR = 0x8000
const CSR0_FLAGS = 0x7f00
const CSR0_ERRORS = 0x7800

// CSR3: the masks stand where CSR0's flags do
const CSR3_MASKS = 0x5f00
const CSR3_BITS = 0x5f7c
const DXSUFLO = 0x0040

// CSR4
const DPOLL = 0x1000
const APAD_XMT = 0x0800
const ASTRP_RCV = 0x0400
const MFCO = 0x0200
const UINTCMD = 0x0080
const UINT = 0x0040
const RCVCCO = 0x0020
const TXSTRT = 0x0008
const JAB = 0x0002
const CSR4_FLAGS = MFCO | UINT | RCVCCO | TXSTRT | JAB
const CSR4_BITS = 0xdd15
/** MFCOM, RCVCCOM, TXSTRTM, JABM: each beneath its flag. UINT has none. */
const CSR4_MASKS = 0x0115
const CSR4_DEFAULT = 0x0115

// CSR5
const TOKINTD = 0x8000
const LTINTEN = 0x4000
const SPND = 0x0001
/** SINT, SLPINT, EXDINT, MPINT: the enable of each is the bit beneath it. */
const CSR5_FLAGS = 0x0a90
const CSR5_BITS = 0xc56f

// CSR15, MODE
const PROM = 0x8000
const DRCVBC = 0x4000
const DRCVPA = 0x2000
const DXMTFCS = 0x0008
const LOOP = 0x0004
const DTX = 0x0002
const DRX = 0x0001

// CSR124
const RPA = 0x0008

const CSR80_DEFAULT = 0x1410
const CSR100_DEFAULT = 0x0200
/** Am79C970A, and AMD's own part of it. */
const CHIP_ID = 0x0262_1003

// BCRs
const BCR_MC = 2
const BCR_LNKST = 4
const BCR_LED3 = 7
const BCR_FDC = 9
const BCR_BSBC = 18
const BCR_EECAS = 19
const BCR_SWS = 20
const BCR_PCILAT = 22
const LEDOUT = 0x8000
const LNKSTE = 0x0040
const DWIO = 0x0080
const APERREN = 0x0400
/** CSRPCNET and SSIZE32 by software style; any other is style 0. */
const STYLE_BITS = [0x0200, 0x0100, 0x0300, 0x0300]
const BCR_DEFAULTS: { readonly [register: number]: number } = {
  ...{ 0: 0x0005, 1: 0x0005, [BCR_MC]: 0x0002, [BCR_LNKST]: 0x00c0, 5: 0x0084, 6: 0x0088, [BCR_LED3]: 0x0090 },
  ...{ [BCR_BSBC]: 0x9001, [BCR_SWS]: STYLE_BITS[0], [BCR_PCILAT]: 0xff06 },
}

/** Without the check sequence. */
const SHORTEST_ON_WIRE = 60
/** 10 Mbit/s; preamble, check sequence and the gap to the next frame. */
const NS_PER_BYTE = 800
const BYTES_AROUND = 8 + FCS + 12
/** One buffer of a frame. */
const BUFFER_NS = 1000
/** CSR47 counts cycles of a 33 MHz clock; 0 is 65,536 of them. */
const POLL_NS_PER_CYCLE = 30
/** The transmitter keeps no more of a frame than can be sent, and a check sequence of the guest's. */
const FRAME_BUFFER = LONGEST_FRAME + FCS

export interface Am79c970aOptions {
  name: string
  clock: Clock
  irq: IrqLine
  warn: Warn
  bus: BusMaster
  port: NetworkPort | undefined
  /** What H_RESET loads into CSR12 to CSR14. */
  mac: readonly number[]
  /** BCR19, whose pins lead to the EEPROM. */
  eeprom: { read(): number; write(value: number): void }
}

const STATE: StateTable = {
  ...{ csr: list(u16, 128), bcr: list(u16, 32), rap: u8 },
  ...{ receiveIndex: u16, transmitIndex: u16, inFrame: flag },
  ...{ frame: bytes(FRAME_BUFFER), frameLength: integer(0, 0x1_0000) },
  ...{ transmission: timer, poll: timer, arrivals: part() },
}

export class Am79c970a implements Stateful {
  readonly state = STATE
  private readonly csr = new Uint16Array(128)
  private readonly bcr = new Uint16Array(32)
  private rap = 0
  private receiveIndex = 0
  private transmitIndex = 0
  /** A buffer with STP has been taken, and none with ENP since. */
  private inFrame = false
  private readonly frame = new Uint8Array(FRAME_BUFFER)
  /** Bytes of the frame so far, those that are not kept among them. */
  private frameLength = 0
  private readonly transmission: Timer
  private readonly poll: Timer
  private readonly arrivals: Arrivals

  constructor(private readonly options: Am79c970aOptions) {
    const { name, clock, warn, port } = options
    this.transmission = clock.timer(`${name} transmission`, () => this.endBuffer())
    this.poll = clock.timer(`${name} poll`, () => this.demand())
    this.arrivals = new Arrivals(name, clock, warn, (frame) => this.receive(frame))
    if (port) {
      port.receive = (frame, time) => this.arrivals.add(frame, time)
      port.speed = 8e9 / NS_PER_BYTE
    }
    this.reset()
  }

  /** H_RESET. What is on the wire stays there. */
  reset(): void {
    this.csr.fill(0)
    this.bcr.fill(0)
    for (const [register, value] of Object.entries(BCR_DEFAULTS)) this.bcr[Number(register)] = value
    const { mac } = this.options
    for (let i = 0; i < 3; i++) this.csr[12 + i] = mac[2 * i] | (mac[2 * i + 1] << 8)
    this.softReset()
  }

  /** S_RESET: by a read of the reset register. */
  softReset(): void {
    this.rap = 0
    this.stop()
    const { csr } = this
    csr.fill(0, 3, 8)
    csr[4] = CSR4_DEFAULT
    csr[15] = 0
    csr[47] = 0
    csr.fill(1, 76, 77)
    csr.fill(1, 78, 79)
    csr[80] = CSR80_DEFAULT
    csr[88] = CHIP_ID & 0xffff
    csr[89] = CHIP_ID >>> 16
    csr[100] = CSR100_DEFAULT
    csr[112] = 0
    csr[114] = 0
    csr[124] = 0
    this.receiveIndex = 0
    this.transmitIndex = 0
    this.bcr[BCR_SWS] = STYLE_BITS[0]
  }

  private stop(): void {
    this.csr[0] = STOP
    this.csr[4] &= ~CSR4_FLAGS
    this.csr[5] &= ~(CSR5_FLAGS | SPND)
    this.transmission.cancel()
    this.poll.cancel()
    this.inFrame = false
    this.frameLength = 0
    this.updateIrq()
  }

  /** DWIO in BCR18: the registers stand four bytes apart, until H_RESET. */
  get dwordIo(): boolean {
    return (this.bcr[BCR_BSBC] & DWIO) !== 0
  }

  setDwordIo(): void {
    this.bcr[BCR_BSBC] |= DWIO
  }

  /** BCR2. */
  get promWritable(): boolean {
    return (this.bcr[BCR_MC] & 0x0100) !== 0
  }

  // Interrupts

  private get isPending(): boolean {
    const { csr } = this
    const enables = (csr[5] << 1) & CSR5_FLAGS
    const masks = (csr[4] & CSR4_MASKS) << 1
    return (
      (csr[0] & CSR3_MASKS & ~csr[3]) !== 0 ||
      (csr[4] & CSR4_FLAGS & ~masks) !== 0 ||
      (csr[5] & CSR5_FLAGS & enables) !== 0
    )
  }

  private updateIrq(): void {
    this.options.irq(this.isPending && (this.csr[0] & IENA) !== 0)
  }

  private raise(flags: number): void {
    this.csr[0] |= flags
    this.updateIrq()
  }

  // Registers

  get address(): number {
    return this.rap
  }

  set address(value: number) {
    this.rap = value & 0x7f
  }

  readCsr(): number {
    const { csr, rap } = this
    switch (rap) {
      case 0:
        return csr[0] | (csr[0] & CSR0_ERRORS ? ERROR : 0) | (this.isPending ? INTR : 0)
      case 5:
        // Suspended, once what was begun has been sent.
        return this.isSending ? csr[5] & ~SPND : csr[5]
      case 6: // TLEN and RLEN
        return (Math.log2(csr[78] || 1) << 12) | (Math.log2(csr[76] || 1) << 8)
      case 16:
      case 17:
        return csr[rap - 15]
      case 28:
        return this.receiveAddress & 0xffff
      case 29:
        return this.receiveAddress >>> 16
      case 34:
        return this.transmitAddress & 0xffff
      case 35:
        return this.transmitAddress >>> 16
      case 58:
        return this.bcr[BCR_SWS]
      case 72:
        return this.receiveRing.length - this.receiveIndex
      case 74:
        return this.transmitRing.length - this.transmitIndex
      case 76: // two's complements
      case 78:
        return -csr[rap] & 0xffff
      default:
        return csr[rap]
    }
  }

  /** Most of them hold still while the controller runs. */
  writeCsr(value: number): void {
    const { csr, rap } = this
    switch (rap) {
      case 0:
        this.command(value)
        return
      case 3:
        csr[3] = value & CSR3_BITS
        break
      case 4: {
        const user = value & UINTCMD ? UINT : 0
        csr[4] = (csr[4] & CSR4_FLAGS & ~value) | (value & CSR4_BITS) | user
        this.armPoll()
        break
      }
      case 5:
        csr[5] = (csr[5] & CSR5_FLAGS & ~value) | (value & CSR5_BITS)
        if (!(value & SPND)) this.demand()
        break
      case 47:
        csr[47] = value
        this.armPoll()
        break
      case 80:
      case 82:
      case 100:
      case 112:
      case 114:
      case 124:
        csr[rap] = value
        break
      default:
        if (csr[0] & STOP || csr[5] & SPND) this.writeHeld(value)
    }
    this.updateIrq()
  }

  private writeHeld(value: number): void {
    const { csr, rap } = this
    switch (rap) {
      case 16:
      case 17:
        csr[rap - 15] = value
        return
      case 58:
        this.setStyle(value)
        return
      case 72:
        this.receiveIndex = Math.max(this.receiveRing.length - value, 0)
        return
      case 74:
        this.transmitIndex = Math.max(this.transmitRing.length - value, 0)
        return
      case 76:
        csr[76] = -value
        this.receiveIndex = 0
        return
      case 78:
        csr[78] = -value
        this.transmitIndex = 0
        return
      case 6:
      case 88:
      case 89:
        return
      default:
        csr[rap] = value
    }
  }

  private get isLinkUp(): boolean {
    return this.options.port?.link === true
  }

  readBcr(): number {
    const { bcr, rap } = this
    if (rap >= BCR_LNKST && rap <= BCR_LED3) {
      const lit = (bcr[rap] & LNKSTE) !== 0 && this.isLinkUp
      return (bcr[rap] & ~LEDOUT) | (lit ? LEDOUT : 0)
    }
    if (rap === BCR_EECAS) return this.options.eeprom.read()
    return bcr[rap] ?? 0
  }

  writeBcr(value: number): void {
    const { bcr, rap } = this
    switch (rap) {
      case BCR_MC:
      case BCR_FDC:
        bcr[rap] = value
        break
      case BCR_BSBC: // DWIO is read only
        bcr[rap] = (value & ~DWIO) | (bcr[rap] & DWIO)
        break
      case BCR_EECAS:
        this.options.eeprom.write(value)
        break
      case BCR_SWS:
        if (this.csr[0] & STOP || this.csr[5] & SPND) this.setStyle(value)
        break
      case BCR_PCILAT:
        bcr[rap] = value
        break
      default:
        if (rap >= BCR_LNKST && rap <= BCR_LED3) bcr[rap] = value & ~LEDOUT
    }
  }

  private setStyle(value: number): void {
    const style = value & 0xff
    this.bcr[BCR_SWS] =
      (value & APERREN) | (STYLE_BITS[style] === undefined ? STYLE_BITS[0] : STYLE_BITS[style] | style)
  }

  private command(value: number): void {
    const { csr } = this
    csr[0] = (csr[0] & ~(value & CSR0_FLAGS) & ~IENA) | (value & IENA)
    if (value & STOP) {
      this.stop()
      return
    }
    const started = value & (INIT | STRT) & ~csr[0]
    if (started) csr[0] &= ~STOP
    if (started & INIT) this.initialize()
    if (started & STRT) this.start()
    if (value & (TDMD | STRT)) this.demand()
    this.updateIrq()
  }

  // Initialization block and rings

  private get structures(): ring.SharedStructures {
    return new ring.SharedStructures(this.options.bus, this.bcr[BCR_SWS] & 0xff, ((this.csr[2] & 0xff00) << 16) >>> 0)
  }

  private initialize(): void {
    const { csr } = this
    csr[0] |= INIT
    if (!this.options.bus.enabled) {
      this.options.warn(`${this.options.name}: initialization while it may not be bus master`)
      this.raise(MERR)
      return
    }
    const block = this.structures.initializationBlock(this.long(1))
    csr[15] = block.mode
    for (let i = 0; i < 4; i++) csr[8 + i] = block.logical[2 * i] | (block.logical[2 * i + 1] << 8)
    for (let i = 0; i < 3; i++) csr[12 + i] = block.physical[2 * i] | (block.physical[2 * i + 1] << 8)
    this.setLong(24, block.receiveRing)
    this.setLong(30, block.transmitRing)
    csr[76] = block.receiveLength
    csr[78] = block.transmitLength
    this.receiveIndex = 0
    this.transmitIndex = 0
    this.raise(IDON)
  }

  private start(): void {
    const { csr } = this
    csr[0] |= STRT | (csr[15] & DTX ? 0 : TXON) | (csr[15] & DRX ? 0 : RXON)
  }

  private long(low: number): number {
    return (this.csr[low] | (this.csr[low + 1] << 16)) >>> 0
  }

  private setLong(low: number, value: number): void {
    this.csr[low] = value
    this.csr[low + 1] = value >>> 16
  }

  /** Lengths of 1 to 65,536. */
  private get receiveRing() {
    return { base: this.long(24), length: this.csr[76] || 0x1_0000 }
  }

  private get transmitRing() {
    return { base: this.long(30), length: this.csr[78] || 0x1_0000 }
  }

  private get receiveAddress(): number {
    return (this.receiveRing.base + this.receiveIndex * this.structures.descriptorSize) >>> 0
  }

  private get transmitAddress(): number {
    return (this.transmitRing.base + this.transmitIndex * this.structures.descriptorSize) >>> 0
  }

  private nextReceive(): void {
    this.receiveIndex = (this.receiveIndex + 1) % this.receiveRing.length
  }

  private nextTransmit(): void {
    this.transmitIndex = (this.transmitIndex + 1) % this.transmitRing.length
  }

  // Transmission: a buffer at a time

  private get isSending(): boolean {
    return this.transmission.deadline !== Number.POSITIVE_INFINITY
  }

  private get canSend(): boolean {
    return (this.csr[0] & TXON) !== 0 && this.options.bus.enabled
  }

  /** By TDMD, by STRT, and by the poll timer. */
  private demand(): void {
    this.armPoll()
    if (!this.canSend || this.isSending || this.csr[5] & SPND) return
    this.takeBuffer()
  }

  /** DPOLL clear: the controller looks at the ring by itself. */
  private armPoll(): void {
    if (!(this.csr[0] & TXON) || this.csr[4] & DPOLL) this.poll.cancel()
    else {
      const cycles = -this.csr[47] & 0xffff || 0x1_0000
      this.poll.at(this.options.clock.now() + cycles * POLL_NS_PER_CYCLE)
    }
  }

  /** The buffer at the head of the ring, if it is the controller's: for as long as the wire has it. */
  private takeBuffer(): void {
    const { flags, length } = this.structures.descriptor(this.transmitAddress)
    if (!(flags & ring.OWN)) return
    const after = flags & ring.ENP ? BYTES_AROUND : 0
    this.transmission.at(this.options.clock.now() + Math.max((length + after) * NS_PER_BYTE, BUFFER_NS))
    if (flags & ring.STP) this.csr[4] |= TXSTRT
    this.updateIrq()
  }

  private endBuffer(): void {
    const { structures } = this
    if (!this.canSend) return
    const descriptor = structures.descriptor(this.transmitAddress)
    const { flags } = descriptor
    if (!(flags & ring.OWN)) {
      this.demand()
      return
    }
    if (flags & ring.STP) {
      this.inFrame = true
      this.frameLength = 0
    }
    // Without a start the buffer belongs to nothing, and is given back.
    if (this.inFrame) this.gather(descriptor)
    if (this.inFrame && flags & ring.ENP) this.endFrame(descriptor)
    else {
      structures.transmitted(descriptor, 0, 0)
      this.nextTransmit()
      if (this.inFrame && !(structures.descriptor(this.transmitAddress).flags & ring.OWN)) this.underflow(descriptor)
    }
    if (this.canSend && !this.isSending && !(this.csr[5] & SPND && !this.inFrame)) this.takeBuffer()
  }

  private gather({ buffer, length }: ring.Descriptor): void {
    const kept = Math.max(0, Math.min(length, FRAME_BUFFER - this.frameLength))
    if (kept > 0) this.options.bus.read(buffer, this.frame.subarray(this.frameLength, this.frameLength + kept))
    this.frameLength = Math.min(this.frameLength + length, 0x1_0000)
  }

  /** The next buffer of the frame is not there in time. */
  private underflow(last: ring.Descriptor): void {
    const { csr } = this
    this.structures.transmitted(last, ring.ERR, (ring.TRANSMIT_BUFF | ring.UFLO) >>> 0)
    this.inFrame = false
    if (!(csr[3] & DXSUFLO)) csr[0] &= ~TXON
    this.raise(TINT)
  }

  private endFrame(descriptor: ring.Descriptor): void {
    const { csr } = this
    const down = !this.isLinkUp && !(csr[15] & LOOP)
    this.inFrame = false
    this.sendFrame((csr[15] & DXMTFCS) === 0 || (descriptor.flags & ring.ADD_FCS) !== 0)
    this.structures.transmitted(descriptor, down ? ring.ERR : 0, down ? ring.LCAR : 0)
    this.nextTransmit()
    const asked = csr[5] & LTINTEN ? (descriptor.flags & ring.LTINT) !== 0 : !(csr[5] & TOKINTD)
    if (asked || down) this.raise(TINT)
  }

  private sendFrame(addFcs: boolean): void {
    const { name, clock, port, warn } = this.options
    let frame = this.frame.slice(0, Math.min(this.frameLength, FRAME_BUFFER))
    if (addFcs && this.csr[4] & APAD_XMT && frame.length < SHORTEST_ON_WIRE) {
      const padded = new Uint8Array(SHORTEST_ON_WIRE)
      padded.set(frame)
      frame = padded
    }
    if (!addFcs) {
      if (!endsInCheckSequence(frame)) {
        warn(`${name}: a frame with a wrong check sequence of the guest's own was not sent`, this.transmitAddress)
        return
      }
      frame = frame.slice(0, -FCS)
    }
    if (frame.length < SHORTEST_FRAME || frame.length > LONGEST_FRAME || this.frameLength > FRAME_BUFFER) {
      warn(`${name}: a frame of ${this.frameLength} bytes is none and was not sent`, this.transmitAddress)
      if (frame.length > LONGEST_FRAME) this.raise(BABL)
      return
    }
    if (this.csr[15] & LOOP) this.accept(frame)
    else port?.send(frame, clock.now())
  }

  // Reception

  private receive(frame: Uint8Array): void {
    const { csr, options } = this
    if (!(csr[0] & RXON) || csr[5] & SPND || csr[15] & LOOP) return
    if (frame.length < SHORTEST_ON_WIRE && !(csr[124] & RPA)) {
      options.warn(`${options.name}: a frame of less than 60 bytes was dropped; who sends it must pad it`, frame.length)
      return
    }
    this.accept(frame)
  }

  /** A frame that came in, or back. */
  private accept(frame: Uint8Array): void {
    if (!(this.csr[0] & RXON)) return
    const matched = this.matches(frame)
    if (matched !== undefined) this.store(this.stripped(frame), matched)
  }

  /** ASTRP_RCV: a frame that gives its length comes without padding and check sequence. */
  private stripped(frame: Uint8Array): Uint8Array {
    const length = (frame[12] << 8) | frame[13]
    if (this.csr[4] & ASTRP_RCV && length < 46 && frame.length >= 14 + length) return frame.subarray(0, 14 + length)
    const whole = new Uint8Array(frame.length + FCS)
    whole.set(frame)
    whole.set(checkSequence(frame), frame.length)
    return whole
  }

  /** The filter that lets it in, as RMD1 names it; 0 where it is promiscuous mode alone. */
  private matches(frame: Uint8Array): number | undefined {
    const { csr } = this
    const to = frame.subarray(0, 6)
    const otherwise = csr[15] & PROM ? 0 : undefined
    if (!(to[0] & 1)) {
      const own = to.every((byte, i) => byte === ((csr[12 + (i >>> 1)] >>> (8 * (i & 1))) & 0xff))
      return own && !(csr[15] & DRCVPA) ? ring.PAM : otherwise
    }
    if (to.every((byte) => byte === 0xff) && !(csr[15] & DRCVBC)) return ring.BAM
    const hash = crc(to) >>> 26
    return csr[8 + (hash >>> 4)] & (1 << (hash & 15)) ? ring.LAFM : otherwise
  }

  private store(frame: Uint8Array, matched: number): void {
    const { structures, options } = this
    let descriptor = structures.descriptor(this.receiveAddress)
    if (!(descriptor.flags & ring.OWN) || !options.bus.enabled) {
      this.csr[112] += 1
      if (this.csr[112] === 0) this.csr[4] |= MFCO
      this.raise(MISS)
      return
    }
    // Each buffer takes a byte at least, so this ends with the frame.
    for (let at = 0, first = ring.STP; ; first = 0) {
      const { buffer, length } = descriptor
      options.bus.write(buffer, frame.subarray(at, at + length))
      at += length
      this.nextReceive()
      if (at >= frame.length) {
        structures.received(descriptor, first | ring.ENP | matched, frame.length)
        break
      }
      const next = structures.descriptor(this.receiveAddress)
      if (!(next.flags & ring.OWN) || next.address === descriptor.address) {
        structures.received(descriptor, first | ring.ERR | ring.RECEIVE_BUFF, 0)
        break
      }
      structures.received(descriptor, first, 0)
      descriptor = next
    }
    this.raise(RINT)
  }

  loaded(): void {
    this.receiveIndex %= this.receiveRing.length
    this.transmitIndex %= this.transmitRing.length
  }
}
