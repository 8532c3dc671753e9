/**
 * The transmit side of an 8254x (Software Developer's Manual, 3.3 to 3.5): descriptors of the legacy, context and data
 * kinds, checksums, segments of TCP and UDP, VLAN tags. It runs by a timer: what a guest's access costs is bounded by
 * the wire, ahead of which only as much is fetched as its part of the packet buffer holds.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { Stateful, StateTable, Warn } from '../../../device.js'
import { bytes, flag, integer, list, starts, time, timer, u16, u32 } from '../../../state/fields.js'
import { resetState } from '../../../state/state-table.js'
import type { BusMaster } from '../../bus-master.js'
import { onesSum } from '../internet-checksum.js'
import type { E1000Interrupts } from './e1000-interrupts.js'
import {
  BPTC,
  CTRL,
  CTRL_VME,
  countBytes,
  countOn,
  DESCRIPTOR,
  GOTCL,
  GPTC,
  ICR_TXQE,
  MPTC,
  PBA,
  PTC64,
  type Registers,
  sizeClass,
  TCTL,
  TCTL_EN,
  TCTL_PSP,
  TDBAH,
  TDBAL,
  TDH,
  TDLEN,
  TDT,
  TOTL,
  TPT,
  TSCTC,
  VET,
} from './e1000-registers.js'

// The command byte, whose first two and last two bits all kinds share
const EOP = 0x01
const IFCS = 0x02
/** Legacy: insert a checksum. Data and context: segments. */
const IC = 0x04
const TSE = 0x04
const RS = 0x08
const RPS = 0x10
const DEXT = 0x20
const VLE = 0x40
const IDE = 0x80
/** Of a context's command: what the segments are. */
const TUCMD_TCP = 0x01
const TUCMD_IPV4 = 0x02
const STATUS_DD = 0x01
/** POPTS. */
const IXSM = 0x01
const TXSM = 0x02

const DTYP_CONTEXT = 0
const TCP_FIN_PSH = 0x09

/** The longest frame without segments, and what the buffer holds: a header and a segment of the longest MSS. */
const LONGEST = 16288
const BUFFER = 255 + 0xffff
/** Of one data descriptor. */
const LONGEST_DATA = 0xf_ffff
/** No header field of a context lies behind it. */
const HEADERS_END = 0x200
const FCS = 4
const SHORTEST_ON_WIRE = 60
/** 1000 Mbit/s; preamble, check sequence and the gap between frames. */
const NS_PER_BYTE = 8
const BYTES_AROUND = 8 + FCS + 12
/** From the doorbell to the first descriptor, and for each that is fetched. */
const FETCH_NS = 1000
const DESCRIPTOR_NS = 64
const DESCRIPTORS_AT_ONCE = 128

const STATE: StateTable = {
  contexts: starts(list(u32, 8), 0),
  buffer: {
    ...bytes(0, BUFFER),
    save: (present) => (present as PacketBuffer).contents(),
    load(saved, present) {
      ;(present as PacketBuffer).replace(saved as Uint8Array)
      return present
    },
  },
  isWhole: starts(flag, true),
  options: starts(integer(0, 0xff), 0),
  tag: starts(u16, 0),
  isTagged: starts(flag, false),
  segments: starts(integer(0, 0xffff_ffff), 0),
  isOversize: starts(flag, false),
  fetchedBytes: starts(integer(0, LONGEST_DATA), 0),
  wireFree: starts(time, 0),
  fetch: timer,
}

/** A packet as its descriptors bring it together. */
class PacketBuffer {
  readonly bytes = new Uint8Array(BUFFER)
  length = 0

  contents(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  replace(contents: Uint8Array): void {
    this.bytes.set(contents)
    this.length = contents.length
  }
}

export interface E1000TransmitOptions {
  name: string
  clock: Clock
  memory: BusMaster
  warn: Warn
  registers: Registers
  interrupts: E1000Interrupts
  /** KiB, of which PBA gives receivers a part. */
  packetBuffer: number
  send: (frame: Uint8Array, time: number) => void
}

export class E1000Transmit implements Stateful {
  readonly state = STATE
  /** The contexts without segments and with them, as they came, four words each. */
  private readonly contexts = new Uint32Array(8)
  private readonly buffer = new PacketBuffer()
  /** The next descriptor begins a packet. */
  private isWhole = true
  /** POPTS of the packet's first data descriptor; bit 7: it goes out in segments. */
  private options = 0
  private tag = 0
  private isTagged = false
  /** Of the packet, those that have left. */
  private segments = 0
  private isOversize = false
  /** Of the descriptor at TDH: its segments may be more than the packet buffer holds. */
  private fetchedBytes = 0
  /** When the wire has carried all that was fetched. */
  private wireFree = 0
  private readonly fetch: Timer
  private readonly descriptor = new Uint8Array(DESCRIPTOR)
  private readonly view = new DataView(this.descriptor.buffer)

  constructor(private readonly card: E1000TransmitOptions) {
    this.fetch = card.clock.timer(`${card.name} transmission`, () => this.work())
  }

  reset(): void {
    resetState(this)
    this.buffer.length = 0
    this.fetch.cancel()
  }

