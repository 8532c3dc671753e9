/**
 * What a person types and does with the mouse while the machine runs: handed on in order, at most one event a slice and
 * only when the guest has fetched the one before, so that fast hands and pasted text lose nothing.
 */
import type { KeyEvent, MouseEvent } from '../../machine/devices/input/events.js'
import type { Machine } from '../../machine/machine.js'

/** What drivers take for one packet. */
const MAX_MOVE = 100
/** A person who leans on a key while the guest hangs. */
const MAX_QUEUE = 10_000

export class LiveInput {
  private readonly keys: KeyEvent[] = []
  private readonly moves: MouseEvent[] = []

  key(event: KeyEvent): void {
    if (this.keys.length < MAX_QUEUE) this.keys.push(event)
  }

  /** Movements with the same buttons become one. */
  mouse(event: MouseEvent): void {
    const last = this.moves.at(-1)
    if (last && last.buttons === event.buttons && last.dz === 0 && event.dz === 0) {
      last.dx += event.dx
      last.dy += event.dy
    } else if (this.moves.length < MAX_QUEUE) this.moves.push({ ...event })
  }

  /** Between two slices. */
  feed(machine: Machine): void {
    if (this.keys.length > 0 && machine.keyboardPending() === 0) machine.key(this.keys.shift() as KeyEvent)
    const move = this.moves[0]
    if (!move || machine.mousePending() > 0) return
    const dx = clamp(move.dx)
    const dy = clamp(move.dy)
    machine.mouse({ ...move, dx, dy })
    move.dx -= dx
    move.dy -= dy
    move.dz = 0
    if (move.dx === 0 && move.dy === 0) this.moves.shift()
  }
}

function clamp(counts: number): number {
  return Math.max(-MAX_MOVE, Math.min(MAX_MOVE, counts))
}
