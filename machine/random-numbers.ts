/** Numbers that follow from a seed, the same every time: xoshiro128** (Blackman and Vigna, 2018). They are no secret. */
import type { Stateful, StateTable } from './device.js'
import { list, u32 } from './state/fields.js'

const STATE: StateTable = { numbers: list(u32, 4) }

export class RandomNumbers implements Stateful {
  readonly state = STATE
  private readonly numbers = new Uint32Array(4)

  constructor(seed: number) {
    // By a generator with a state of its own kind, as its authors advise: SplitMix32.
    for (let i = 0; i < 4; i++) {
      let z = (seed + Math.imul(i + 1, 0x9e3779b9)) >>> 0
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      this.numbers[i] = z ^ (z >>> 16)
    }
  }

  /** 32 bits. */
  next(): number {
    const s = this.numbers
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0
    const shifted = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = rotateLeft(s[3], 11)
    return result
  }

  /** From 0 to less than 1. */
  fraction(): number {
    return this.next() / 2 ** 32
  }
}

function rotateLeft(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}
