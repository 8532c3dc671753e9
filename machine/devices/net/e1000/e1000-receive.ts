/**
 * The receive side of an 8254x (Software Developer's Manual, 3.2): filters by address and VLAN, the packet buffer,
 * descriptors, checksums. Frames wait in the packet buffer for descriptors, and one that is longer than a descriptor's
 * buffer goes on in the next one.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { Stateful, StateTable, Warn } from '../../../device.js'
import { SHORTEST_FRAME } from '../../../network/port.js'
import { bytes, integer, list, record, starts, timer, u8 } from '../../../state/fields.js'
import { resetState } from '../../../state/state-table.js'
import type { BusMaster } from '../../bus-master.js'
import { checkSequence, FCS } from '../check-sequence.js'
import { ipHeaderIsRight, layersOf, onesSum, transportIsRight } from '../internet-checksum.js'
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
  PSRCTL,
  RAH,
  RAH_AV,
  RAL,
  RCTL,
  RCTL_BAM,
  RCTL_BSEX,
  RCTL_CFI,
  RCTL_CFIEN,
  RCTL_DTYP_SPLIT,
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
  RFCTL,
  RFCTL_EXTEN,
  RNBC,
  ROC,
  RSRPD,
  RUC,
  RXCSUM,
  RXCSUM_IPOFL,
  RXCSUM_PCSD,
  RXCSUM_TUOFL,
  sizeClass,
  TORL,
  TPR,
  VET,
  VFTA,
} from './e1000-registers.js'

// Status and errors of a descriptor
const DD = 0x01
const STATUS_EOP = 0x02
const IXSM = 0x04
const VP = 0x08
/** On PCI Express. */
const UDPCS = 0x10
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
  isExpress: boolean
}

/** How descriptors are laid out: the 8254x's, or one of two that the controllers on PCI Express have as well. */
type Layout = 'legacy' | 'extended' | 'split'

/** Buffers of a split descriptor, the first one in units of 128 bytes, the others of 1024. */
const SPLIT_BUFFERS = 4
const SPLIT_DESCRIPTOR = 32
const UDP = 17

export class E1000Receive implements Stateful {
  readonly state = STATE
  /** The packet buffer. */
  private waiting: Accepted[] = []
  /** Of the first one there, bytes that are in memory. */
  private stored = 0
  private readonly refill: Timer
  private readonly scratch = new Uint8Array(LONGEST_OF_ALL + FCS)
  private readonly fields = new Uint8Array(SPLIT_DESCRIPTOR)
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

  private get layout(): Layout {
    const { registers, isExpress } = this.card
    if (!isExpress || !(registers[RFCTL >> 2] & RFCTL_EXTEN)) return 'legacy'
    return registers[RCTL >> 2] & RCTL_DTYP_SPLIT ? 'split' : 'extended'
  }

  private get descriptorSize(): number {
    return this.layout === 'split' ? SPLIT_DESCRIPTOR : DESCRIPTOR
  }

  /** Of the ring. */
  private get length(): number {
    return Math.floor(this.card.registers[RDLEN >> 2] / this.descriptorSize)
  }

  /** Those that are free, RDH to RDT - 1; none where the guest's indices make no ring. */
  private get free(): number {
    const { registers, memory } = this.card
    const { length: count } = this
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
    // RDMTS: a half, a quarter, an eighth.
    if (this.free <= this.length >>> (((registers[RCTL >> 2] >>> 8) & 3) + 1)) interrupts.raise(ICR_RXDMT0)
    interrupts.received()
  }

