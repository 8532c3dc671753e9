/**
 * The RTL8139's transmitter (RTL8139C(L)+ data sheet, 5.4, 6.1): four descriptors in registers, or, in C+ mode, two rings in
 * memory, that of high priority first, with checksums, large send and VLAN tags. One buffer at a time goes out, each in the
 * time that a wire of 100 Mbit/s has for it and a microsecond at least, so that no ring runs for nothing.
 */
import type { Timer } from '../../../clock.js'
import type { Stateful, StateTable } from '../../../device.js'
import { LONGEST_FRAME, SHORTEST_FRAME } from '../../../network/port.js'
import { bytes, flag, integer, list, timer, u32 } from '../../../state/fields.js'
import { endsInCheckSequence, FCS } from '../check-sequence.js'
import { layersOf } from '../internet-checksum.js'
import { fillHeaderSum, fillTransportSum, segments, TCP, UDP } from '../tcp-ip-offload.js'
import {
  DESCRIPTOR_BYTES,
  EOR,
  FS,
  LS,
  MOST_DESCRIPTORS,
  NS_PER_BYTE,
  OWN,
  type PlusDescriptor,
  physical,
  type Rtl8139Parts,
  readDescriptor,
  SHORTEST_ON_WIRE,
  TDU,
  TER,
  TOK,
} from './rtl8139-parts.js'

// TSD
const TSD_OWN = 0x2000
const TSD_TUN = 0x4000
const TSD_TOK = 0x8000
const TSD_TABT = 0x4000_0000
const TSD_SIZE = 0x1fff
/** SIZE and the threshold. */
const TSD_BITS = 0x003f_1fff

// TCR
const TCR_CRC = 0x0001_0000
const TCR_LBK = 0x0006_0000

// The first doubleword of a C+ descriptor
const LGSEN = 0x0800_0000
const IPCS = 0x0004_0000
const UDPCS = 0x0002_0000
const TCPCS = 0x0001_0000
/** What a transmission leaves of it. */
const STATUS = (OWN | 0x0fff_0000 | 0xffff) >>> 0
const TAGC = 0x0002_0000
const VLAN = [0x81, 0x00]

/** TPPoll. */
export const HPQ = 0x80
export const NPQ = 0x40

/** The largest send: an IP packet and its header. */
const MOST_BYTES = 0x1_0000 + 18
/** A segment of less is none that a driver sends. */
const LEAST_MSS = 16
/** Preamble, check sequence and the gap to the next frame. */
const BYTES_AROUND = 24
const LEAST_NS = 1000

const STATE: StateTable = {
  ...{ tsd: list(u32, 4), tsad: list(u32, 4), current: integer(0, 3) },
  ...{ rings: list(u32, 4), indices: list(integer(0, MOST_DESCRIPTORS - 1), 2), polling: list(flag, 2) },
  ...{ frame: bytes(0, MOST_BYTES), overlong: flag, first: u32, firstVlan: u32, queue: integer(0, 1) },
  ...{ transmission: timer },
}

export class Rtl8139Transmitter implements Stateful {
  readonly state = STATE
  readonly tsd = new Uint32Array(4)
  readonly tsad = new Uint32Array(4)
  /** The descriptor that goes next. */
  private current = 0
  /** TNPDS and THPDS, low and high. */
  readonly rings = new Uint32Array(4)
  private readonly indices = [0, 0]
  private readonly polling = [false, false]
  /** Of a frame in several buffers: what there is so far, whether that is too much, and what its first descriptor says. */
  private frame = new Uint8Array(0)
  private overlong = false
  private first = 0
  private firstVlan = 0
  /** The ring of the buffer that is on the wire: 0 normal, 1 high. */
  private queue = 0
  private readonly transmission: Timer

  constructor(
    private readonly parts: Rtl8139Parts,
    /** TE, C+ mode, TCR as they are. */
    private readonly registers: { readonly enabled: boolean; readonly plus: boolean; readonly tcr: number },
    /** A frame that comes back. */
    private readonly loopBack: (frame: Uint8Array) => void,
  ) {
    this.transmission = parts.clock.timer(`${parts.name} transmission`, () => this.endBuffer())
    this.reset()
  }

  reset(): void {
    this.tsd.fill(TSD_OWN)
    this.tsad.fill(0)
    this.current = 0
    this.restart()
  }

  /** TE has been set: the rings begin at their starts. */
  restart(): void {
    this.indices.fill(0)
    this.stop()
  }

  stop(): void {
    this.polling.fill(false)
    this.transmission.cancel()
    this.frame = new Uint8Array(0)
    this.overlong = false
  }

  /** OWN clear: the descriptor's buffer is to be sent. */
  writeTsd(n: number, value: number): void {
    this.tsd[n] = value & (TSD_BITS | TSD_OWN)
    this.advance()
  }

  /** TSAD: for each descriptor OWN, TABT, TUN, TOK. */
  get summary(): number {
    let value = 0
    for (const [n, tsd] of this.tsd.entries())
      for (const [i, bit] of [TSD_OWN, TSD_TABT, TSD_TUN, TSD_TOK].entries()) if (tsd & bit) value |= 1 << (4 * i + n)
    return value
  }

  poll(bits: number): void {
    if (bits & NPQ) this.polling[0] = true
    if (bits & HPQ) this.polling[1] = true
    this.advance()
  }

  /** TPPoll's bits clear themselves. */
  get pollBits(): number {
    return (this.polling[0] ? NPQ : 0) | (this.polling[1] ? HPQ : 0)
  }

  private get isSending(): boolean {
    return this.transmission.deadline !== Number.POSITIVE_INFINITY
  }

