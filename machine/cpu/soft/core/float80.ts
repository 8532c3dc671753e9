/**
 * Arithmetic on 80-bit extended floats, bit for bit as the x87 does it (Intel SDM vol. 1, chapters 4 and 8).
 *
 * An operand is a pair: significand (u64, explicit integer bit) and sign-exponent (u32: sign in bit 15). A result is
 * left in `resultSig` and `resultSe`, the exceptions and C1 (rounded up) that the operation raised in `flags`.
 * The middle of each operation, between unpacking and rounding, works on normalised 64-bit significands with 64 bits
 * below them; the SSE soft path (float-sse.ts) uses the same middle and rounds to its own formats.
 */
import { divWide, mulWide, shiftRightJam, wideHigh, wideRemainder } from './wide'

export const IE: u32 = 1
export const DE: u32 = 2
export const ZE: u32 = 4
export const OE: u32 = 8
export const UE: u32 = 16
export const PE: u32 = 32
/** Exceptions that stop an operation before it computes. */
export const PRE_COMPUTATION: u32 = IE | DE | ZE
/** Condition code 1, in its place in the status word: the result was rounded away from zero. */
export const C1: u32 = 0x200

export const ROUND_NEAREST: u32 = 0
export const ROUND_DOWN: u32 = 1
export const ROUND_UP: u32 = 2
export const ROUND_ZERO: u32 = 3

export const BIAS: i32 = 0x3fff
export const EXP_MAX: u32 = 0x7fff
export const INTEGER_BIT: u64 = 0x8000000000000000
export const QUIET_BIT: u64 = 0x4000000000000000
/** Sign and exponent, and significand, of the default NaN ("real indefinite"). */
export const INDEFINITE_SE: u32 = 0xffff
export const INDEFINITE_SIG: u64 = 0xc000000000000000

/** What unmasked overflow and underflow add to or take from the exponent. */
const WRAP: i32 = 0x6000

// ---- the environment of the next operation ----
export let rounding: u32 = ROUND_NEAREST
/** Significand bits that x87 arithmetic rounds to: 24, 53 or 64. */
export let precision: u32 = 64
/** Exceptions that are masked. */
export let masks: u32 = 0x3f
/** SSE's FTZ: tiny results of `packSmall` become zero. */
export let flushToZero: bool = false

// ---- what the last operation left ----
export let flags: u32 = 0
export let resultSig: u64 = 0
export let resultSe: u32 = 0
/** The last operation was decided by a NaN or an unsupported operand. */
export let nanDecided: bool = false

/** Takes rounding, precision and masks from an x87 control word and clears `flags`. */
export function useControlWord(control: u32): void {
  rounding = (control >> 10) & 3
  const pc = (control >> 8) & 3
  precision = pc == 0 ? 24 : pc == 2 ? 53 : 64
  masks = control & 0x3f
  flushToZero = false
  flags = 0
}

/** Takes rounding, masks and FTZ from MXCSR and clears `flags`. */
export function useMxcsr(mxcsr: u32): void {
  rounding = (mxcsr >> 13) & 3
  masks = (mxcsr >> 7) & 0x3f
  // FTZ counts only where underflow is masked.
  flushToZero = (mxcsr & 0x8800) == 0x8800
  flags = 0
}

export function setRounding(mode: u32): void {
  rounding = mode
}

@inline export function raiseFlags(bits: u32): void {
  flags |= bits
}

@inline export function clearFlags(bits: u32): void {
  flags &= ~bits
}

@inline export function result(sig: u64, se: u32): void {
  resultSig = sig
  resultSe = se
}

export function invalid(): void {
  flags |= IE
  resultSig = INDEFINITE_SIG
  resultSe = INDEFINITE_SE
}

// ---- classes ----

@inline export function isZero(sig: u64, se: u32): bool {
  return sig == 0 && (se & EXP_MAX) == 0
}

/** Infinity, given that the operand is supported. */
@inline export function isInfinity(sig: u64, se: u32): bool {
  return (se & EXP_MAX) == EXP_MAX && sig << 1 == 0
}

@inline export function isNaN80(sig: u64, se: u32): bool {
  return (se & EXP_MAX) == EXP_MAX && sig << 1 != 0
}

@inline export function isSignalling(sig: u64, se: u32): bool {
  return (se & EXP_MAX) == EXP_MAX && (sig & QUIET_BIT) == 0 && sig << 2 != 0
}