  /** TDT, TCTL or what else lets descriptors be fetched was written. */
  start(): void {
    if (this.fetch.deadline === Number.POSITIVE_INFINITY && this.isReady)
      this.fetch.at(this.card.clock.now() + FETCH_NS)
  }

  private get isReady(): boolean {
    const { registers, memory } = this.card
    const count = registers[TDLEN >> 2] / DESCRIPTOR
    const head = registers[TDH >> 2]
    const tail = registers[TDT >> 2]
    return (registers[TCTL >> 2] & TCTL_EN) !== 0 && head !== tail && head < count && tail < count && memory.enabled
  }

  /** Nanoseconds of frames that wait for the wire in the packet buffer. */
  private get bufferNs(): number {
    const { registers, packetBuffer } = this.card
    const receive = registers[PBA >> 2] & 0x3f
    return Math.min(Math.max(packetBuffer - receive, 8), 40) * 1024 * NS_PER_BYTE
  }

  private work(): void {
    const { clock, registers, interrupts, memory } = this.card
    const now = clock.now()
    const most = now + this.bufferNs
    let fetched = 0
    while (this.isReady && this.wireFree < most && fetched < DESCRIPTORS_AT_ONCE) {
      const head = registers[TDH >> 2]
      const at = registers[TDBAL >> 2] + registers[TDBAH >> 2] * 0x1_0000_0000 + head * DESCRIPTOR
      memory.read(at, this.descriptor)
      const command = this.view.getUint8(11)
      if (!this.take(command, most)) break
      this.fetchedBytes = 0
      if (command & (RS | RPS)) {
        memory.write(at + 12, Uint8Array.of(this.view.getUint8(12) | STATUS_DD))
        interrupts.transmitted((command & IDE) !== 0)
      }
      registers[TDH >> 2] = head + 1 < registers[TDLEN >> 2] / DESCRIPTOR ? head + 1 : 0
      fetched++
    }
    if (fetched > 0 && registers[TDH >> 2] === registers[TDT >> 2]) interrupts.raise(ICR_TXQE)
    if (!this.isReady) return
    const next = this.wireFree < most ? now + fetched * DESCRIPTOR_NS : this.wireFree - this.bufferNs / 2
    this.fetch.at(Math.max(next, now + FETCH_NS))
  }

  /** false: the wire is taken until `most`, and the rest of the descriptor waits. */
  private take(command: number, most: number): boolean {
    const { view } = this
    if (!(command & DEXT)) {
      // Legacy: checksum offset and start stand for a context of their own.
      this.begin(0)
      if (!this.append(view.getUint16(8, true), command, most)) return false
      if (command & EOP) this.endLegacy(command, view.getUint8(10), view.getUint8(13))
      return true
    }
    if (((view.getUint8(10) >>> 4) & 0x0f) === DTYP_CONTEXT) {
      const at = command & TSE ? 4 : 0
      for (let i = 0; i < 4; i++) this.contexts[at + i] = view.getUint32(4 * i, true)
      return true
    }
    this.begin((view.getUint8(13) & (IXSM | TXSM)) | (command & TSE ? 0x80 : 0))
    if (!this.append(view.getUint32(8, true) & LONGEST_DATA, command, most)) return false
    if (command & EOP) this.endData(command)
    return true
  }

  private begin(options: number): void {
    if (!this.isWhole) return
    this.isWhole = false
    this.options = options
    this.buffer.length = 0
    this.segments = 0
    this.isOversize = false
  }

  private append(length: number, command: number, most: number): boolean {
    const { memory } = this.card
    if (command & VLE && this.card.registers[CTRL >> 2] & CTRL_VME) {
      this.tag = this.view.getUint16(14, true)
      this.isTagged = true
    }
    const address = this.view.getUint32(0, true) + this.view.getUint32(4, true) * 0x1_0000_0000
    if (!Number.isSafeInteger(address + length)) return true
    const { buffer } = this
    const whole = this.segmentLength
    const room = whole > 0 ? whole : LONGEST
    while (this.fetchedBytes < length) {
      if (this.wireFree >= most) return false
      const part = Math.min(length - this.fetchedBytes, room - buffer.length)
      if (part <= 0) {
        // Too long for a frame, or a context that came in mid-packet: the rest is not even read.
        this.isOversize = true
        return true
      }
      memory.read(address + this.fetchedBytes, buffer.bytes.subarray(buffer.length, buffer.length + part))
      buffer.length += part
      this.fetchedBytes += part
      // The last segment waits for the packet's end, by which it is known to be the last.
      if (whole > 0 && buffer.length === whole && (this.fetchedBytes < length || !(command & EOP))) this.segment(false)
    }
    return true
  }

  /** Header and payload of a whole segment; 0: the packet has none. */
  private get segmentLength(): number {
    if (!(this.options & 0x80)) return 0
    const header = (this.contexts[7] >>> 8) & 0xff
    const mss = this.contexts[7] >>> 16
    return header > 0 && mss > 0 ? header + mss : 0
  }