  /** Puts the next buffer on the wire, if there is one. */
  advance(): void {
    const { enabled, plus } = this.registers
    if (!enabled || this.isSending || !this.parts.bus.enabled) return
    const length = plus ? this.nextOfRings() : this.nextOfFour()
    if (length === undefined) return
    const ns = Math.max(LEAST_NS, (length + BYTES_AROUND) * NS_PER_BYTE)
    this.transmission.at(this.parts.clock.now() + ns)
  }

  private endBuffer(): void {
    if (!this.registers.enabled || !this.parts.bus.enabled) return
    if (this.registers.plus) this.endPlus()
    else this.endClassic()
    this.advance()
  }

  // Four descriptors

  private nextOfFour(): number | undefined {
    const tsd = this.tsd[this.current]
    return tsd & TSD_OWN ? undefined : tsd & TSD_SIZE
  }

  private endClassic(): void {
    const n = this.current
    if (this.tsd[n] & TSD_OWN) return
    const frame = new Uint8Array(Math.min(this.tsd[n] & TSD_SIZE, LONGEST_FRAME + FCS + 1))
    this.parts.bus.read(this.tsad[n], frame)
    this.tsd[n] |= TSD_OWN | TSD_TOK
    this.current = (n + 1) & 3
    this.send(frame)
    this.parts.raise(TOK)
  }

  // C+ mode

  private ringAddress(queue: number): number {
    const base = physical(this.rings[2 * queue] & ~0xff, this.rings[2 * queue + 1])
    return base + this.indices[queue] * DESCRIPTOR_BYTES
  }

  /** A frame that was begun is finished first. */
  private nextOfRings(): number | undefined {
    const queues = this.frame.length > 0 || this.overlong ? [this.queue] : [1, 0]
    for (const queue of queues) {
      if (!this.polling[queue]) continue
      const { command } = readDescriptor(this.parts.bus, this.ringAddress(queue))
      if (command & OWN) {
        this.queue = queue
        return command & 0xffff
      }
      this.polling[queue] = false
      this.parts.raise(TDU)
    }
    return undefined
  }

  private endPlus(): void {
    const { bus } = this.parts
    const { queue } = this
    const descriptor = readDescriptor(bus, this.ringAddress(queue))
    if (!(descriptor.command & OWN)) return
    this.gather(descriptor)
    bus.write32(descriptor.at, descriptor.command & ~STATUS)
    const last = descriptor.command & EOR || this.indices[queue] === MOST_DESCRIPTORS - 1
    this.indices[queue] = last ? 0 : this.indices[queue] + 1
    if (!(descriptor.command & LS)) return
    this.sendPlus()
    this.frame = new Uint8Array(0)
    this.overlong = false
  }

  private gather({ command, vlan, buffer }: PlusDescriptor): void {
    if (command & FS) {
      this.frame = new Uint8Array(0)
      this.overlong = false
      this.first = command
      this.firstVlan = vlan
    }
    const length = command & 0xffff
    this.overlong ||= this.frame.length + length > MOST_BYTES
    if (this.overlong) return
    const longer = new Uint8Array(this.frame.length + length)
    longer.set(this.frame)
    this.parts.bus.read(buffer, longer.subarray(this.frame.length))
    this.frame = longer
  }

  private sendPlus(): void {
    const { first, frame, parts } = this
    if (this.overlong) {
      parts.warn(`${parts.name}: a frame of more than 64 KiB was not sent`)
      this.fail()
      return
    }
    if (first & LGSEN) {
      const mss = (first >>> 16) & 0x7ff
      const parted = mss < LEAST_MSS ? [] : segments(frame, mss)
      if (parted.length === 0) {
        parts.warn(`${parts.name}: a large send that is no TCP, or in segments of ${mss} bytes, was not sent`)
        this.fail()
      }
      for (const segment of parted) this.send(this.tagged(segment))
    } else {
      this.fillSums(frame)
      this.send(this.tagged(frame))
    }
    parts.raise(TOK)
  }

  private fail(): void {
    this.parts.tally.txErr++
    this.parts.raise(TER)
  }

  private fillSums(frame: Uint8Array): void {
    if (!(this.first & (IPCS | TCPCS | UDPCS))) return
    const layers = layersOf(frame)
    if (layers?.version !== 4) return
    const { protocol } = layers
    if (this.first & IPCS) fillHeaderSum(frame, layers)
    if ((this.first & TCPCS && protocol === TCP) || (this.first & UDPCS && protocol === UDP))
      fillTransportSum(frame, layers)
  }

  /** The tag comes with its bytes as they go on the wire, and short frames are padded. */
  private tagged(frame: Uint8Array): Uint8Array {
    const tag =
      this.firstVlan & TAGC && frame.length >= 12 ? [...VLAN, this.firstVlan & 0xff, (this.firstVlan >>> 8) & 0xff] : []
    const whole = new Uint8Array(Math.max(frame.length + tag.length, SHORTEST_ON_WIRE))
    whole.set(frame.subarray(0, 12))
    whole.set(tag, 12)
    whole.set(frame.subarray(12), 12 + tag.length)
    return whole
  }

  private send(frame: Uint8Array): void {
    const { name, clock, port, tally, warn } = this.parts
    const { tcr } = this.registers
    let bare = frame
    if (tcr & TCR_CRC) {
      if (!endsInCheckSequence(frame)) {
        warn(`${name}: a frame with a wrong check sequence of the guest's own was not sent`)
        tally.txErr++
        return
      }
      bare = frame.slice(0, -FCS)
    }
    if (bare.length < SHORTEST_FRAME || bare.length > LONGEST_FRAME) {
      warn(`${name}: a frame of ${bare.length} bytes is none and was not sent`)
      tally.txErr++
      return
    }
    tally.txOk++
    if ((tcr & TCR_LBK) === TCR_LBK) this.loopBack(bare)
    else port?.send(bare, clock.now())
  }
}
