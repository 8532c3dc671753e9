/** Telling few numbers apart by one multiplication. */

/** Where there are more of them, the jump cache is as good. */
const MOST_LIKELY = 64

/**
 * A factor by which page offsets are told apart: the upper `bits` bits of each product are another place.
 * Undefined where none is found.
 */
export function perfectHash(
  offsets: readonly number[],
): { factor: number; bits: number; places: number[] } | undefined {
  if (offsets.length > MOST_LIKELY) return undefined
  for (let bits = Math.ceil(Math.log2(offsets.length)) + 1; bits <= 9; bits++) {
    for (let attempt = 1, factor = 0x9e3779b1; attempt <= 200; attempt++, factor = Math.imul(factor, 0x85ebca6b) | 1) {
      const places = offsets.map((offset) => Math.imul(offset, factor) >>> (32 - bits))
      if (new Set(places).size === places.length) return { factor, bits, places }
    }
  }
  return undefined
}
