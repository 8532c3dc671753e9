/**
 * Whether the buffer in which a BIOS keeps keys for a program has room for one more. A program may well see to its keys
 * itself and leave those in the buffer for ever: after some patience it is taken to be one that does.
 */
import type { Machine } from '../../machine/machine.js'

/** Places that a key wants to be free: its own, and one for a key whose interrupt is not through. */
const ROOM = 2

export class BiosRoom {
  /** Nobody has taken keys out of the full buffer for long: it is not waited for until somebody does. */
  leavesKeys = false
  /** Guest time since which a key waits. */
  private since: number | undefined

  /** @param patience ns of guest time. */
  constructor(private readonly patience: number) {}

  isThere(machine: Machine): boolean {
    const isFull = (machine.biosKeys()?.room ?? ROOM) < ROOM
    if (!isFull) this.leavesKeys = false
    else if (!this.leavesKeys) {
      this.since ??= machine.now()
      if (machine.now() - this.since < this.patience) return false
      this.leavesKeys = true
    }
    this.since = undefined
    return true
  }
}