/** Unnormals, pseudo-NaNs and pseudo-infinities: formats the 387 and later refuse. */
@inline export function isUnsupported(sig: u64, se: u32): bool {
  return (se & EXP_MAX) != 0 && sig >> 63 == 0
}

/** Denormals and pseudo-denormals. */
@inline export function isDenormal(sig: u64, se: u32): bool {
  return (se & EXP_MAX) == 0 && sig != 0
}

// ---- NaNs ----

/** One operand: true, with the result set, when it is a NaN or unsupported. */
export function nanOf(sig: u64, se: u32): bool {
  nanDecided = true
  if (isUnsupported(sig, se)) {
    invalid()
    return true
  }
  if (isNaN80(sig, se)) {
    if (isSignalling(sig, se)) flags |= IE
    result(sig | QUIET_BIT, se)
    return true
  }
  nanDecided = false
  return false
}

/**
 * Two operands: a quiet NaN beats a signalling one, else the larger significand wins, then the positive sign
 * (Intel SDM vol. 1, table 4-7).
 */
export function nanOf2(aSig: u64, aSe: u32, bSig: u64, bSe: u32): bool {
  nanDecided = true
  if (isUnsupported(aSig, aSe) || isUnsupported(bSig, bSe)) {
    invalid()
    return true
  }
  const aNaN = isNaN80(aSig, aSe)
  const bNaN = isNaN80(bSig, bSe)
  if (!aNaN && !bNaN) {
    nanDecided = false
    return false
  }
  const aSignals = isSignalling(aSig, aSe)
  const bSignals = isSignalling(bSig, bSe)
  if (aSignals || bSignals) flags |= IE
  let takeA = aNaN
  if (aNaN && bNaN) {
    if (aSignals != bSignals) takeA = bSignals
    else if (aSig != bSig) takeA = aSig > bSig
    else takeA = aSe <= bSe
  }
  if (takeA) result(aSig | QUIET_BIT, aSe)
  else result(bSig | QUIET_BIT, bSe)
  return true
}

// ---- rounding ----

/** Whether a magnitude goes up by one unit; `rest` is what lies below the unit, as a fraction of 2^64. */
@inline export function roundsUp(sign: u32, odd: bool, rest: u64): bool {
  if (rounding == ROUND_NEAREST) return rest > INTEGER_BIT || (rest == INTEGER_BIT && odd)
  if (rounding == ROUND_ZERO) return false
  return rest != 0 && (rounding == ROUND_DOWN) == (sign != 0)
}

/** True where an overflow gives infinity, not the largest finite number. */
@inline function overflowsToInfinity(sign: u32): bool {
  return rounding == ROUND_NEAREST || (rounding != ROUND_ZERO && (rounding == ROUND_DOWN) == (sign != 0))
}

/**
 * Rounds sign, biased exponent, significand and the 64 bits below it to `bits` bits and makes an extended float of it.
 * The significand is normalised, or zero with nothing below it.
 */
export function pack80(sign: u32, exponent: i32, sig: u64, low: u64, bits: u32): void {
  const signBit = sign << 15
  if (sig == 0) {
    result(0, signBit)
    return
  }
  const shift = <u64>(64 - bits)
  let rest = shift ? (sig << (64 - shift)) | u64(low != 0) : low
  let top = sig >> shift
  let up = roundsUp(sign, (top & 1) != 0, rest)
  let e = exponent
  if (e <= 0) {
    // Tininess is told after rounding, as if the exponent had no end.
    const carries = up && top == u64.MAX_VALUE >> shift
    if (e < 0 || !carries) {
      if (!(masks & UE)) {
        flags |= UE
        e += WRAP
        if (e <= 0) {
          // Only FSCALE gets so low that wrapping does not help.
          flags |= PE
          result(0, signBit)
          return
        }
      } else {
        const places = <u32>(1 - e)
        packDenormal(signBit, places, sig, low, shift)
        return
      }
    } else if (masks & UE) {
      // Not tiny, but it is rounded where the denormal's last bit is.
      packDenormal(signBit, 1, sig, low, shift)
      clearFlags(UE)
      return
    }
  }
  if (rest) flags |= PE
  if (up) {
    flags |= C1
    top++
    if (top << shift == 0) {
      top = INTEGER_BIT >> shift
      e++
    }
  }
  if (e >= <i32>EXP_MAX) {
    flags |= OE
    if (!(masks & OE)) {
      e -= WRAP
      if (e >= <i32>EXP_MAX) {
        flags |= PE | C1
        result(INTEGER_BIT, signBit | EXP_MAX)
        return
      }
    } else {
      flags |= PE
      if (overflowsToInfinity(sign)) {
        flags |= C1
        result(INTEGER_BIT, signBit | EXP_MAX)
      } else {
        clearFlags(C1)
        result((u64.MAX_VALUE >> shift) << shift, signBit | (EXP_MAX - 1))
      }
      return
    }
  }
  result(top << shift, signBit | <u32>e)
}

