/** Segments that came before those in front of them, as far as the window goes, without what is there twice. */
import type { Stateful, StateTable } from '../../../device.js'
import { bytes, list, record, u32 } from '../../../state/fields.js'
import { after } from './tcp-segment.js'

const MOST_PIECES = 64
/** What fits a segment beside nothing else (RFC 2018). */
const MOST_SACKED = 3

interface Piece {
  sequence: number
  data: Uint8Array
}

export class OutOfOrder implements Stateful {
  readonly state: StateTable = { pieces: list(record({ sequence: u32, data: bytes(1, 65535) }), 0, MOST_PIECES) }
  /** In the order of their numbers; none touches another. */
  private pieces: Piece[] = []

  /** What does not fit is dropped: it comes again. */
  add(sequence: number, data: Uint8Array): void {
    let fresh: Piece = { sequence, data: data.slice() }
    const others: Piece[] = []
    for (const piece of this.pieces) {
      if (after(piece.sequence, end(fresh)) > 0 || after(fresh.sequence, end(piece)) > 0) others.push(piece)
      else fresh = joined(piece, fresh)
    }
    if (others.length >= MOST_PIECES) return
    this.pieces = [...others, fresh].sort((a, b) => after(a.sequence, b.sequence))
  }

  /** What goes on at `next`, if something does; what is before that is forgotten. */
  take(next: number): Uint8Array | undefined {
    while (this.pieces.length > 0 && after(this.pieces[0].sequence, next) <= 0) {
      const piece = this.pieces.shift() as Piece
      const known = after(next, piece.sequence)
      if (known < piece.data.length) return piece.data.subarray(known)
    }
    return undefined
  }

  get sacked(): [number, number][] {
    return this.pieces.slice(0, MOST_SACKED).map((piece) => [piece.sequence, end(piece)])
  }
}

const end = ({ sequence, data }: Piece) => (sequence + data.length) >>> 0

function joined(a: Piece, b: Piece): Piece {
  const first = after(a.sequence, b.sequence) <= 0 ? a.sequence : b.sequence
  const last = after(end(a), end(b)) >= 0 ? end(a) : end(b)
  const data = new Uint8Array(after(last, first))
  data.set(a.data, after(a.sequence, first))
  data.set(b.data, after(b.sequence, first))
  return { sequence: first, data }
}
