/**
 * Fragments of IPv4 (RFC 791, 815) and IPv6 (RFC 8200 4.5) until they are a whole. What overlaps makes all of it void
 * (RFC 5722); few are kept, and not for long.
 */
import type { Clock } from '../../clock.js'
import type { Stateful, StateTable } from '../../device.js'
import { bytes, flag, integer, list, record, text, time } from '../../state/fields.js'

const MOST_DATAGRAMS = 32
const LARGEST = 65535
/** RFC 8200; of IPv4 a choice. */
const LIFE = 60e9
/** More than a datagram of the smallest usual fragments has. */
const MOST_PIECES = 256

interface Partial {
  key: string
  began: number
  /** -1: the last piece has not come. */
  size: number
  pieces: { offset: number; data: Uint8Array }[]
  /** Something overlapped: the rest is waited for and thrown away. */
  isVoid: boolean
}

const PIECE = record({ offset: integer(0, LARGEST), data: bytes(0, LARGEST) })
const PARTIAL = record({
  ...{ key: text(128), began: time, size: integer(-1, LARGEST), isVoid: flag },
  pieces: list(PIECE, 0, MOST_PIECES),
})

export class Reassembly implements Stateful {
  readonly state: StateTable = { partials: list(PARTIAL, 0, MOST_DATAGRAMS) }
  private partials: Partial[] = []

  constructor(private readonly clock: Clock) {}

  /** @param key What its pieces have in common. Returns the payload when it is whole. */
  add(key: string, offset: number, isLast: boolean, data: Uint8Array): Uint8Array | undefined {
    const now = this.clock.now()
    const end = offset + data.length
    this.partials = this.partials.filter(({ began }) => now - began < LIFE)
    if (end > LARGEST || (!isLast && data.length % 8 !== 0) || data.length === 0) return undefined
    const partial = this.partials.find((one) => one.key === key) ?? this.begin(key, now)
    if (partial.isVoid) return undefined
    if (isLast && partial.size < 0) partial.size = end
    const overlaps = partial.pieces.some((other) => other.offset < end && offset < other.offset + other.data.length)
    const farthest = Math.max(end, ...partial.pieces.map((piece) => piece.offset + piece.data.length))
    const contradicts = (isLast && partial.size !== end) || (partial.size >= 0 && farthest > partial.size)
    if (overlaps || contradicts || partial.pieces.length >= MOST_PIECES) {
      partial.isVoid = true
      partial.pieces = []
      return undefined
    }
    partial.pieces.push({ offset, data: data.slice() })
    const held = partial.pieces.reduce((sum, piece) => sum + piece.data.length, 0)
    if (held !== partial.size) return undefined
    this.partials = this.partials.filter((one) => one !== partial)
    const whole = new Uint8Array(held)
    for (const piece of partial.pieces) whole.set(piece.data, piece.offset)
    return whole
  }

  private begin(key: string, now: number): Partial {
    if (this.partials.length >= MOST_DATAGRAMS) this.partials.shift()
    const partial: Partial = { key, began: now, size: -1, pieces: [], isVoid: false }
    this.partials.push(partial)
    return partial
  }
}
