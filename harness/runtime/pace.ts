/** Keeps a machine that someone looks at, or that speaks with the real world, from running faster than the host's clock. */

/** A guest that is so far behind is not hurried on to make up for it, ms. */
const BEHIND = 100

export class Pace {
  private readonly cell = new Int32Array(new SharedArrayBuffer(4))
  /** Host time minus guest time at which both are level, ms. */
  private offset: number | undefined

  /** Blocks this thread until the host's clock is where the guest's is. */
  keep(guestTimeNs: number): void {
    const guest = guestTimeNs / 1e6
    const behind = performance.now() - guest - (this.offset ?? Number.POSITIVE_INFINITY)
    // At first, after a pause, and where time went back by a restore.
    if (!(Math.abs(behind) < BEHIND)) this.offset = performance.now() - guest
    else if (behind < 0) Atomics.wait(this.cell, 0, 0, -behind)
  }
}
