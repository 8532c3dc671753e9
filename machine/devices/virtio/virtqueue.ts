/**
 * A split virtqueue (Virtual I/O Device 1.2, 2.6 and 2.7) in either layout: what the driver made available comes off it
 * as chains of buffers, and goes back with the number of bytes that the device wrote. Nothing that is read from memory is
 * trusted; what is no ring is a VirtioError, after which the device needs a reset.
 */
import type { Stateful, StateTable } from '../../device.js'
import { flag, integer, starts, u16 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'
import type { BusMaster } from '../bus-master.js'
import type { Segment } from '../segments.js'

const DESCRIPTOR = 16
const NEXT = 1
const WRITE = 2
const INDIRECT = 4
const NO_INTERRUPT = 1
export const NO_VECTOR = 0xffff
/** Descriptors of a chain, those of an indirect table included. */
const LONGEST_CHAIN = 1024

/** The driver broke the rules; the message says how. */
export class VirtioError extends Error {}

/** Buffers that belong together: first those that the device reads, then those that it writes. */
export interface Chain {
  /** By which it goes back. */
  head: number
  readable: Segment[]
  writable: Segment[]
}

const ADDRESS = integer(0, Number.MAX_SAFE_INTEGER)

const STATE: StateTable = {
  size: integer(1, LONGEST_CHAIN),
  ready: starts(flag, false),
  descriptors: starts(ADDRESS, 0),
  available: starts(ADDRESS, 0),
  used: starts(ADDRESS, 0),
  vector: starts(integer(0, NO_VECTOR), NO_VECTOR),
  taken: starts(u16, 0),
  returned: starts(u16, 0),
  told: starts(u16, 0),
  isNotified: starts(flag, false),
}

export class Virtqueue implements Stateful {
  readonly state = STATE
  size: number
  ready = false
  /** Guest-physical addresses of the three parts. */
  descriptors = 0
  available = 0
  used = 0
  /** MSI-X vector. */
  vector = NO_VECTOR
  /** Index of the next entry of the available ring. */
  private taken = 0
  /** Index of the used ring, and up to where the driver can see it. */
  private returned = 0
  private told = 0
  /** The driver has something in it that nobody has looked at. */
  isNotified = false
  private readonly descriptor = new Uint8Array(DESCRIPTOR)
  private readonly view = new DataView(this.descriptor.buffer)

  constructor(
    readonly most: number,
    private readonly memory: BusMaster,
    private readonly features: { readonly eventIndex: boolean },
  ) {
    this.size = most
  }

  reset(): void {
    resetState(this)
    this.size = this.most
  }

  private get waiting(): number {
    const waiting = (this.memory.read16(this.available + 2) - this.taken) & 0xffff
    if (waiting > this.size) throw new VirtioError(`${waiting} chains are in a ring of ${this.size}`)
    return waiting
  }

  /** The next chain; undefined: there is none. */
  take(): Chain | undefined {
    if (!this.ready || this.waiting === 0) {
      if (this.ready) this.askForNotification()
      // One that came before the driver could see that it is to notify.
      if (!this.ready || this.waiting === 0) return undefined
    }
    const head = this.memory.read16(this.available + 4 + 2 * (this.taken % this.size))
    const chain = this.chainFrom(head)
    this.taken = (this.taken + 1) & 0xffff
    return chain
  }

  /** The chain that was taken last goes back to where it was, for a time when the device has use for it. */
  putBack(): void {
    this.taken = (this.taken - 1) & 0xffff
  }

  private askForNotification(): void {
    if (this.features.eventIndex) this.memory.write16(this.used + 4 + 8 * this.size, this.taken)
  }

  private chainFrom(head: number): Chain {
    const chain: Chain = { head, readable: [], writable: [] }
    let table = this.descriptors
    let entries = this.size
    let isIndirect = false
    let index = head
    for (let n = 0; ; n++) {
      if (n >= LONGEST_CHAIN) throw new VirtioError('a chain of descriptors does not end')
      if (index >= entries) throw new VirtioError(`descriptor ${index} is none of ${entries}`)
      this.memory.read(table + DESCRIPTOR * index, this.descriptor)
      const address = this.view.getUint32(0, true) + this.view.getUint32(4, true) * 0x1_0000_0000
      const length = this.view.getUint32(8, true)
      const flags = this.view.getUint16(12, true)
      if (!Number.isSafeInteger(address + length)) throw new VirtioError('a buffer lies beyond all memory')
      if (flags & INDIRECT) {
        if (isIndirect || flags & NEXT) throw new VirtioError('a table of descriptors stands where none may')
        if (length === 0 || length % DESCRIPTOR !== 0)
          throw new VirtioError(`${length} bytes are no table of descriptors`)
        isIndirect = true
        table = address
        entries = Math.min(length / DESCRIPTOR, LONGEST_CHAIN)
        index = 0
        continue
      }
      if (flags & WRITE) chain.writable.push({ address, length })
      else {
        if (chain.writable.length > 0) throw new VirtioError('a buffer to read follows one to write')
        chain.readable.push({ address, length })
      }
      if (!(flags & NEXT)) return chain
      index = this.view.getUint16(14, true)
    }
  }

  /** Gives a chain back, into which `written` bytes were written. The driver sees it after `tell()`. */
  give({ head }: Chain, written: number): void {
    const at = this.used + 4 + 8 * (this.returned % this.size)
    this.memory.write32(at, head)
    this.memory.write32(at + 4, written)
    this.returned = (this.returned + 1) & 0xffff
  }

  /** Lets the driver see what was given; whether it wants an interrupt for that. */
  tell(): boolean {
    if (this.returned === this.told) return false
    const before = this.told
    this.told = this.returned
    this.memory.write16(this.used + 2, this.returned)
    if (!this.features.eventIndex) return (this.memory.read16(this.available) & NO_INTERRUPT) === 0
    // Only when the index passes the one that the driver waits for (2.7.7.2).
    const event = this.memory.read16(this.available + 4 + 2 * this.size)
    return ((this.returned - event - 1) & 0xffff) < ((this.returned - before) & 0xffff)
  }
}
