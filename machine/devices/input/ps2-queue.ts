/**
 * The output queue of a PS/2 device: what the device has sent and the guest has not fetched yet.
 *
 * There are two queues: replies to a keyboard's command in progress, and the stream. As on QEMU's keyboard the replies
 * come out before waiting scan codes, and a new command drops what the guest did not fetch of the last one's replies.
 * A mouse answers in its stream, in order.
 */

import type { State } from '../../device.js'
import { bytes, checkFields, u8 } from '../../state/fields.js'

/** Bytes that the stream holds, as the buffer of a keyboard (IBM PS/2 Hardware Interface Technical Reference). */
export const STREAM_SIZE = 16
/** Room behind a full stream: for the marker of an overrun, or the replies of a mouse. */
const HEADROOM = 16
const STREAM_SLOTS = STREAM_SIZE + HEADROOM
/** The longest reply of a keyboard has 3 bytes. */
const REPLY_SLOTS = 4

export class Ps2Queue {
  private readonly stream = new Uint8Array(STREAM_SLOTS)
  private streamHead = 0
  private streamCount = 0
  private readonly replies = new Uint8Array(REPLY_SLOTS)
  private replyHead = 0
  private replyCount = 0
  /** The byte fetched last: a guest that reads an empty queue gets it again, which EMM386 relies on. */
  private last = 0

  /** Bytes that the guest has not fetched. */
  get length(): number {
    return this.replyCount + this.streamCount
  }

  /** Room left in the stream, in bytes. */
  get room(): number {
    return Math.max(0, STREAM_SIZE - this.streamCount)
  }

  clear(): void {
    this.streamCount = 0
    this.replyCount = 0
  }

  /** Drops what is left of the last command's replies. */
  beginReply(): void {
    this.replyHead = 0
    this.replyCount = 0
  }

  reply(byte: number): void {
    if (this.replyHead + this.replyCount < REPLY_SLOTS) this.replies[this.replyHead + this.replyCount++] = byte
  }

  /** Appends to the stream. Scan codes and packets look at `room` first; overrun marker and replies need not. */
  push(byte: number): void {
    if (this.streamCount === STREAM_SLOTS) return
    this.stream[(this.streamHead + this.streamCount++) % STREAM_SLOTS] = byte
  }

  /** The byte fetched last. */
  get lastByte(): number {
    return this.last
  }

  take(): number {
    if (this.replyCount > 0) {
      this.last = this.replies[this.replyHead++]
      this.replyCount--
    } else if (this.streamCount > 0) {
      this.last = this.stream[this.streamHead]
      this.streamHead = (this.streamHead + 1) % STREAM_SLOTS
      this.streamCount--
    }
    return this.last
  }

  save(): State {
    const stream = new Uint8Array(this.streamCount)
    for (let i = 0; i < stream.length; i++) stream[i] = this.stream[(this.streamHead + i) % STREAM_SLOTS]
    return {
      stream,
      replies: this.replies.slice(this.replyHead, this.replyHead + this.replyCount),
      last: this.last,
    }
  }

  load(state: State): void {
    checkFields(
      { stream: bytes(0, this.stream.length), replies: bytes(0, this.replies.length), last: u8 },
      state,
      'ps2',
    )
    const stream = state.stream as Uint8Array
    const replies = state.replies as Uint8Array
    this.stream.set(stream)
    this.streamHead = 0
    this.streamCount = stream.length
    this.replies.set(replies)
    this.replyHead = 0
    this.replyCount = replies.length
    this.last = state.last as number
  }
}

/** What an 8042 asks of the device on one of its two ports. */
export interface Ps2Device {
  /** Set by the controller; called when bytes have come into the queue. */
  onData: (() => void) | undefined
  /** Bytes that the guest has not fetched yet. */
  pending(): number
  /** The next byte, or the last one again when there is none. */
  read(): number
  /** A byte from the host. */
  write(byte: number): void
  reset(): void
  save(): State
  load(state: State): void
}