  /** One descriptor; whether the frame ends there. */
  private storePart({ bytes: frame, status }: Accepted): boolean {
    const { registers, memory } = this.card
    const { layout, descriptorSize } = this
    const head = registers[RDH >> 2]
    const at = registers[RDBAL >> 2] + registers[RDBAH >> 2] * 0x1_0000_0000 + head * descriptorSize
    const fields = this.fields.subarray(0, descriptorSize)
    memory.read(at, fields)
    const isStripped = (registers[CTRL >> 2] & CTRL_VME) !== 0 && this.isTagged(frame)
    const contents = this.contents(frame, isStripped)
    const lengths: number[] = []
    for (const { address, size } of this.buffers(layout)) {
      const part = contents.subarray(this.stored, this.stored + size)
      // A buffer of address 0 was left out by the guest: it is counted, and nothing is stored.
      if (part.length > 0 && address !== 0 && Number.isSafeInteger(address)) memory.write(address, part)
      this.stored += part.length
      lengths.push(part.length)
    }
    const isEnd = this.stored === contents.length
    const description = isEnd ? this.describe(frame, status | (isStripped ? VP : 0)) : PART_OF_A_FRAME
    if (layout === 'legacy') this.writeLegacy(at, lengths[0], description)
    else this.writeExtended(at, lengths, description, layout)
    registers[RDH >> 2] = head + 1 < this.length ? head + 1 : 0
    return isEnd
  }

  /** Of the descriptor that was read. */
  private buffers(layout: Layout): { address: number; size: number }[] {
    const { view } = this
    const address = (n: number) => view.getUint32(8 * n, true) + view.getUint32(8 * n + 4, true) * 0x1_0000_0000
    if (layout !== 'split') return [{ address: address(0), size: this.bufferSize }]
    const sizes = this.card.registers[PSRCTL >> 2]
    return Array.from({ length: SPLIT_BUFFERS }, (_, n) => ({
      address: address(n),
      size: n === 0 ? (sizes & 0x7f) * 128 : ((sizes >>> (8 * n)) & 0x3f) * 1024,
    }))
  }

  private writeLegacy(at: number, length: number, { status, errors, checksum, tag }: Description): void {
    const { view, fields } = this
    view.setUint16(0, length, true)
    view.setUint16(2, checksum, true)
    view.setUint8(4, status)
    view.setUint8(5, errors)
    view.setUint16(6, tag, true)
    this.card.memory.write(at + 8, fields.subarray(0, 8))
  }

  /** 316080, 3.2.7.2 and 3.2.7.3. No header is told apart: the buffers of a split descriptor are filled one after the other. */
  private writeExtended(
    at: number,
    lengths: readonly number[],
    { status, errors, checksum, identification, tag }: Description,
    layout: Layout,
  ): void {
    const { view } = this
    const fields = this.fields.subarray(0, this.descriptorSize)
    fields.fill(0)
    if (!(this.card.registers[RXCSUM >> 2] & RXCSUM_PCSD)) {
      view.setUint16(4, identification, true)
      view.setUint16(6, checksum, true)
    }
    view.setUint8(8, status)
    view.setUint8(11, errors)
    view.setUint16(12, lengths[0], true)
    view.setUint16(14, tag, true)
    if (layout === 'split')
      for (const [n, length] of lengths.slice(1).entries()) view.setUint16(18 + 2 * n, length, true)
    this.card.memory.write(at, fields)
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

  private describe(frame: Uint8Array, found: number): Description {
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
      if (this.card.isExpress && layers?.protocol === UDP) status |= UDPCS
      if (!transport) errors |= TCPE
    }
    if (!(status & (IPCS | TCPCS))) status |= IXSM
    return {
      status,
      errors,
      checksum: ~onesSum(frame, control & 0xff, frame.length) & 0xffff,
      identification: layers?.version === 4 ? (frame[layers.ip + 4] << 8) | frame[layers.ip + 5] : 0,
      tag: found & VP ? (frame[14] << 8) | frame[15] : 0,
    }
  }
}

/** What a descriptor says of the frame that ends there. */
interface Description {
  status: number
  errors: number
  /** Of the packet, from PCSS on. */
  checksum: number
  /** Of IPv4. */
  identification: number
  /** VLAN. */
  tag: number
}

const PART_OF_A_FRAME: Description = { status: DD, errors: 0, checksum: 0, identification: 0, tag: 0 }

function isBroadcast(frame: Uint8Array): boolean {
  return (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) === 0xff
}
