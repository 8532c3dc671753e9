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
/** Serial bytes that wait in the machine itself: more than a guest takes in a slice. */
const SERIAL_AHEAD = 16 << 10

export class LiveInput {
  private readonly keys: KeyEvent[] = []
  private readonly moves: MouseEvent[] = []
  private readonly serial: { port: number; bytes: Uint8Array }[] = []

  /** @param serialTaken Told how many of the serial bytes have gone to the machine. */
  constructor(private readonly serialTaken: (bytes: number) => void = () => {}) {}

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

  /** Whoever sends them keeps to what was taken: they wait here without bound. */
  serialInput(port: number, bytes: Uint8Array): void {
    this.serial.push({ port, bytes })
  }

  /** Between two slices. */
  feed(machine: Machine): void {
    this.feedSerial(machine)
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

  private feedSerial(machine: Machine): void {
    for (let next = this.serial[0]; next; next = this.serial[0]) {
      const room = SERIAL_AHEAD - machine.serialPending(next.port)
      if (room <= 0) return
      const bytes = next.bytes.subarray(0, room)
      machine.serialInput(next.port, bytes)
      this.serialTaken(bytes.length)
      next.bytes = next.bytes.subarray(bytes.length)
      if (next.bytes.length === 0) this.serial.shift()
    }
  }
}

function clamp(counts: number): number {
  return Math.max(-MAX_MOVE, Math.min(MAX_MOVE, counts))
}
