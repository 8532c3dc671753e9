/**
 * Threads that wait with a machine of one kind made and powered on, so that a fork is a matter of loading a state. Some
 * are kept as long as someone has a snapshot that wants such a machine.
 */

/** So many of each kind. */
const SPARES = 2

interface Kind<T> {
  /** Snapshots that want it. */
  wanted: number
  ready: Promise<T>[]
  make: () => Promise<T>
}

export class Spares<T> {
  private readonly kinds = new Map<string, Kind<T>>()

  /** @param end Ends one that is no longer wanted. */
  constructor(private readonly end: (spare: T) => void) {}

  /** From now on there are spares of this kind; to be called in pairs with `release`. */
  retain(key: string, make: () => Promise<T>): void {
    const kind = this.kinds.get(key) ?? { wanted: 0, ready: [], make }
    kind.wanted++
    this.kinds.set(key, kind)
    this.fill(key)
  }

  release(key: string): void {
    const kind = this.kinds.get(key)
    if (!kind || --kind.wanted > 0) return
    this.kinds.delete(key)
    for (const spare of kind.ready) spare.then(this.end, () => {})
  }

  /** Resolves when all are there: making one keeps a processor busy, also while the other is used. Rejects when one cannot be made. */
  async ready(key: string): Promise<void> {
    const kind = this.kinds.get(key)
    // Each begins when the one before is there.
    for (let i = 0; kind && i < SPARES; i++) await Promise.all(kind.ready)
  }

  /** A spare where there is one, else one that is made now. */
  async take(key: string, make: () => Promise<T>): Promise<T> {
    const spare = this.kinds.get(key)?.ready.shift()
    try {
      return spare ? await spare : await make()
    } finally {
      // Later, so that what was asked for has the processor first.
      setTimeout(() => this.fill(key), 0).unref()
    }
  }

  /** One after the other: making one keeps a processor busy. */
  private fill(key: string): void {
    const kind = this.kinds.get(key)
    if (!kind || kind.ready.length >= SPARES) return
    const spare = kind.make()
    kind.ready.push(spare)
    spare.then(
      () => this.fill(key),
      () => {
        kind.ready = kind.ready.filter((other) => other !== spare)
      },
    )
  }
}
