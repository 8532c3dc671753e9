/**
 * Watches for guests that hang for good (`machine/stuck-guest.ts` knows when), or whose stack has grown out of all memory,
 * where no return leads back. It looks at whole half seconds of guest time,
 * so that the verdict comes at the same frame in every run.
 */
import type { Machine } from '../../../machine/machine.js'

/** Guest time between two looks, ns. */
const INTERVAL = 0.5e9
/** Looks in a row that found it so, after one when it had still worked: a device that writes to memory may end such a loop. */
const ENOUGH = 2
/** Frames in a row at which a stack was lost: a kernel may use its stack pointer for something else for a moment. */
const LOST_FRAMES = 3

export class HangWatch {
  private next = 0
  private asked = false
  private found = 0
  private why: string | undefined
  private lost = 0

  constructor(private readonly machine: Pick<Machine, 'now' | 'suspectStuck' | 'isStuck' | 'lostStack'>) {}

  /** At a frame. What the guest is stuck in, in words: nothing more is to be expected of it. */
  atFrame(): string | undefined {
    const lost = this.machine.lostStack?.()
    this.lost = lost === undefined ? 0 : this.lost + 1
    if (this.lost >= LOST_FRAMES) return lost
    const now = this.machine.now()
    if (this.asked) {
      this.why = this.machine.isStuck()
      this.found = this.why === undefined ? 0 : this.found + 1
      this.asked = false
    }
    if (now >= this.next || this.next > now + INTERVAL) {
      this.next = (Math.floor(now / INTERVAL) + 1) * INTERVAL
      this.machine.suspectStuck()
      this.asked = true
    }
    return this.found >= ENOUGH ? this.why : undefined
  }

  /** Something came from outside, or the machine is another one. */
  forget(): void {
    this.found = 0
    this.lost = 0
    this.asked = false
  }
}