  private endLegacy(command: number, offset: number, start: number): void {
    const { bytes, length } = this.buffer
    if (command & IC) insertChecksum(bytes, length, offset, start, 0)
    this.sendBuffer(command)
    this.end()
  }

  private endData(command: number): void {
    if (this.segmentLength > 0) {
      if (this.buffer.length > ((this.contexts[7] >>> 8) & 0xff)) this.segment(true)
      if (this.segments > 0) countOn(this.card.registers, TSCTC)
    } else {
      this.checksums(this.contexts, 0)
      this.sendBuffer(command)
    }
    this.end()
  }

  private end(): void {
    this.isWhole = true
    this.isTagged = false
    this.buffer.length = 0
  }

  /** What is in the buffer becomes a segment, of which the header stays for the next one. */
  private segment(isLast: boolean): void {
    const { buffer, contexts } = this
    const { bytes, length } = buffer
    const header = (contexts[7] >>> 8) & 0xff
    const mss = contexts[7] >>> 16
    const command = contexts[6] >>> 24
    const [ip, transport] = [contexts[4] & 0xff, contexts[5] & 0xff]
    const kept = bytes.slice(0, header)
    // Offsets that lie past the packet's end find nothing there.
    if (length < HEADERS_END) bytes.fill(0, length, HEADERS_END)
    if (command & TUCMD_IPV4) {
      putWord(bytes, ip + 2, length - ip)
      putWord(bytes, ip + 4, word(bytes, ip + 4) + this.segments)
    } else putWord(bytes, ip + 4, length - ip - 40)
    if (command & TUCMD_TCP) {
      const sequence = word(bytes, transport + 4) * 0x1_0000 + word(bytes, transport + 6) + this.segments * mss
      putWord(bytes, transport + 4, Math.floor(sequence / 0x1_0000))
      putWord(bytes, transport + 6, sequence)
      if (!isLast) bytes[transport + 13] &= ~TCP_FIN_PSH
    } else putWord(bytes, transport + 4, length - transport)
    // The driver's sum of the pseudo-header has no length yet.
    const at = (contexts[5] >>> 8) & 0xff
    if (this.options & TXSM) {
      const sum = word(bytes, at) + length - transport
      putWord(bytes, at, (sum & 0xffff) + (sum >>> 16))
    }
    this.checksums(contexts, 4)
    this.sendBuffer(IFCS)
    this.segments++
    bytes.set(kept)
    buffer.length = header
  }

  private checksums(contexts: Uint32Array, at: number): void {
    const { bytes, length } = this.buffer
    for (const [option, word] of [
      [TXSM, contexts[at + 1]],
      [IXSM, contexts[at]],
    ])
      if (this.options & option) insertChecksum(bytes, length, (word >>> 8) & 0xff, word & 0xff, word >>> 16)
  }

  private sendBuffer(command: number): void {
    const { name, warn, send, registers } = this.card
    const { bytes, length: whole } = this.buffer
    // Without IFCS the guest has its own check sequence at the end, which the port does not carry.
    let length = command & IFCS ? whole : whole - FCS
    if (length < 14 || this.isOversize) {
      // Segments of a byte take their time, too.
      this.takeWire(SHORTEST_ON_WIRE)
      warn(`${name}: a frame of ${this.isOversize ? 'more than 16288' : length} bytes is none and was not sent`)
      return
    }
    if (length < SHORTEST_ON_WIRE && registers[TCTL >> 2] & TCTL_PSP) {
      bytes.fill(0, length, SHORTEST_ON_WIRE)
      length = SHORTEST_ON_WIRE
    }
    const frame = this.isTagged ? tagged(bytes, length, registers[VET >> 2], this.tag) : bytes.slice(0, length)
    this.count(frame)
    this.takeWire(frame.length)
    send(frame, this.wireFree)
  }

  private takeWire(length: number): void {
    this.wireFree = Math.max(this.wireFree, this.card.clock.now()) + (length + BYTES_AROUND) * NS_PER_BYTE
  }

  private count(frame: Uint8Array): void {
    const { registers } = this.card
    const length = frame.length + FCS
    countOn(registers, GPTC)
    countOn(registers, TPT)
    countBytes(registers, GOTCL, length)
    countBytes(registers, TOTL, length)
    countOn(registers, PTC64 + 4 * sizeClass(length))
    if (frame[0] & 1) countOn(registers, frame.subarray(0, 6).every((byte) => byte === 0xff) ? BPTC : MPTC)
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

/** Over bytes `start` to `last`, 0 for the end, into `offset`; one that would lie outside is left out. */
function insertChecksum(bytes: Uint8Array, length: number, offset: number, start: number, last: number): void {
  const end = last > 0 && last < length ? last + 1 : length
  if (start >= end || offset + 1 >= length) return
  putWord(bytes, offset, ~onesSum(bytes, start, end) & 0xffff)
}

function tagged(bytes: Uint8Array, length: number, type: number, tag: number): Uint8Array {
  const frame = new Uint8Array(length + 4)
  frame.set(bytes.subarray(0, 12))
  putWord(frame, 12, type)
  putWord(frame, 14, tag)
  frame.set(bytes.subarray(12, length), 16)
  return frame
}
