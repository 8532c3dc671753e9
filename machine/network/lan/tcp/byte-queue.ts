/** Bytes that come in at one end and leave at the other, with no more memory than they need. */
import type { Field } from '../../../device.js'
import { bytes } from '../../../state/fields.js'

const SMALLEST = 4096

/** The room of a queue that became empty, for the next one that needs such: what is in it is never read. */
let spare: Uint8Array | undefined

function roomOf(size: number): Uint8Array {
  if (spare?.length !== size) return new Uint8Array(size)
  const room = spare
  spare = undefined
  return room
}

export class ByteQueue {
  private bytes: Uint8Array = new Uint8Array(0)
  private start = 0
  length = 0

  append(more: Uint8Array): void {
    this.extend(more.length).set(more)
  }

  /** Makes it so much longer; the bytes are to be filled in. */
  extend(count: number): Uint8Array {
    const from = this.start + this.length
    if (from + count > this.bytes.length) this.makeRoom(count)
    this.length += count
    return this.view(this.length - count, count)
  }

  /** A part of it, which is valid until more is appended. */
  view(offset: number, length: number): Uint8Array {
    const at = this.start + offset
    return this.bytes.subarray(at, at + Math.max(0, Math.min(length, this.length - offset)))
  }

  drop(count: number): void {
    const dropped = Math.min(count, this.length)
    this.start += dropped
    this.length -= dropped
    if (this.length > 0) return
    this.start = 0
    if (this.bytes.length <= SMALLEST) return
    spare = this.bytes
    this.bytes = new Uint8Array(0)
  }

  private makeRoom(more: number): void {
    const needed = this.length + more
    const size = Math.max(SMALLEST, this.bytes.length)
    // Twice as much as it holds, so that not each one that is appended moves all.
    const wanted = needed * 2 > size ? Math.max(size, 2 ** Math.ceil(Math.log2(needed * 2))) : size
    const moved = wanted > this.bytes.length ? roomOf(wanted) : this.bytes
    moved.set(this.bytes.subarray(this.start, this.start + this.length))
    this.bytes = moved
    this.start = 0
  }
}

/** The field of a queue of at most so many bytes. */
export function byteQueue(most: number): Field {
  return {
    ...bytes(0, most),
    save: (present) => (present as ByteQueue).view(0, most).slice(),
    load(saved) {
      const queue = new ByteQueue()
      queue.append(saved as Uint8Array)
      return queue
    },
  }
}
