/**
 * The middle of each float operation, between unpacking and rounding: normalised 64-bit significands in, a normalised
 * significand with 64 bits below it out. The x87 (float80-arithmetic.ts) and SSE (float-sse.ts) round it to their
 * formats.
 */
import { BIAS, EXP_MAX, INTEGER_BIT, ROUND_DOWN, rounding } from '../x87/float80'
import { divWide, mulWide, shiftRightJam, wideHigh, wideRemainder } from '../integer/wide'

// ---- unpacking ----

/** Significand with its top bit set, or 0. */
@inline export function normalSig(sig: u64): u64 {
  return sig ? sig << clz(sig) : 0
}

/** Biased exponent that belongs to `normalSig`; denormals go below 1. */
@inline export function normalExp(sig: u64, se: u32): i32 {
  const e = <i32>(se & EXP_MAX)
  return e ? e : 1 - <i32>clz(sig)
}

// ---- the middle of each operation: normalised operands in, z out ----
export let zSign: u32 = 0
export let zExp: i32 = 0
export let zSig: u64 = 0
export let zLow: u64 = 0

/** Sum of two finite numbers; `sig` 0 is a zero. */
export function addCore(aSign: u32, aExp: i32, aSig: u64, bSign: u32, bExp: i32, bSig: u64): void {
  zLow = 0
  if (aSig == 0 || bSig == 0) {
    if (aSig) {
      zSign = aSign
      zExp = aExp
      zSig = aSig
    } else {
      zSign = bSig || aSign == bSign ? bSign : u32(rounding == ROUND_DOWN)
      zExp = bExp
      zSig = bSig
    }
    return
  }
  if (aExp < bExp || (aExp == bExp && aSig < bSig)) {
    const e = aExp
    aExp = bExp
    bExp = e
    const s = aSig
    aSig = bSig
    bSig = s
    const g = aSign
    aSign = bSign
    bSign = g
  }
  const distance = <u32>(aExp - bExp)
  let high: u64 = 0
  let low: u64
  if (distance < 64) {
    high = bSig >> distance
    low = distance ? bSig << (64 - distance) : 0
  } else low = shiftRightJam(bSig, distance - 64)
  zSign = aSign
  zExp = aExp
  if (aSign == bSign) {
    const sum = aSig + high
    if (sum < aSig) {
      zLow = (low >> 1) | (low & 1) | (sum << 63)
      zSig = (sum >> 1) | INTEGER_BIT
      zExp++
    } else {
      zSig = sum
      zLow = low
    }
    return
  }
  zLow = 0 - low
  zSig = aSig - high - u64(low != 0)
  if (zSig == 0) {
    if (zLow == 0) {
      zSign = u32(rounding == ROUND_DOWN)
      return
    }
    zSig = zLow
    zLow = 0
    zExp -= 64
  }
  const places = clz(zSig)
  if (places) {
    zSig = (zSig << places) | (zLow >> (64 - places))
    zLow <<= places
    zExp -= <i32>places
  }
}

/** Product of two finite numbers. */
export function mulCore(aSign: u32, aExp: i32, aSig: u64, bSign: u32, bExp: i32, bSig: u64): void {
  zSign = aSign ^ bSign
  zLow = mulWide(aSig, bSig)
  zSig = wideHigh
  zExp = aExp + bExp - BIAS + 1
  if (zSig && !(zSig >> 63)) {
    zSig = (zSig << 1) | (zLow >> 63)
    zLow <<= 1
    zExp--
  }
}

