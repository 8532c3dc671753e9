/**
 * What a person types and does with the mouse while the machine runs: handed on in order, at most one event a slice and
 * only when the guest has fetched the one before and its BIOS has room for a key, so that fast hands and pasted text lose
 * nothing.
 */
import type { KeyEvent, MouseEvent } from '../../machine/devices/input/events.js'
import type { InputEvent } from '../../machine/input.js'
import type { Machine } from '../../machine/machine.js'
import { BiosRoom } from './bios-room.js'

/** What drivers take for one packet. */
const MAX_MOVE = 100
/** A person who leans on a key while the guest hangs. */
const MAX_QUEUE = 10_000
/** Guest ns for which a key waits while a program takes none: a person who gets no answer gives up sooner than a script. */
const BIOS_PATIENCE = 5e9
/** No BIOS keeps these: the way to Ctrl+Alt+Del is open while keys wait. */
const MODIFIER = /^(Control|Alt|Shift|Meta)(Left|Right)$/
/** Serial bytes that wait in the machine itself: more than a guest takes in a slice. */
const SERIAL_AHEAD = 16 << 10

export class LiveInput {
  private readonly keys: KeyEvent[] = []
  private readonly moves: MouseEvent[] = []
  private readonly buttons: InputEvent[] = []
  private readonly biosRoom = new BiosRoom(BIOS_PATIENCE)
  private readonly serial: { port: number; bytes: Uint8Array }[] = []

  /** @param serialTaken Told how many of the serial bytes have gone to the machine. */
  constructor(private readonly serialTaken: (bytes: number) => void = () => {}) {}

  /** Serial bytes wait without bound: whoever sends them keeps to what was taken. */
  add(event: InputEvent): void {
    switch (event.kind) {
      case 'key':
        if (this.keys.length < MAX_QUEUE) this.keys.push(event)
        break
      case 'mouse':
        this.move(event)
        break
      case 'serial':
        this.serial.push({ ...event })
        break
      default:
        this.buttons.push(event)
    }
  }

  /** Movements with the same buttons become one. */
  private move(event: MouseEvent): void {
    const last = this.moves.at(-1)
    if (last && last.buttons === event.buttons && last.dz === 0 && event.dz === 0) {
      last.dx += event.dx
      last.dy += event.dy
    } else if (this.moves.length < MAX_QUEUE) this.moves.push({ ...event })
  }

  /** Between two slices. */
  feed(machine: Machine): void {
    this.feedSerial(machine)
    for (const button of this.buttons.splice(0)) machine.input(button)
    this.feedKey(machine)
    const move = this.moves[0]
    if (!move || machine.pending('mouse') > 0) return
    const dx = clamp(move.dx)
    const dy = clamp(move.dy)
    machine.input({ ...move, kind: 'mouse', dx, dy })
    move.dx -= dx
    move.dy -= dy
    move.dz = 0
    if (move.dx === 0 && move.dy === 0) this.moves.shift()
  }

  private feedKey(machine: Machine): void {
    const next = this.keys[0]
    if (!next || machine.pending('keyboard') > 0) return
    if (next.down && !MODIFIER.test(next.code) && !this.biosRoom.isThere(machine)) return
    machine.input({ kind: 'key', ...next })
    this.keys.shift()
  }

  private feedSerial(machine: Machine): void {
    for (let next = this.serial[0]; next; next = this.serial[0]) {
      const room = SERIAL_AHEAD - machine.pending(`COM${next.port + 1}`)
      if (room <= 0) return
      const bytes = next.bytes.subarray(0, room)
      machine.input({ kind: 'serial', port: next.port, bytes })
      this.serialTaken(bytes.length)
      next.bytes = next.bytes.subarray(bytes.length)
      if (next.bytes.length === 0) this.serial.shift()
    }
  }
}

function clamp(counts: number): number {
  return Math.max(-MAX_MOVE, Math.min(MAX_MOVE, counts))
}
