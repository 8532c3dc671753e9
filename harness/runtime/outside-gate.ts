/**
 * What leaves the machine's thread for the test and the real world: whether the guest waits for something, that it is not
 * too much, and that a test hears at once what the guest said at once.
 */
import type { OutsideEvent } from '../../machine/network/outside.js'

/** Datagrams that nobody has looked at yet. */
const MOST_DATAGRAMS = 1000
/** Of the host's: for so long a datagram's answer is expected, ms. */
const ANSWER_MS = 3000
/** Bytes of one piece that a test has not heard of: less than the window, so that the guest need not wait. */
const MOST_HELD = 32 << 10

type Piece = Extract<OutsideEvent, { kind: 'data' }>

export class OutsideGate {
  private readonly streams = new Set<number>()
  private datagrams = 0
  private until = 0
  /** What the guest has begun to say to a test. */
  private pieces: Piece[] = []
  private held = 0

  /**
   * What is told now. For each piece that a test hears of, the machine stands still until it was dealt with: so what the
   * guest says at once comes in one, as a TCP that minds PSH would give it.
   */
  pass(event: OutsideEvent): OutsideEvent[] {
    if (event.kind === 'data' && event.isMore && !this.streams.has(event.stream)) {
      if (this.pieces.some(({ stream }) => stream !== event.stream)) return [...this.release(), ...this.pass(event)]
      this.pieces.push(event)
      this.held += event.bytes.length
      return this.held < MOST_HELD ? [] : this.release()
    }
    const [first] = this.pieces
    if (event.kind === 'data' && event.stream === first?.stream) {
      this.pieces.push(event)
      return this.release()
    }
    return [...this.release(), ...(this.passes(event) ? [event] : [])]
  }

  /** The machine stands still: whoever waits hears what there is. */
  release(): Piece[] {
    const { pieces } = this
    if (pieces.length === 0) return []
    this.pieces = []
    this.held = 0
    const bytes = Buffer.concat(pieces.map((piece) => piece.bytes))
    return [{ kind: 'data', stream: pieces[0].stream, bytes: Uint8Array.from(bytes) }]
  }

  /** false: it is dropped, as a network that has too much drops it. */
  private passes(event: OutsideEvent): boolean {
    switch (event.kind) {
      case 'asked':
        this.streams.add(event.stream)
        return true
      case 'closed':
        this.streams.delete(event.stream)
        return true
      case 'udp-out':
      case 'echo-out':
        this.until = performance.now() + ANSWER_MS
        if (this.datagrams >= MOST_DATAGRAMS) return false
        this.datagrams++
        return true
      default:
        return true
    }
  }

  /** Somebody of the real world comes to the guest. */
  dialled(stream: number): void {
    this.streams.add(stream)
  }

  /** A datagram comes to the guest. */
  comes(): void {
    this.until = performance.now() + ANSWER_MS
  }

  /** So many datagrams less are under way. */
  seen(count: number): void {
    this.datagrams = Math.max(0, this.datagrams - count)
  }

  get isBusy(): boolean {
    return this.streams.size > 0 || performance.now() < this.until
  }
}