/** a * b + c of finite numbers, exactly as far as rounding can see; a zero product or c is a significand of 0. */
export function mulAddCore(
  aSign: u32, aExp: i32, aSig: u64, bSign: u32, bExp: i32, bSig: u64, cSign: u32, cExp: i32, cSig: u64,
): void {
  mulCore(aSign, aExp, aSig, bSign, bExp, bSig)
  if (zSig == 0 || cSig == 0) {
    // A sum with a zero; that of two zeros has its own sign.
    if (zSig == 0) addCore(zSign, 0, 0, cSign, cExp, cSig)
    return
  }
  let xSign = zSign
  let xExp = zExp
  let x = zSig
  let xLow = zLow
  let ySign = cSign
  let yExp = cExp
  let y = cSig
  let yLow: u64 = 0
  if (xExp < yExp || (xExp == yExp && x < y)) {
    xSign = cSign
    xExp = cExp
    x = cSig
    xLow = 0
    ySign = zSign
    yExp = zExp
    y = zSig
    yLow = zLow
  }
  const distance = <u32>(xExp - yExp)
  if (distance > 63) {
    yLow = shiftRightJam(y, distance - 64) | u64(yLow != 0)
    y = 0
  } else if (distance) {
    yLow = (yLow >> distance) | (y << (64 - distance)) | u64((yLow << (64 - distance)) != 0)
    y >>= distance
  }
  zSign = xSign
  zExp = xExp
  if (xSign == ySign) {
    zLow = xLow + yLow
    const carry = u64(zLow < xLow)
    zSig = x + y + carry
    if (zSig < x || (carry && zSig == x)) {
      zLow = (zLow >> 1) | (zLow & 1) | (zSig << 63)
      zSig = (zSig >> 1) | INTEGER_BIT
      zExp++
    }
    return
  }
  zLow = xLow - yLow
  zSig = x - y - u64(xLow < yLow)
  if (zSig >> 63 && x == y) {
    // Equal but for the low parts, and y's was the larger.
    zSign = ySign
    zSig = 0
    zLow = yLow - xLow
  }
  if (zSig == 0) {
    if (zLow == 0) {
      zSign = u32(rounding == ROUND_DOWN)
      return
    }
    zSig = zLow
    zLow = 0
    zExp -= 64
  }
  const places = clz(zSig)
  if (places) {
    zSig = (zSig << places) | (zLow >> (64 - places))
    zLow <<= places
    zExp -= <i32>places
  }
}

/** Quotient of a finite number by a finite number that is not zero. */
export function divCore(aSign: u32, aExp: i32, aSig: u64, bSign: u32, bExp: i32, bSig: u64): void {
  zSign = aSign ^ bSign
  zExp = aExp - bExp + BIAS
  if (aSig == 0) {
    zSig = zLow = 0
    return
  }
  if (aSig >= bSig) zSig = divWide(aSig >> 1, aSig << 63, bSig)
  else {
    zSig = divWide(aSig, 0, bSig)
    zExp--
  }
  const r = wideRemainder
  zLow = r == 0 ? 0 : r > bSig - r ? INTEGER_BIT + 1 : r == bSig - r ? INTEGER_BIT : 1
}

/** Square root of a positive finite number. */
export function sqrtCore(aExp: i32, aSig: u64): void {
  zSign = 0
  if (aSig == 0) {
    zSig = zLow = 0
    return
  }
  const e = aExp - BIAS
  zExp = (e >> 1) + BIAS
  // N = significand * 2^63 or 2^64, so that its root has 64 bits.
  const high = e & 1 ? aSig : aSig >> 1
  const low: u64 = e & 1 ? 0 : aSig << 63
  // The float root is good to some 52 bits, one step of Newton's makes it good to the last but one.
  let root = estimateRoot(high)
  if (root <= high) root = u64.MAX_VALUE
  else {
    const q = divWide(high, low, root)
    root = (root >> 1) + (q >> 1) + (root & q & 1)
  }
  while (true) {
    const squareLow = mulWide(root, root)
    const squareHigh = wideHigh
    if (squareHigh > high || (squareHigh == high && squareLow > low)) {
      root--
      continue
    }
    const restLow = low - squareLow
    const restHigh = high - squareHigh - u64(low < squareLow)
    // (root + 1)^2 = root^2 + 2 root + 1
    if (restHigh > root >> 63 || (restHigh == root >> 63 && restLow > root << 1)) {
      if (root == u64.MAX_VALUE) break
      root++
      continue
    }
    zLow = restHigh == 0 && restLow == 0 ? 0 : restHigh || restLow > root ? INTEGER_BIT + 1 : 1
    break
  }
  zSig = root
}

@inline function estimateRoot(high: u64): u64 {
  const root = Math.sqrt(<f64>high) * 4294967296.0
  const r = root >= 18446744073709551615.0 ? u64.MAX_VALUE : <u64>root
  return r | INTEGER_BIT
}