function packDenormal(signBit: u32, places: u32, sig: u64, low: u64, shift: u64): void {
  // 128 bits shifted right together.
  let high: u64
  let below: u64
  if (places < 64) {
    high = sig >> places
    below = (sig << (64 - places)) | shiftRightJam(low, places)
    if (low) below |= 1
  } else {
    high = 0
    below = shiftRightJam(sig, places - 64) | u64(low != 0)
  }
  const rest = shift ? (high << (64 - shift)) | u64(below != 0) : below
  let top = high >> shift
  if (rest) {
    flags |= UE | PE
    if (roundsUp(signBit >> 15, (top & 1) != 0, rest)) {
      flags |= C1
      top++
    }
  }
  const value = top << shift
  result(value, signBit | <u32>(value >> 63))
}

/**
 * Rounds to a format with `bits` significand bits (24 or 53) and `exponentBits` (8 or 11) and returns its bits. The
 * exponent is biased as for extended floats. Where overflow or underflow is unmasked only the flags are of use.
 */
export function packSmall(sign: u32, exponent: i32, sig: u64, low: u64, bits: u32, exponentBits: u32): u64 {
  const signBit = <u64>sign << (bits - 1 + exponentBits)
  if (sig == 0) return signBit
  const shift = <u64>(64 - bits)
  const maximum = (1 << exponentBits) - 1
  let e = exponent - BIAS + (maximum >> 1)
  let rest = (sig << (64 - shift)) | u64(low != 0)
  let top = sig >> shift
  let up = roundsUp(sign, (top & 1) != 0, rest)
  if (e <= 0) {
    const tiny = e < 0 || !(up && top == u64.MAX_VALUE >> shift)
    if (tiny) {
      if (flushToZero) {
        flags |= UE | PE
        return signBit
      }
      if (!(masks & UE)) {
        flags |= UE
        if (rest) flags |= PE
        if (up) flags |= C1
        return 0
      }
    }
    const places = <u32>(1 - e)
    const shifted = shiftRightJam(sig, places)
    rest = (shifted << (64 - shift)) | u64(low != 0)
    top = shifted >> shift
    if (rest) {
      flags |= tiny ? UE | PE : PE
      if (roundsUp(sign, (top & 1) != 0, rest)) {
        flags |= C1
        top++
      }
    }
    // A carry into the integer bit makes it the smallest normal number by itself.
    return signBit | top
  }
  if (rest) flags |= PE
  if (up) {
    flags |= C1
    top++
    if (top == (<u64>1) << bits) {
      top >>= 1
      e++
    }
  }
  if (e >= maximum) {
    flags |= OE
    if (!(masks & OE)) return 0
    flags |= PE
    const infinity = <u64>maximum << (bits - 1)
    if (overflowsToInfinity(sign)) {
      flags |= C1
      return signBit | infinity
    }
    clearFlags(C1)
    return signBit | (infinity - 1)
  }
  return signBit | ((<u64>e << (bits - 1)) + (top & ~((<u64>1) << (bits - 1))))
}

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

// ---- operations ----

/** a + b, or a - b when `negate` is 1. */
export function add80(aSig: u64, aSe: u32, bSig: u64, bSe: u32, negate: u32): void {
  if (nanOf2(aSig, aSe, bSig, bSe)) return
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
  const bSign = (bSe >> 15) ^ negate
  if (isInfinity(aSig, aSe)) {
    if (isInfinity(bSig, bSe) && aSe >> 15 != bSign) invalid()
    else result(aSig, aSe)
    return
  }
  if (isInfinity(bSig, bSe)) {
    result(bSig, (bSign << 15) | EXP_MAX)
    return
  }
  addCore(aSe >> 15, normalExp(aSig, aSe), normalSig(aSig), bSign, normalExp(bSig, bSe), normalSig(bSig))
  pack80(zSign, zExp, zSig, zLow, precision)
}

