/** Conversions between 80-bit extended floats and the other formats of the x87 (Intel SDM vol. 1, 4.2 and 4.9). */
import { normalExp, normalSig } from '../vector/float-core'
import {
  BIAS, C1, DE, EXP_MAX, IE, INTEGER_BIT, PE, QUIET_BIT, clearFlags, flags, isInfinity, isNaN80, isSignalling,
  isUnsupported, packSmall, raiseFlags, result, resultSe, resultSig, roundsUp,
} from './float80'

/** Float of the bits in `value` (T is u32 for single, u64 for double), exactly and without exceptions. */
export function widen<T>(value: T): void {
  const bits: u64 = sizeof<T>() == 4 ? 23 : 52
  const exponentBits: u64 = sizeof<T>() == 4 ? 8 : 11
  const maximum: u64 = sizeof<T>() == 4 ? 0xff : 0x7ff
  const v = <u64>value
  const signBit = <u32>(v >> (bits + exponentBits)) << 15
  const e = (v >> bits) & maximum
  const fraction = (v << (64 - bits)) >> 1
  if (e == maximum) result(fraction | INTEGER_BIT, signBit | EXP_MAX)
  else if (e) result(fraction | INTEGER_BIT, signBit | <u32>(<i32>e - <i32>(maximum >> 1) + BIAS))
  else if (fraction == 0) result(0, signBit)
  else {
    const places = <u32>clz(fraction)
    result(fraction << places, signBit | <u32>(1 - <i32>(maximum >> 1) + BIAS - <i32>places))
  }
}

@inline export function isDenormalSmall<T>(value: T): bool {
  const bits: u64 = sizeof<T>() == 4 ? 23 : 52
  const maximum: u64 = sizeof<T>() == 4 ? 0xff : 0x7ff
  const v = <u64>value
  return ((v >> bits) & maximum) == 0 && v << (64 - bits) != 0
}

/** FLD of a single or double: as `widen`, with the exceptions of a load. */
export function fromSmall<T>(value: T): void {
  widen<T>(value)
  if (isSignalling(resultSig, resultSe)) {
    raiseFlags(IE)
    result(resultSig | QUIET_BIT, resultSe)
  } else if (isDenormalSmall<T>(value)) raiseFlags(DE)
}

/** Rounded to single (u32) or double (u64). A store does not tell denormal operands. */
export function toSmall<T>(sig: u64, se: u32): T {
  const bits: u32 = sizeof<T>() == 4 ? 24 : 53
  const exponentBits: u32 = sizeof<T>() == 4 ? 8 : 11
  const infinity: u64 = sizeof<T>() == 4 ? 0x7f800000 : 0x7ff0000000000000
  const quiet: u64 = sizeof<T>() == 4 ? 0x400000 : 0x8000000000000
  const sign = <u64>(se >> 15) << (sizeof<T>() * 8 - 1)
  if (isUnsupported(sig, se)) {
    raiseFlags(IE)
    return <T>(((<u64>1) << (sizeof<T>() * 8 - 1)) | infinity | quiet)
  }
  if (isNaN80(sig, se)) {
    if (isSignalling(sig, se)) raiseFlags(IE)
    return <T>(sign | infinity | quiet | ((sig << 1) >> <u64>(65 - bits)))
  }
  if (isInfinity(sig, se)) return <T>(sign | infinity)
  return <T>packSmall(se >> 15, normalExp(sig, se), normalSig(sig), 0, bits, exponentBits)
}

/** Float of a signed integer, exactly. */
export function fromInteger(value: i64): void {
  if (value == 0) {
    result(0, 0)
    return
  }
  const magnitude = value < 0 ? 0 - <u64>value : <u64>value
  const places = <u32>clz(magnitude)
  result(magnitude << places, (value < 0 ? 0x8000 : 0) | (<u32>BIAS + 63 - places))
}

/** What an invalid conversion to an integer of T's size stores. */
@inline export function integerIndefinite<T>(): i64 {
  return i64.MIN_VALUE >> (64 - sizeof<T>() * 8)
}

let magnitude: u64 = 0

/** Rounds to an integer into `magnitude`; false where it does not fit 64 bits, or is no number. */
function integerMagnitude(sig: u64, se: u32, truncate: bool): bool {
  if (isUnsupported(sig, se)) return false
  const e = <i32>(se & EXP_MAX)
  if (e > BIAS + 63) return false
  magnitude = 0
  let rest: u64
  if (e >= BIAS) {
    const places = <u64>(BIAS + 63 - e)
    magnitude = sig >> places
    rest = places ? sig << (64 - places) : 0
  } else {
    rest = e == BIAS - 1 ? sig : u64(sig != 0)
  }
  if (rest) {
    raiseFlags(PE)
    if (!truncate && roundsUp(se >> 15, (magnitude & 1) != 0, rest)) {
      raiseFlags(C1)
      magnitude++
      if (magnitude == 0) return false
    }
  }
  return true
}

/** FIST and FISTTP: an integer of T's size (i16, i32, i64); invalid gives the indefinite integer. */
export function toInteger<T>(sig: u64, se: u32, truncate: bool): i64 {
  const before = flags
  const limit = (<u64>1) << (sizeof<T>() * 8 - 1)
  const negative = se >> 15
  if (!integerMagnitude(sig, se, truncate) || magnitude > limit - 1 + <u64>negative) {
    setInvalid(before)
    return integerIndefinite<T>()
  }
  return negative ? 0 - <i64>magnitude : <i64>magnitude
}

/** Invalid stands alone: PE and C1 stay only where an earlier step had raised them. */
function setInvalid(before: u32): void {
  raiseFlags(IE)
  clearFlags(~before & (PE | C1))
}

// ---- packed decimal: 18 digits, two a byte, and a sign byte ----
export let bcdLow: u64 = 0
export let bcdHigh: u16 = 0

/** FBSTP's ten bytes, left in `bcdLow` and `bcdHigh`. */
export function toBcd(sig: u64, se: u32): void {
  const before = flags
  if (!integerMagnitude(sig, se, false) || magnitude >= 1000000000000000000) {
    setInvalid(before)
    bcdLow = 0xc000000000000000
    bcdHigh = 0xffff
    return
  }
  let value = magnitude
  bcdLow = 0
  for (let i: u64 = 0; i < 64; i += 4) {
    bcdLow |= (value % 10) << i
    value /= 10
  }
  bcdHigh = <u16>((value % 10) | ((value / 10) << 4) | (<u64>(se >> 15) << 15))
}

/** FBLD. Digits above 9 count as they stand, as hardware does it. */
export function fromBcd(low: u64, high: u16): void {
  let value: u64 = ((high >> 4) & 15) * 10 + (high & 15)
  for (let i: i32 = 60; i >= 0; i -= 4) value = value * 10 + ((low >> <u64>i) & 15)
  fromInteger(<i64>value)
  if (high >> 15) result(resultSig, resultSe | 0x8000)
}
