/**
 * The RTL8139's receiver (RTL8139C(L)+ data sheet, 5.6, 6.2): its filters, and where frames go: a ring of bytes in memory
 * with a header before each frame, or, in C+ mode, descriptors with buffers, checksums looked at and VLAN tags taken out.
 */
import type { Stateful, StateTable } from '../../../device.js'
import { integer, list, u8, u16, u32 } from '../../../state/fields.js'
import { checkSequence, FCS, multicastHash } from '../check-sequence.js'
import { ipHeaderIsRight, layersOf, transportIsRight } from '../internet-checksum.js'
import { TCP, UDP } from '../tcp-ip-offload.js'
import {
  DESCRIPTOR_BYTES,
  EOR,
  FOVW,
  FS,
  LS,
  MOST_DESCRIPTORS,
  OWN,
  physical,
  ROK,
  type Rtl8139Parts,
  RXOVW,
  readDescriptor,
  SHORTEST_ON_WIRE,
} from './rtl8139-parts.js'

// RCR
const RCR_AAP = 0x01
const RCR_APM = 0x02
const RCR_AM = 0x04
const RCR_AB = 0x08
const RCR_AR = 0x10
const RCR_WRAP = 0x80
const RCR_BITS = 0x0f03_ffbf

// The ring's header
const HEADER = 4
const HEADER_ROK = 0x0001
const HEADER_RUNT = 0x0010
const HEADER_BAR = 0x2000
const HEADER_PAM = 0x4000
const HEADER_MAR = 0x8000
/** The largest ring has no room for a frame past its end. */
const LARGEST_RING = 0x1_0000
/** CAPR stands this far before what the driver reads next. */
const CAPR_LAG = 0x10

// C+CR
const RX_VLAN = 0x40
const RX_CHECKSUM = 0x20

// C+ status
const BUFFER_SIZE = 0x1fff
const MAR = 0x0400_0000
const PAM = 0x0200_0000
const BAR = 0x0100_0000
const RUNT = 0x0008_0000
const PID_TCP = 0x0001_0000
const PID_UDP = 0x0002_0000
const PID_IP = 0x0003_0000
const IPF = 0x8000
const UDPF = 0x4000
const TCPF = 0x2000
/** Second doubleword. */
const TAVA = 0x0001_0000

type Match = 'physical' | 'broadcast' | 'multicast' | 'any'

const STATE: StateTable = {
  ...{ idr: list(u8, 6), mar: list(u8, 8), rcr: u32, rbstart: u32, capr: u16, cbr: u16, missed: integer(0, 0xff_ffff) },
  ...{ ring: list(u32, 2), index: integer(0, MOST_DESCRIPTORS - 1) },
}

export class Rtl8139Receiver implements Stateful {
  readonly state = STATE
  readonly idr = new Uint8Array(6)
  readonly mar = new Uint8Array(8)
  rcr = 0
  rbstart = 0
  capr = 0
  /** CBR: where the next frame goes. */
  cbr = 0
  /** MPC. */
  missed = 0
  /** RDSAR, low and high. */
  readonly ring = new Uint32Array(2)
  private index = 0

  constructor(
    private readonly parts: Rtl8139Parts,
    /** RE, C+ mode, C+CR as they are. */
    private readonly registers: { readonly enabled: boolean; readonly plus: boolean; readonly command: number },
  ) {}

  reset(): void {
    this.rcr = 0
    this.missed = 0
    this.restart()
  }

  /** RE has been set: ring and descriptors begin at their starts. */
  restart(): void {
    this.cbr = 0
    this.capr = 0x1_0000 - CAPR_LAG
    this.index = 0
  }

  writeRcr(value: number): void {
    this.rcr = value & RCR_BITS
  }

  get size(): number {
    return 0x2000 << ((this.rcr >>> 11) & 3)
  }

  /** BUFE: the driver has read all that there is. */
  get isEmpty(): boolean {
    return this.used === 0
  }

  private get used(): number {
    return (((this.cbr - this.capr - CAPR_LAG) % this.size) + this.size) % this.size
  }

  /** `looped`: it never was on a wire. */
  receive(frame: Uint8Array, looped = false): void {
    const { parts, registers } = this
    if (!registers.enabled) return
    if (frame.length < SHORTEST_ON_WIRE && !(this.rcr & RCR_AR) && !looped) {
      parts.warn(`${parts.name}: a frame of less than 60 bytes was dropped; who sends it must pad it`, frame.length)
      parts.tally.rxErr++
      return
    }
    const match = this.matches(frame)
    if (!match) return
    const stored = parts.bus.enabled && (registers.plus ? this.storePlus(frame, match) : this.storeInRing(frame, match))
    if (stored) this.count(match)
    else this.miss(registers.plus)
  }

