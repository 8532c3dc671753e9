/**
 * Arithmetic on 80-bit extended floats, bit for bit as the x87 does it (Intel SDM vol. 1, chapters 4 and 8).
 *
 * An operand is a pair: significand (u64, explicit integer bit) and sign-exponent (u32: sign in bit 15). A result is
 * left in `resultSig` and `resultSe`, the exceptions and C1 (rounded up) that the operation raised in `flags`.
 *
 * Here are the environment, classes, NaN rules and rounding; the operations are in float80-arithmetic.ts, the middle
 * that they share with SSE in float-core.ts.
 */
import { shiftRightJam } from '../integer/wide'

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
