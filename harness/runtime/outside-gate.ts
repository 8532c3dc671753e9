/** What leaves the machine's thread for the real world: whether the guest waits for something, and that it is not too much. */
import type { OutsideEvent } from '../../machine/network/outside.js'

/** Datagrams that nobody has looked at yet. */
const MOST_DATAGRAMS = 1000
/** Of the host's: for so long a datagram's answer is expected, ms. */
const ANSWER_MS = 3000

export class OutsideGate {
  private readonly streams = new Set<number>()
  private datagrams = 0
  private until = 0

  /** false: it is dropped, as a network that has too much drops it. */
  passes(event: OutsideEvent): boolean {
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
