/** A seeded source of random numbers: the same seed gives the same sequence on every host. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0 || 1
  }

  /** 32 random bits (xorshift with a final mix). */
  u32(): number {
    let x = this.state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.state = x >>> 0
    return Math.imul(x, 0x9e3779b1) >>> 0
  }

  below(n: number): number {
    return this.u32() % n
  }

  chance(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }
}
