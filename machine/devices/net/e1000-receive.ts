/**
 * The receive side of an 8254x (Software Developer's Manual, 3.2): filters by address and VLAN, the packet buffer,
 * descriptors, checksums. Frames wait in the packet buffer for descriptors, and one that is longer than a descriptor's
 * buffer goes on in the next one.
 */
import type { Clock, Timer } from '../../clock.js'
import type { Stateful, StateTable, Warn } from '../../device.js'
import { SHORTEST_FRAME } from '../../network/port.js'
import { bytes, integer, list, record, starts, timer, u8 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'
import type { BusMaster } from '../bus-master.js'
import { checkSequence, FCS } from './check-sequence.js'
import type { E1000Interrupts } from './e1000-interrupts.js'
import {
  BPRC,
  CTRL,
  CTRL_VME,
  countBytes,
  countOn,
  DESCRIPTOR,
  GORCL,
  GPRC,
  ICR_RXDMT0,
  ICR_RXO,
  ICR_SRPD,
  MPC,
  MPRC,
  MTA,
  PBA,
  PRC64,
  RAH,
  RAH_AV,
  RAL,
  RCTL,
  RCTL_BAM,
  RCTL_BSEX,
  RCTL_CFI,
  RCTL_CFIEN,
  RCTL_EN,
  RCTL_LPE,
  RCTL_MPE,
  RCTL_SECRC,
  RCTL_UPE,
  RCTL_VFE,
  RDBAH,
  RDBAL,
  RDH,
  RDLEN,
  RDT,
  type Registers,
  RNBC,
  ROC,
  RSRPD,
  RUC,
  RXCSUM,
  RXCSUM_IPOFL,
  RXCSUM_TUOFL,
  sizeClass,
  TORL,
  TPR,
  VET,
  VFTA,
} from './e1000-registers.js'
import { ipHeaderIsRight, layersOf, onesSum, transportIsRight } from './internet-checksum.js'

// Status and errors of a descriptor
const DD = 0x01
const STATUS_EOP = 0x02
const IXSM = 0x04
const VP = 0x08
const TCPCS = 0x20
const IPCS = 0x40
const PIF = 0x80
const TCPE = 0x20
const IPE = 0x40

/** With the check sequence: what LPE lifts, and what nothing does. */
const LONGEST = 1522
export const LONGEST_OF_ALL = 16384
const SHORTEST = 64
const ADDRESSES = 16
/** By MO: how far the upper bits of a group address are shifted for the hash. */
const HASH_SHIFT = [4, 3, 2, 0]
/** From RDT to the first frame that waited for it. */
const FETCH_NS = 1000
/** Frames that the packet buffer holds at most: of the least size. */
const MOST_FRAMES = 1024

const ACCEPTED = record({ bytes: bytes(SHORTEST_FRAME, LONGEST_OF_ALL), status: u8 })

const STATE: StateTable = {
  waiting: starts(list(ACCEPTED, 0, MOST_FRAMES), []),
  stored: starts(integer(0, LONGEST_OF_ALL), 0),
  refill: timer,
}

interface Accepted {
  bytes: Uint8Array
  /** What the filters found: PIF, or nothing. */
  status: number
}

export interface E1000ReceiveOptions {
  name: string
  clock: Clock
  memory: BusMaster
  warn: Warn
  registers: Registers
  interrupts: E1000Interrupts
}

export class E1000Receive implements Stateful {
  readonly state = STATE
  /** The packet buffer. */
  private waiting: Accepted[] = []
  /** Of the first one there, bytes that are in memory. */
  private stored = 0
  private readonly refill: Timer
  private readonly scratch = new Uint8Array(LONGEST_OF_ALL + FCS)
  private readonly fields = new Uint8Array(8)
  private readonly view = new DataView(this.fields.buffer)

  constructor(private readonly card: E1000ReceiveOptions) {
    this.refill = card.clock.timer(`${card.name} receive descriptors`, () => this.store())
  }

  reset(): void {
    resetState(this)
    this.waiting = []
    this.refill.cancel()
  }

  /** RDT or what else gives descriptors was written. */
  start(): void {
    if (this.waiting.length > 0) this.refill.set(this.card.clock.now() + FETCH_NS)
  }

  receive(frame: Uint8Array): void {
    const { registers, interrupts } = this.card
    const control = registers[RCTL >> 2]
    if (!(control & RCTL_EN)) return
    const length = Math.max(frame.length + FCS, SHORTEST)
    countOn(registers, TPR)
    countBytes(registers, TORL, length)
    if (length > (control & RCTL_LPE ? LONGEST_OF_ALL : LONGEST)) {
      countOn(registers, ROC)
      return
    }
    if (frame.length + FCS < SHORTEST) {
      countOn(registers, RUC)
      this.card.warn(`${this.card.name}: a frame of less than 60 bytes was dropped; who sends it must pad it`)
      return
    }
    const status = this.filter(frame, control)
    if (status === undefined) return
    let held = 0
    for (const { bytes: one } of this.waiting) held += one.length
    if (held + length > (registers[PBA >> 2] & 0x3f) * 1024 || this.waiting.length >= MOST_FRAMES) {
      countOn(registers, MPC)
      interrupts.raise(ICR_RXO)
      return
    }
    this.count(frame, length)
    if (length <= (registers[RSRPD >> 2] & 0xfff)) interrupts.raise(ICR_SRPD)
    this.waiting.push({ bytes: frame, status })
    this.store()
    if (this.waiting.length > 0) countOn(registers, RNBC)
  }

  private count(frame: Uint8Array, length: number): void {
    const { registers } = this.card
    countOn(registers, GPRC)
    countBytes(registers, GORCL, length)
    countOn(registers, PRC64 + 4 * sizeClass(length))
    if (frame[0] & 1) countOn(registers, isBroadcast(frame) ? BPRC : MPRC)
  }

  /** undefined: not for this card. */
  private filter(frame: Uint8Array, control: number): number | undefined {
    const { registers } = this.card
    if (control & RCTL_VFE && this.isTagged(frame)) {
      const tag = (frame[14] << 8) | frame[15]
      const id = tag & 0xfff
      if (!((registers[(VFTA >> 2) + (id >>> 5)] >>> (id & 31)) & 1)) return undefined
      const isCanonical = (tag & 0x1000) === 0
      if (control & RCTL_CFIEN && isCanonical !== ((control & RCTL_CFI) === 0)) return undefined
    }
    if (this.isOwn(frame)) return 0
    if (!(frame[0] & 1)) return control & RCTL_UPE ? PIF : undefined
    if (isBroadcast(frame) && control & RCTL_BAM) return 0
    if (control & RCTL_MPE) return PIF
    const hash = (((frame[5] << 8) | frame[4]) >>> HASH_SHIFT[(control >>> 12) & 3]) & 0xfff
    return (registers[(MTA >> 2) + (hash >>> 5)] >>> (hash & 31)) & 1 ? PIF : undefined
  }

  private isOwn(frame: Uint8Array): boolean {
    const { registers } = this.card
    const low = (frame[0] | (frame[1] << 8) | (frame[2] << 16) | (frame[3] << 24)) >>> 0
    const high = frame[4] | (frame[5] << 8)
    for (let i = 0; i < ADDRESSES; i++) {
      const upper = registers[(RAH >> 2) + 2 * i]
      // Of the address select bits only 0, the destination, is known.
      if (upper & RAH_AV && (upper & 0x3ffff) === high && registers[(RAL >> 2) + 2 * i] === low) return true
    }
    return false
  }

  private isTagged(frame: Uint8Array): boolean {
    return frame.length >= 18 && ((frame[12] << 8) | frame[13]) === this.card.registers[VET >> 2]
  }

  // Descriptors

  /** Those that are free, RDH to RDT - 1; none where the guest's indices make no ring. */
  private get free(): number {
    const { registers, memory } = this.card
    const count = registers[RDLEN >> 2] / DESCRIPTOR
    const head = registers[RDH >> 2]
    const tail = registers[RDT >> 2]
    if (!memory.enabled || head >= count || tail >= count) return 0
    return tail >= head ? tail - head : tail + count - head
  }

  /** 2048 to 256 by BSIZE, or 16384 to 4096. */
  private get bufferSize(): number {
    const control = this.card.registers[RCTL >> 2]
    const size = (control >>> 16) & 3
    return control & RCTL_BSEX && size > 0 ? 32768 >>> size : 2048 >>> size
  }

  private store(): void {
    const { registers, interrupts } = this.card
    let isAny = false
    while (this.waiting.length > 0 && registers[RCTL >> 2] & RCTL_EN && this.free > 0) {
      if (!this.storePart(this.waiting[0])) continue
      this.waiting.shift()
      this.stored = 0
      isAny = true
    }
    if (!isAny) return
    const count = registers[RDLEN >> 2] / DESCRIPTOR
    // RDMTS: a half, a quarter, an eighth.
    if (this.free <= count >>> (((registers[RCTL >> 2] >>> 8) & 3) + 1)) interrupts.raise(ICR_RXDMT0)
    interrupts.received()
  }

  /** One descriptor; whether the frame ends there. */
  private storePart({ bytes: frame, status }: Accepted): boolean {
    const { registers, memory } = this.card
    const { view, fields } = this
    const head = registers[RDH >> 2]
    const at = registers[RDBAL >> 2] + registers[RDBAH >> 2] * 0x1_0000_0000 + head * DESCRIPTOR
    memory.read(at, fields)
    const address = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000
    const isStripped = (registers[CTRL >> 2] & CTRL_VME) !== 0 && this.isTagged(frame)
    const contents = this.contents(frame, isStripped)
    const part = contents.subarray(this.stored, this.stored + this.bufferSize)
    // A descriptor of address 0 was left out by the guest: it is counted, and nothing is stored.
    if (address !== 0 && Number.isSafeInteger(address)) memory.write(address, part)
    this.stored += part.length
    const isEnd = this.stored === contents.length
    fields.fill(0)
    view.setUint16(0, part.length, true)
    view.setUint8(4, DD)
    if (isEnd) this.describe(frame, status | (isStripped ? VP : 0))
    memory.write(at + 8, fields)
    registers[RDH >> 2] = head + 1 < registers[RDLEN >> 2] / DESCRIPTOR ? head + 1 : 0
    return isEnd
  }

  /** As it is stored: without its tag where the card strips it, with its check sequence unless SECRC. */
  private contents(frame: Uint8Array, isStripped: boolean): Uint8Array {
    const isWhole = !isStripped && (this.card.registers[RCTL >> 2] & RCTL_SECRC) !== 0
    if (isWhole) return frame
    const tag = isStripped ? 4 : 0
    const tail = this.card.registers[RCTL >> 2] & RCTL_SECRC ? 0 : FCS
    const contents = this.scratch.subarray(0, frame.length - tag + tail)
    contents.set(frame.subarray(0, 12))
    contents.set(frame.subarray(12 + tag), 12)
    if (tail > 0) contents.set(checkSequence(frame), contents.length - FCS)
    return contents
  }

  private describe(frame: Uint8Array, found: number): void {
    const { view } = this
    const control = this.card.registers[RXCSUM >> 2]
    let status = found | DD | STATUS_EOP
    let errors = 0
    const layers = control & (RXCSUM_IPOFL | RXCSUM_TUOFL) ? layersOf(frame) : undefined
    if (layers?.version === 4 && control & RXCSUM_IPOFL) {
      status |= IPCS
      if (!ipHeaderIsRight(frame, layers)) errors |= IPE
    }
    const transport = layers && control & RXCSUM_TUOFL ? transportIsRight(frame, layers) : undefined
    if (transport !== undefined) {
      status |= TCPCS
      if (!transport) errors |= TCPE
    }
    if (!(status & (IPCS | TCPCS))) status |= IXSM
    view.setUint16(2, ~onesSum(frame, control & 0xff, frame.length) & 0xffff, true)
    view.setUint8(4, status)
    view.setUint8(5, errors)
    if (found & VP) view.setUint16(6, (frame[14] << 8) | frame[15], true)
  }
}

function isBroadcast(frame: Uint8Array): boolean {
  return (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) === 0xff
}