export function mul80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (nanOf2(aSig, aSe, bSig, bSe)) return
  const sign = (aSe ^ bSe) & 0x8000
  if (isInfinity(aSig, aSe) || isInfinity(bSig, bSe)) {
    if (isZero(aSig, aSe) || isZero(bSig, bSe)) invalid()
    else {
      if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
      result(INTEGER_BIT, sign | EXP_MAX)
    }
    return
  }
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
  mulCore(aSe >> 15, normalExp(aSig, aSe), normalSig(aSig), bSe >> 15, normalExp(bSig, bSe), normalSig(bSig))
  pack80(zSign, zExp, zSig, zLow, precision)
}

export function div80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (nanOf2(aSig, aSe, bSig, bSe)) return
  const sign = (aSe ^ bSe) & 0x8000
  if (isInfinity(aSig, aSe)) {
    if (isInfinity(bSig, bSe)) invalid()
    else {
      if (isDenormal(bSig, bSe)) flags |= DE
      result(INTEGER_BIT, sign | EXP_MAX)
    }
    return
  }
  if (isInfinity(bSig, bSe)) {
    if (isDenormal(aSig, aSe)) flags |= DE
    result(0, sign)
    return
  }
  if (isZero(bSig, bSe)) {
    if (isZero(aSig, aSe)) invalid()
    else {
      flags |= ZE
      result(INTEGER_BIT, sign | EXP_MAX)
    }
    return
  }
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
  divCore(aSe >> 15, normalExp(aSig, aSe), normalSig(aSig), bSe >> 15, normalExp(bSig, bSe), normalSig(bSig))
  pack80(zSign, zExp, zSig, zLow, precision)
}

export function sqrt80(sig: u64, se: u32): void {
  if (nanOf(sig, se)) return
  if (isZero(sig, se)) {
    result(sig, se)
    return
  }
  if (se >> 15) {
    invalid()
    return
  }
  if (isInfinity(sig, se)) {
    result(sig, se)
    return
  }
  if (isDenormal(sig, se)) flags |= DE
  sqrtCore(normalExp(sig, se), normalSig(sig))
  pack80(0, zExp, zSig, zLow, precision)
}

/** FRNDINT. */
export function roundToIntegral80(sig: u64, se: u32): void {
  if (nanOf(sig, se)) return
  const e = <i32>(se & EXP_MAX)
  if (e >= BIAS + 63 || isZero(sig, se)) {
    result(sig, se)
    return
  }
  if (isDenormal(sig, se)) flags |= DE
  const sign = se >> 15
  if (e < BIAS) {
    // Below 1: 0 or 1, told by the half (exponent BIAS - 1) and the mode.
    flags |= PE
    const rest: u64 = e == BIAS - 1 ? (sig == INTEGER_BIT ? INTEGER_BIT : INTEGER_BIT + 1) : 1
    if (roundsUp(sign, false, rest)) {
      flags |= C1
      result(INTEGER_BIT, (se & 0x8000) | <u32>BIAS)
    } else result(0, se & 0x8000)
    return
  }
  const places = <u64>(BIAS + 63 - e)
  const rest = sig << (64 - places)
  let top = sig >> places
  if (rest == 0) {
    result(sig, se)
    return
  }
  flags |= PE
  let exponent = se
  if (roundsUp(sign, (top & 1) != 0, rest)) {
    flags |= C1
    top++
    if (top << places == 0) {
      top = INTEGER_BIT >> places
      exponent++
    }
  }
  result(top << places, exponent)
}

export const COMPARE_LESS: i32 = -1
export const COMPARE_EQUAL: i32 = 0
export const COMPARE_GREATER: i32 = 1
export const COMPARE_UNORDERED: i32 = 2

/** Compares; `quiet` (FUCOM) keeps quiet NaNs from being invalid. */
export function compare80(aSig: u64, aSe: u32, bSig: u64, bSe: u32, quiet: bool): i32 {
  nanDecided = true
  if (isUnsupported(aSig, aSe) || isUnsupported(bSig, bSe)) {
    flags |= IE
    return COMPARE_UNORDERED
  }
  if (isNaN80(aSig, aSe) || isNaN80(bSig, bSe)) {
    if (!quiet || isSignalling(aSig, aSe) || isSignalling(bSig, bSe)) flags |= IE
    return COMPARE_UNORDERED
  }
  nanDecided = false
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
  if (isZero(aSig, aSe) && isZero(bSig, bSe)) return COMPARE_EQUAL
  const negative = aSe >> 15 != 0
  if (aSe >> 15 != bSe >> 15) return negative ? COMPARE_LESS : COMPARE_GREATER
  // A pseudo-denormal has the value of the normal number with exponent 1.
  const aExp = max(aSe & EXP_MAX, 1)
  const bExp = max(bSe & EXP_MAX, 1)
  if (aExp == bExp && aSig == bSig) return COMPARE_EQUAL
  const less = aExp < bExp || (aExp == bExp && aSig < bSig)
  return less != negative ? COMPARE_LESS : COMPARE_GREATER
}

