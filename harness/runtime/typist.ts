/**
 * Types and moves the mouse at the pace of the guest: each event waits until the guest has fetched the one before, so
 * no key is lost to a full buffer, be it the keyboard's or the one in which a BIOS keeps keys for a program; and a guest
 * that handles keys later than it fetches them gets a little time as well.
 */
import type { State } from '../../machine/device.js'
import type { Machine } from '../../machine/machine.js'
import type { MouseButton } from '../keys/boot-command.js'
import { BiosRoom } from './bios-room.js'

// Guest time in ns. 50 ms a key is half of what Packer takes; an idle guest spends none of it executing.
const HOLD = 20e6
const AFTER_RELEASE = 30e6
// Enough for a program that was seen to take the key from the BIOS: one that spins while it waits executes all that time.
const HOLD_WHEN_TAKEN = 5e6
const AFTER_RELEASE_WHEN_TAKEN = 10e6
/** Between a modifier and its key. */
const MODIFIER = 5e6
/** How often it is looked whether the guest has fetched. */
const LOOK = 1e6
/**
 * As long as a program may be busy before it is taken to be one that leaves the BIOS's keys alone: FreeDOS on a KVM that
 * emulates real mode takes more than 5 s to find a file on a floppy.
 */
const BIOS_PATIENCE = 30e9
const MOUSE_STEP = 10e6
const CLICK = 60e6

/** Counts of movement in one event: no larger than what drivers take for one packet. */
const MAX_MOVE = 100
/** Enough to bring the pointer to the upper left corner of any screen. */
const HOME = 4000

const BUTTONS: { readonly [button in MouseButton]: number } = { left: 1, right: 2, middle: 4 }

export class Typist {
  private buttons = 0
  /** Events with movement so far. */
  private movements = 0
  private readonly biosRoom = new BiosRoom(BIOS_PATIENCE)

  /** @param advance Runs the machine for some ns of guest time. */
  constructor(
    private readonly machine: Machine,
    private readonly advance: (ns: number) => void,
  ) {}

  /** The mouse buttons that are held, and how the guest sees to its keys. */
  save(): State {
    return { buttons: this.buttons, leavesKeys: this.biosRoom.leavesKeys }
  }

  load(state: State): void {
    this.buttons = state.buttons as number
    this.biosRoom.leavesKeys = (state.leavesKeys as boolean | undefined) ?? false
  }

  /** A mouse button is down. */
  get isHolding(): boolean {
    return this.buttons !== 0
  }

  /** Changes whenever the mouse is moved. */
  get moved(): number {
    return this.movements
  }

  /** Presses in order, releases in reverse. */
  tap(codes: readonly string[]): void {
    const last = codes.length - 1
    let isTaken = false
    codes.forEach((code, i) => {
      if (i < last) this.key(code, true, MODIFIER)
      else isTaken = this.hold(code)
    })
    const ns = isTaken ? AFTER_RELEASE_WHEN_TAKEN : AFTER_RELEASE
    for (let i = last; i >= 0; i--) this.key(codes[i], false, i > 0 ? MODIFIER : ns)
  }

  /** One change of a key; returns when the guest has fetched it, and after `ns` at least. */
  key(code: string, down: boolean, ns = down ? HOLD : AFTER_RELEASE): void {
    this.drainKeyboard()
    if (down) while (!this.biosRoom.isThere(this.machine)) this.advance(LOOK)
    this.machine.input({ kind: 'key', code, down })
    this.advance(ns)
    this.drainKeyboard()
  }

  /** A key goes down and stays so for HOLD, or until a program has taken it from the BIOS, which it tells. */
  private hold(code: string): boolean {
    const { machine } = this
    const head = machine.biosKeys()?.head
    if (head === undefined) {
      this.key(code, true)
      return false
    }
    this.key(code, true, HOLD_WHEN_TAKEN)
    const until = machine.now() + HOLD - HOLD_WHEN_TAKEN
    for (;;) {
      const keys = machine.biosKeys()
      if (keys?.waiting === 0 && keys.head !== head) return true
      if (machine.now() >= until) return false
      this.advance(LOOK)
    }
  }

  /** @param counts At most so many in one event. */
  move(dx: number, dy: number, counts = MAX_MOVE): void {
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)) / counts))
    let [x, y] = [0, 0]
    for (let i = 1; i <= steps; i++) {
      const [nextX, nextY] = [Math.round((dx * i) / steps), Math.round((dy * i) / steps)]
      this.mouse(nextX - x, nextY - y, MOUSE_STEP)
      ;[x, y] = [nextX, nextY]
    }
  }

  /** @param count 2 is a double click. */
  click(button: MouseButton, count = 1): void {
    for (let i = 0; i < count; i++) {
      this.button(button, true)
      this.button(button, false)
    }
  }

  /** A button goes down or up and stays so. */
  button(button: MouseButton, down: boolean): void {
    if (down) this.buttons |= BUTTONS[button]
    else this.buttons &= ~BUTTONS[button]
    this.mouse(0, 0, CLICK)
  }

  /** @param notches Positive: towards the user, as a page scrolls down. */
  wheel(notches: number): void {
    for (let i = 0; i < Math.abs(notches); i++) this.mouse(0, 0, MOUSE_STEP, Math.sign(notches))
  }

  /** Moves to a pixel by way of the upper left corner; right for guests that take one count for one pixel. */
  moveTo(x: number, y: number): void {
    this.move(-HOME, -HOME)
    this.move(x, y)
  }

  private mouse(dx: number, dy: number, ns: number, dz = 0): void {
    if (dx !== 0 || dy !== 0) this.movements++
    this.machine.input({ kind: 'mouse', dx, dy, dz, buttons: this.buttons })
    this.advance(ns)
    while (this.machine.pending('mouse') > 0) this.advance(LOOK)
  }

  private drainKeyboard(): void {
    while (this.machine.pending('keyboard') > 0) this.advance(LOOK)
  }
}
