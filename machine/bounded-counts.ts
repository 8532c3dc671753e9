/** Counts by number of what a guest touches: as many numbers as are of use to a person, whatever the guest does. */

/** A guest that sweeps all numbers must not fill the host's memory. */
const LIMIT = 1024

export class BoundedCounts {
  private readonly counts = new Map<number, number>()

  count(key: number): void {
    const before = this.counts.get(key)
    if (before !== undefined || this.counts.size < LIMIT) this.counts.set(key, (before ?? 0) + 1)
  }

  entries(): [key: number, count: number][] {
    return [...this.counts]
  }

  load(entries: readonly [key: number, count: number][]): void {
    this.counts.clear()
    for (const [key, count] of entries) this.counts.set(key, count)
  }
}