  private matches(frame: Uint8Array): Match | undefined {
    const { rcr } = this
    const to = frame.subarray(0, 6)
    const any = rcr & RCR_AAP ? 'any' : undefined
    if (!(to[0] & 1)) return rcr & RCR_APM && to.every((byte, i) => byte === this.idr[i]) ? 'physical' : any
    if (to.every((byte) => byte === 0xff)) return rcr & RCR_AB ? 'broadcast' : any
    const hash = multicastHash(to)
    return rcr & RCR_AM && this.mar[hash >>> 3] & (1 << (hash & 7)) ? 'multicast' : any
  }

  private count(match: Match): void {
    const { tally } = this.parts
    tally.rxOk++
    if (match === 'physical') tally.rxOkPhysical++
    else if (match === 'broadcast') tally.rxOkBroadcast++
    else if (match === 'multicast') tally.rxOkMulticast++
    this.parts.raise(ROK)
  }

  private miss(plus: boolean): void {
    this.missed = (this.missed + 1) & 0xff_ffff
    this.parts.tally.missed++
    this.parts.raise(plus ? RXOVW : RXOVW | FOVW)
  }

  private storeInRing(frame: Uint8Array, match: Match): boolean {
    const { size } = this
    const count = frame.length + FCS
    const taken = (HEADER + count + 3) & ~3
    // Full and empty look alike, so it is never filled.
    if (taken >= size - this.used) return false
    const status =
      HEADER_ROK |
      (frame.length < SHORTEST_ON_WIRE ? HEADER_RUNT : 0) |
      { physical: HEADER_PAM, broadcast: HEADER_BAR, multicast: HEADER_MAR, any: 0 }[match]
    const stored = new Uint8Array(HEADER + count)
    stored.set([status & 0xff, status >>> 8, count & 0xff, count >>> 8])
    stored.set(frame, HEADER)
    stored.set(checkSequence(frame), HEADER + frame.length)
    // What the driver wrote while the ring was larger is still an address in it.
    const at = this.cbr % size
    const straight = this.rcr & RCR_WRAP && size < LARGEST_RING ? stored.length : Math.min(stored.length, size - at)
    this.parts.bus.write(this.rbstart + at, stored.subarray(0, straight))
    this.parts.bus.write(this.rbstart, stored.subarray(straight))
    this.cbr = (at + taken) % size
    return true
  }

  // C+ mode

  private storePlus(frame: Uint8Array, match: Match): boolean {
    const { bus } = this.parts
    const { command } = this.registers
    const tag = command & RX_VLAN ? tagOf(frame) : undefined
    const bare = tag === undefined ? frame : withoutTag(frame)
    const stored = new Uint8Array(bare.length + FCS)
    stored.set(bare)
    stored.set(checkSequence(frame), bare.length)
    const start = this.index
    const taken: { at: number; command: number }[] = []
    for (let done = 0; done < stored.length; ) {
      const descriptor = readDescriptor(bus, this.address)
      if (!(descriptor.command & OWN) || taken.length === MOST_DESCRIPTORS) {
        // The frame is given up, and its buffers stay the card's.
        this.index = start
        return false
      }
      const length = descriptor.command & BUFFER_SIZE
      bus.write(descriptor.buffer, stored.subarray(done, done + length))
      done += length
      taken.push(descriptor)
      this.index = descriptor.command & EOR || this.index === MOST_DESCRIPTORS - 1 ? 0 : this.index + 1
    }
    const status =
      { physical: PAM, broadcast: BAR, multicast: MAR, any: 0 }[match] |
      (frame.length < SHORTEST_ON_WIRE ? RUNT : 0) |
      (command & RX_CHECKSUM ? checks(bare) : 0) |
      stored.length
    // The first one last, so that the driver finds a whole frame.
    for (const [i, { at, command: before }] of [...taken.entries()].reverse()) {
      const place = (i === 0 ? FS : 0) | (i === taken.length - 1 ? LS : 0)
      bus.write32(at + 4, tag === undefined ? 0 : TAVA | tag)
      bus.write32(at, (before & EOR) | place | status)
    }
    return true
  }

  private get address(): number {
    return physical(this.ring[0] & ~0xff, this.ring[1]) + this.index * DESCRIPTOR_BYTES
  }
}

/** Its bytes as they come from the wire, the first one lowest. */
function tagOf(frame: Uint8Array): number | undefined {
  return frame.length >= 18 && frame[12] === 0x81 && frame[13] === 0 ? frame[14] | (frame[15] << 8) : undefined
}

function withoutTag(frame: Uint8Array): Uint8Array {
  const bare = new Uint8Array(frame.length - 4)
  bare.set(frame.subarray(0, 12))
  bare.set(frame.subarray(16), 12)
  return bare
}

/** PID1 and PID0, and what is wrong. */
function checks(frame: Uint8Array): number {
  const layers = layersOf(frame)
  if (layers?.version !== 4) return 0
  const wrong = ipHeaderIsRight(frame, layers) ? 0 : IPF
  if (layers.fragment || (layers.protocol !== TCP && layers.protocol !== UDP)) return PID_IP | wrong
  const [id, fault] = layers.protocol === TCP ? [PID_TCP, TCPF] : [PID_UDP, UDPF]
  return id | wrong | (transportIsRight(frame, layers) === false ? fault : 0)
}