/** Low bits of the quotient of the last `rem80`. */
export let quotientBits: u32 = 0
/** The last `rem80` stopped half-way (C2). */
export let partial: bool = false

/** FPREM (`nearest` false: quotient cut to zero) and FPREM1 (to the nearest, ties to even). */
export function rem80(aSig: u64, aSe: u32, bSig: u64, bSe: u32, nearest: bool): void {
  quotientBits = 0
  partial = false
  if (nanOf2(aSig, aSe, bSig, bSe)) return
  if (isInfinity(aSig, aSe) || isZero(bSig, bSe)) {
    invalid()
    return
  }
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
  if (isZero(aSig, aSe)) {
    result(aSig, aSe)
    return
  }
  const sign = aSe >> 15
  const aExp = normalExp(aSig, aSe)
  const a = normalSig(aSig)
  if (isInfinity(bSig, bSe)) {
    pack80(sign, aExp, a, 0, 64)
    return
  }
  const bExp = normalExp(bSig, bSe)
  const b = normalSig(bSig)
  const distance = aExp - bExp
  if (distance >= 64) {
    // An unfinished round takes the distance down by 32 to 63.
    const step = <u32>(distance & 31) | 32
    divWide(a >> (64 - step), a << step, b)
    partial = true
    packRemainder(sign, aExp - <i32>step, wideRemainder)
    return
  }
  if (distance < -1 || (distance < 0 && !nearest)) {
    pack80(sign, aExp, a, 0, 64)
    return
  }
  let rest: u64
  let q: u64 = 0
  if (distance < 0) {
    // a is between b / 4 and b: the quotient is 0 or 1; in units of b / 2, b is 2 b.
    // a > b / 2 where a's significand is above b's; a tie goes to 0.
    if (a <= b) {
      pack80(sign, aExp, a, 0, 64)
      return
    }
    quotientBits = 1
    // b - a with b = 2 * b units: below 2^64, since a > b.
    packRemainder(sign ^ 1, aExp, b - (a - b))
    return
  }
  if (distance == 0) {
    q = a >= b ? 1 : 0
    rest = q ? a - b : a
  } else {
    q = divWide(a >> (64 - distance), a << distance, b)
    rest = wideRemainder
  }
  let resultSign = sign
  if (nearest && (rest > b - rest || (rest == b - rest && q & 1))) {
    rest = b - rest
    resultSign ^= 1
    q++
  }
  quotientBits = <u32>q & 7
  packRemainder(rest ? resultSign : sign, bExp, rest)
}

function packRemainder(sign: u32, exponent: i32, sig: u64): void {
  const places = <i32>clz(sig)
  pack80(sign, exponent - places, sig ? sig << places : 0, 0, 64)
}

/** FSCALE: a times 2 to the integer part of b. */
export function scale80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (nanOf2(aSig, aSe, bSig, bSe)) return
  const signA = aSe & 0x8000
  if (isInfinity(bSig, bSe)) {
    if (bSe >> 15) {
      if (isInfinity(aSig, aSe)) {
        invalid()
        return
      }
      if (isDenormal(aSig, aSe)) flags |= DE
      result(0, signA)
    } else {
      if (isZero(aSig, aSe)) {
        invalid()
        return
      }
      if (isDenormal(aSig, aSe)) flags |= DE
      result(INTEGER_BIT, signA | EXP_MAX)
    }
    return
  }
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) flags |= DE
  if (isInfinity(aSig, aSe) || isZero(aSig, aSe)) {
    result(aSig, aSe)
    return
  }
  const bExp = <i32>(bSe & EXP_MAX)
  let places: i32 = 0
  if (bExp >= BIAS) places = bExp > BIAS + 16 ? 0x20000 : <i32>(bSig >> <u64>(BIAS + 63 - bExp))
  if (bSe >> 15) places = -places
  pack80(aSe >> 15, normalExp(aSig, aSe) + places, normalSig(aSig), 0, 64)
}
