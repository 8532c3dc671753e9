/** The queues of an NVMe controller in guest memory (NVM Express 1.4, 4.1 and 4.6), and the pages that commands name (4.3). */
import type { Stateful, StateTable } from '../../device.js'
import { flag, integer, starts, u16 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'
import type { BusMaster } from '../bus-master.js'
import type { Segment } from '../segments.js'
import { PAGE } from './nvme-identify.js'

export const COMMAND = 64
const COMPLETION = 16
export const MOST_ENTRIES = 1024

const ADDRESS = integer(0, Number.MAX_SAFE_INTEGER)
const INDEX = integer(0, MOST_ENTRIES)

/** Ends a command with this status: its type in bits 10:8, its code in bits 7:0. */
export class NvmeError extends Error {
  constructor(readonly status: number) {
    super(`status ${status.toString(16)}h`)
  }
}

export const INVALID_FIELD = 0x002
const INVALID_PRP_OFFSET = 0x013

const SUBMISSION: StateTable = {
  size: starts(INDEX, 0),
  address: starts(ADDRESS, 0),
  head: starts(INDEX, 0),
  tail: starts(INDEX, 0),
  completions: starts(u16, 0),
}

/** Commands of the host's. A size of 0: there is none. */
export class SubmissionQueue implements Stateful {
  readonly state = SUBMISSION
  size = 0
  address = 0
  head = 0
  tail = 0
  /** The queue to which its completions go. */
  completions = 0

  reset(): void {
    resetState(this)
  }

  take(memory: BusMaster): DataView | undefined {
    if (this.size === 0 || this.head === this.tail) return undefined
    const command = new Uint8Array(COMMAND)
    memory.read(this.address + COMMAND * this.head, command)
    this.head = (this.head + 1) % this.size
    return new DataView(command.buffer)
  }
}

const COMPLETIONS: StateTable = {
  size: starts(INDEX, 0),
  address: starts(ADDRESS, 0),
  head: starts(INDEX, 0),
  tail: starts(INDEX, 0),
  phase: starts(integer(0, 1), 1),
  vector: starts(u16, 0),
  interrupts: starts(flag, false),
}

export class CompletionQueue implements Stateful {
  readonly state = COMPLETIONS
  size = 0
  address = 0
  head = 0
  tail = 0
  phase = 1
  vector = 0
  interrupts = false

  reset(): void {
    resetState(this)
  }

  get isFull(): boolean {
    return (this.tail + 1) % this.size === this.head
  }

  get isEmpty(): boolean {
    return this.tail === this.head
  }

  /** @param status As NvmeError has it, with DO NOT RETRY in bit 14. */
  give(memory: BusMaster, { result, head, queue, id, status }: Completion): void {
    const entry = new DataView(new ArrayBuffer(COMPLETION))
    entry.setUint32(0, result, true)
    entry.setUint16(8, head, true)
    entry.setUint16(10, queue, true)
    entry.setUint16(12, id, true)
    entry.setUint16(14, (status << 1) | this.phase, true)
    memory.write(this.address + COMPLETION * this.tail, new Uint8Array(entry.buffer))
    this.tail = (this.tail + 1) % this.size
    if (this.tail === 0) this.phase ^= 1
  }
}

export interface Completion {
  result: number
  /** Of the submission queue, and which it was. */
  head: number
  queue: number
  id: number
  status: number
}

/** Where `length` bytes of the command's data are: its two PRP entries, and the list that the second may lead to. */
export function dataPages(memory: BusMaster, command: DataView, length: number): Segment[] {
  const first = addressAt(command, 24)
  const pages: Segment[] = [{ address: first, length: Math.min(length, PAGE - (first % PAGE)) }]
  let left = length - pages[0].length
  if (left === 0) return pages
  const second = addressAt(command, 32)
  if (left <= PAGE) return [...pages, aligned(second, left)]
  let entry = second
  if (entry % 8 !== 0) throw new NvmeError(INVALID_PRP_OFFSET)
  while (left > 0) {
    let page = readAddress(memory, entry)
    // The last place of a list's page leads to its next page, where there is more to come.
    if (entry % PAGE === PAGE - 8 && left > PAGE) {
      entry = aligned(page, 0).address
      page = readAddress(memory, entry)
    }
    pages.push(aligned(page, Math.min(left, PAGE)))
    left -= PAGE
    entry += 8
  }
  return pages
}

function aligned(address: number, length: number): Segment {
  if (address % PAGE !== 0) throw new NvmeError(INVALID_PRP_OFFSET)
  return { address, length }
}

function readAddress(memory: BusMaster, at: number): number {
  const bytes = new Uint8Array(8)
  memory.read(at, bytes)
  return addressAt(new DataView(bytes.buffer), 0)
}

/** @throws NvmeError beyond what a number holds. */
export function addressAt(view: DataView, at: number): number {
  const address = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
  if (!Number.isSafeInteger(address + 2 ** 32)) throw new NvmeError(INVALID_FIELD)
  return address
}
