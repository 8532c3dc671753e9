/**
 * The output queue of a PS/2 device: what the device has sent and the guest has not fetched yet.
 *
 * There are two queues: replies to a keyboard's command in progress, and the stream. As on QEMU's keyboard the replies
 * come out before waiting scan codes, and a new command drops what the guest did not fetch of the last one's replies.
 * A mouse answers in its stream, in order.
 */

import type { Stateful, StateTable } from '../../device.js'
import { bytes, u8 } from '../../state/fields.js'

/** Bytes that the stream holds, as the buffer of a keyboard (IBM PS/2 Hardware Interface Technical Reference). */
export const STREAM_SIZE = 16
/** Room behind a full stream: for the marker of an overrun, or the replies of a mouse. */
const HEADROOM = 16
const STREAM_SLOTS = STREAM_SIZE + HEADROOM
/** The longest reply of a keyboard has 3 bytes. */
const REPLY_SLOTS = 4

const STATE: StateTable = { streamed: bytes(0, STREAM_SLOTS), replied: bytes(0, REPLY_SLOTS), last: u8 }

export class Ps2Queue {
  readonly state = STATE
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

  /** What waits in the stream, for the state. */
  get streamed(): Uint8Array {
    return Uint8Array.from({ length: this.streamCount }, (_, i) => this.stream[(this.streamHead + i) % STREAM_SLOTS])
  }

  set streamed(bytes: Uint8Array) {
    this.stream.set(bytes)
    this.streamHead = 0
    this.streamCount = bytes.length
  }

  /** The replies that wait, for the state. */
  get replied(): Uint8Array {
    return this.replies.subarray(this.replyHead, this.replyHead + this.replyCount)
  }

  set replied(bytes: Uint8Array) {
    this.replies.set(bytes)
    this.replyHead = 0
    this.replyCount = bytes.length
  }
}

/** What an 8042 asks of the device on one of its two ports. */
export interface Ps2Device extends Stateful {
  /** Set by the controller; called when bytes have come into the queue. */
  onData: (() => void) | undefined
  /** Bytes that the guest has not fetched yet. */
  pending(): number
  /** The next byte, or the last one again when there is none. */
  read(): number
  /** A byte from the host. */
  write(byte: number): void
  reset(): void
}
