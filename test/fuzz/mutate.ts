/** Mutations of plain data and of bytes, for fuzzers of files. */
import type { Random } from '../random.js'

const NUMBERS = [0, -1, 1, 255, 256, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 52, 1e300, -1e300, 0.5, -0.5]
const STRINGS = ['', 'x', '../../etc/passwd', '/dev/zero', '\0', '__proto__', '-1', '\u202e\x1b[2J', 'a'.repeat(70_000)]
/** What no JSON holds, but a snapshot's state does. */
const STATE_ONLY = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1n, 1n << 70n, new Uint8Array(3)]

export interface MutateOptions {
  /** The data are a state, which holds more than JSON. */
  state?: boolean
}

/** A place in the data: what holds it, and its key. */
interface Place {
  holder: { [key: string]: unknown }
  key: string
}

/** A copy with one to three mutations, each somewhere in it. */
export function mutated<T>(data: T, random: Random, options: MutateOptions = {}): T {
  const root = { data: structuredClone(data) } as { [key: string]: unknown }
  for (let left = 1 + random.below(3); left > 0; left--) {
    const places = placesIn(root)
    if (places.length === 0) break
    // Holders by chance first: a list of a thousand numbers is not a thousand times as interesting.
    const holders = [...new Set(places.map(({ holder }) => holder))]
    const holder = random.pick(holders)
    mutate(random.pick(places.filter((place) => place.holder === holder)), random, options)
  }
  return root.data as T
}

function placesIn(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found
  const holder = value as { [key: string]: unknown }
  for (const key of Object.keys(holder)) {
    found.push({ holder, key })
    if (found.length < 20_000) placesIn(holder[key], found)
  }
  return found
}

function mutate({ holder, key }: Place, random: Random, options: MutateOptions): void {
  if (!random.chance(8)) holder[key] = instead(holder[key], random, options)
  else if (Array.isArray(holder)) holder.splice(Number(key), 1)
  else delete holder[key]
}

function instead(before: unknown, random: Random, { state }: MutateOptions): unknown {
  switch (random.below(7)) {
    case 0:
      return random.pick([null, true, false, [], {}, [[[]]], { length: 1e9 }])
    case 1:
      return random.pick(NUMBERS)
    case 2:
      return random.pick(STRINGS)
    case 3:
      return state ? random.pick(STATE_ONLY) : random.u32()
    case 4:
      if (!Array.isArray(before) || before.length === 0) return nearby(before, random)
      return Array.from(
        { length: random.pick([0, 1, before.length * 2, 1000]) },
        (_, i) => before[i % before.length] as unknown,
      )
    default:
      return nearby(before, random)
  }
}

/** Of the same type. */
function nearby(before: unknown, random: Random): unknown {
  if (typeof before === 'number') return before + random.pick([1, -1, 8, 4096, 2 ** 31, -(2 ** 31), 0.5])
  if (typeof before === 'string') return mutatedBytes(Buffer.from(before), random).toString()
  if (typeof before === 'boolean') return !before
  if (typeof before === 'bigint') return before ^ (1n << BigInt(random.below(64)))
  if (before instanceof Uint8Array) return Uint8Array.from(mutatedBytes(before, random))
  return random.pick(NUMBERS)
}

/** A copy with some bytes changed, cut out, put in, or the end cut off. */
export function mutatedBytes(bytes: Uint8Array, random: Random, most = 8): Buffer {
  let copy = Buffer.from(bytes)
  for (let left = 1 + random.below(most); left > 0 && copy.length > 0; left--) {
    const at = random.below(copy.length)
    switch (random.below(8)) {
      case 0:
        copy[at] ^= 1 << random.below(8)
        break
      case 1:
        copy[at] = random.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff])
        break
      case 2:
        if (at + 4 <= copy.length) copy.writeUInt32LE(random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff]), at)
        break
      case 3:
        if (at + 2 <= copy.length) copy.writeUInt16LE(random.pick([0, 1, 0x7fff, 0x8000, 0xffff]), at)
        break
      case 4:
        if (random.chance(4)) copy = copy.subarray(0, at)
        break
      case 5:
        copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + random.below(16))])
        break
      case 6:
        copy = Buffer.concat([
          copy.subarray(0, at),
          copy.subarray(random.below(copy.length)).subarray(0, 64),
          copy.subarray(at),
        ])
        break
      default:
        copy[at] = random.below(256)
    }
  }
  return copy
}
