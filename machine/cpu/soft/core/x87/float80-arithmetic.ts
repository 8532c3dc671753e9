/** The operations on 80-bit extended floats (float80.ts). */
import { addCore, divCore, mulCore, normalExp, normalSig, sqrtCore, zExp, zLow, zSig, zSign } from '../vector/float-core'
import {
  BIAS, C1, DE, EXP_MAX, IE, INTEGER_BIT, PE, ZE, flags, invalid, isDenormal, isInfinity, isNaN80, isSignalling,
  isUnsupported, isZero, nanDecided, nanOf, nanOf2, pack80, precision, result, roundsUp,
} from './float80'
import { divWide, wideRemainder } from '../integer/wide'

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
