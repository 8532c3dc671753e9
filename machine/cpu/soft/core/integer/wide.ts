/** 128-bit integer pieces that WebAssembly lacks. A second result is left in a global: AssemblyScript has no tuples. */

/** High 64 bits of the last `mulWide`. */
export let wideHigh: u64 = 0
/** Remainder of the last `divWide`. */
export let wideRemainder: u64 = 0

/** Low 64 bits of a * b; the high ones are left in `wideHigh`. */
export function mulWide(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff
  const a1 = a >> 32
  const b0 = b & 0xffffffff
  const b1 = b >> 32
  const p00 = a0 * b0
  const p01 = a0 * b1
  const p10 = a1 * b0
  const middle = (p00 >> 32) + (p01 & 0xffffffff) + (p10 & 0xffffffff)
  wideHigh = a1 * b1 + (p01 >> 32) + (p10 >> 32) + (middle >> 32)
  return (middle << 32) | (p00 & 0xffffffff)
}

/**
 * (high:low) / d, for high < d and d with its top bit set; the remainder is left in `wideRemainder` (Knuth, algorithm D).
 */
export function divWide(high: u64, low: u64, d: u64): u64 {
  const d1 = d >> 32
  const d0 = d & 0xffffffff
  const low1 = low >> 32
  const low0 = low & 0xffffffff
  let q1 = high / d1
  let rest = high - q1 * d1
  while (q1 >> 32 || q1 * d0 > ((rest << 32) | low1)) {
    q1--
    rest += d1
    if (rest >> 32) break
  }
  const partial = (high << 32) + low1 - q1 * d
  let q0 = partial / d1
  rest = partial - q0 * d1
  while (q0 >> 32 || q0 * d0 > ((rest << 32) | low0)) {
    q0--
    rest += d1
    if (rest >> 32) break
  }
  wideRemainder = (partial << 32) + low0 - q0 * d
  return (q1 << 32) + q0
}

/** Shifts right, or-ing what falls out into bit 0, so that rounding still sees it. */
@inline export function shiftRightJam(value: u64, count: u32): u64 {
  if (count == 0) return value
  if (count > 63) return value ? 1 : 0
  return (value >> count) | u64((value << (64 - count)) != 0)
}
