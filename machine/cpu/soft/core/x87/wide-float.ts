/**
 * Floats with 128-bit significands, for the insides of the transcendental functions: rounding errors stay some 60 bits
 * below the last bit of a result. A number is 24 bytes in memory: high and low half of the significand (its top bit
 * set; high half 0 is zero), exponent (i32; the top bit weighs 2^exponent), sign (u32).
 */
import { normalExp, normalSig } from '../vector/float-core'
import { BIAS, pack80 } from './float80'
import { divWide, mulWide, wideHigh, wideRemainder } from '../integer/wide'

export const WIDE_SIZE: usize = 24
const HIGH: usize = 0
const LOW: usize = 8
const EXP: usize = 16
const SIGN: usize = 20

export function wideSet(z: usize, sign: u32, exp: i32, high: u64, low: u64): void {
  store<u64>(z, high, HIGH)
  store<u64>(z, low, LOW)
  store<i32>(z, exp, EXP)
  store<u32>(z, sign, SIGN)
}

/** Sets z to a significand that need not be normalised. */
export function wideNormalise(z: usize, sign: u32, exp: i32, high: u64, low: u64): void {
  if (high == 0) {
    high = low
    low = 0
    exp -= 64
  }
  const places = <u32>clz(high)
  if (high && places) {
    high = (high << places) | (low >> (64 - places))
    low <<= places
    exp -= <i32>places
  }
  wideSet(z, sign, exp, high, low)
}

@inline export function wideCopy(z: usize, a: usize): void {
  memory.copy(z, a, WIDE_SIZE)
}

@inline export function wideIsZero(a: usize): bool {
  return load<u64>(a, HIGH) == 0
}

@inline export function wideSign(a: usize): u32 {
  return load<u32>(a, SIGN)
}

@inline export function wideSetSign(a: usize, sign: u32): void {
  store<u32>(a, sign, SIGN)
}

/** z = a * 2^places, in place. */
@inline export function wideScale(a: usize, places: i32): void {
  store<i32>(a, load<i32>(a, EXP) + places, EXP)
}

/** A finite extended float, exactly. */
export function wideFrom80(z: usize, sig: u64, se: u32): void {
  wideSet(z, (se >> 15) & 1, normalExp(sig, se) - BIAS, normalSig(sig), 0)
}

/** A small signed integer, exactly. */
export function wideFromInteger(z: usize, value: i32): void {
  wideNormalise(z, value < 0 ? 1 : 0, 127, 0, <u64>abs(value))
}

/** A value good to f64's 53 bits, for choosing table entries. */
export function wideEstimate(a: usize): f64 {
  const e = load<i32>(a, EXP)
  if (load<u64>(a, HIGH) == 0 || e < -1000) return 0
  const scaled = reinterpret<f64>(<u64>(1023 + min(e, 1000)) << 52)
  const magnitude = (<f64>load<u64>(a, HIGH) / 9223372036854775808.0) * scaled
  return load<u32>(a, SIGN) ? -magnitude : magnitude
}

export function wideMul(z: usize, a: usize, b: usize): void {
  const aHigh = load<u64>(a, HIGH)
  const aLow = load<u64>(a, LOW)
  const bHigh = load<u64>(b, HIGH)
  const bLow = load<u64>(b, LOW)
  let low = mulWide(aHigh, bHigh)
  let high = wideHigh
  if (aLow) {
    mulWide(aLow, bHigh)
    low += wideHigh
    high += u64(low < wideHigh)
  }
  if (bLow) {
    mulWide(aHigh, bLow)
    low += wideHigh
    high += u64(low < wideHigh)
  }
  wideNormalise(z, load<u32>(a, SIGN) ^ load<u32>(b, SIGN), load<i32>(a, EXP) + load<i32>(b, EXP) + 1, high, low)
}

export function wideAdd(z: usize, aIn: usize, bIn: usize): void {
  let a = aIn
  let b = bIn
  if (wideIsZero(a) || wideIsZero(b)) {
    wideCopy(z, wideIsZero(a) ? b : a)
    return
  }
  let distance = load<i32>(a, EXP) - load<i32>(b, EXP)
  if (
    distance < 0 ||
    (distance == 0 &&
      (load<u64>(a, HIGH) < load<u64>(b, HIGH) ||
        (load<u64>(a, HIGH) == load<u64>(b, HIGH) && load<u64>(a, LOW) < load<u64>(b, LOW))))
  ) {
    a = bIn
    b = aIn
    distance = -distance
  }
  const aHigh = load<u64>(a, HIGH)
  const aLow = load<u64>(a, LOW)
  let high = load<u64>(b, HIGH)
  let low = load<u64>(b, LOW)
  // What falls out is jammed into the last bit: 1 - tiny has to be less than 1.
  if (distance >= 128) {
    high = 0
    low = 1
  } else if (distance >= 64) {
    const lost = low | (distance > 64 ? high << <u64>(128 - distance) : 0)
    low = (high >> <u64>(distance - 64)) | u64(lost != 0)
    high = 0
  } else if (distance) {
    const lost = low << <u64>(64 - distance)
    low = (low >> <u64>distance) | (high << <u64>(64 - distance)) | u64(lost != 0)
    high >>= <u64>distance
  }
  const sign = load<u32>(a, SIGN)
  const exp = load<i32>(a, EXP)
  if (sign == load<u32>(b, SIGN)) {
    const sumLow = aLow + low
    const carry = u64(sumLow < aLow)
    const part = aHigh + high
    const sum = part + carry
    if (part < aHigh || sum < part) {
      wideSet(z, sign, exp + 1, (sum >> 1) | 0x8000000000000000, (sumLow >> 1) | (sum << 63) | (sumLow & 1))
    } else wideSet(z, sign, exp, sum, sumLow)
    return
  }
  wideNormalise(z, sign, exp, aHigh - high - u64(aLow < low), aLow - low)
}

/** z = a - b. */
export function wideSub(z: usize, a: usize, b: usize): void {
  const sign = load<u32>(b, SIGN)
  store<u32>(b, sign ^ 1, SIGN)
  wideAdd(z, a, b)
  if (z != b) store<u32>(b, sign, SIGN)
}

/** z = a / b, good to 126 bits; b is not zero. */
export function wideDiv(z: usize, a: usize, b: usize): void {
  if (wideIsZero(a)) {
    wideCopy(z, a)
    return
  }
  const bHigh = load<u64>(b, HIGH)
  const bLow = load<u64>(b, LOW)
  let restHigh = load<u64>(a, HIGH)
  let restLow = load<u64>(a, LOW)
  const sign = load<u32>(a, SIGN) ^ load<u32>(b, SIGN)
  let exp = load<i32>(a, EXP) - load<i32>(b, EXP)
  if (bLow == 0) {
    // 192 by 64 bits: two digits.
    let carry: u64 = 0
    if (restHigh >= bHigh) {
      carry = restLow << 63
      restLow = (restLow >> 1) | (restHigh << 63)
      restHigh >>= 1
    } else exp--
    const q1 = divWide(restHigh, restLow, bHigh)
    wideSet(z, sign, exp, q1, divWide(wideRemainder, carry, bHigh))
    return
  }
  // Bit by bit; the first quotient bit weighs 2^exp.
  let qHigh: u64 = 0
  let qLow: u64 = 0
  let overflow = false
  for (let i = 0; i < 128; i++) {
    qHigh = (qHigh << 1) | (qLow >> 63)
    qLow <<= 1
    if (overflow || restHigh > bHigh || (restHigh == bHigh && restLow >= bLow)) {
      restHigh = restHigh - bHigh - u64(restLow < bLow)
      restLow -= bLow
      qLow |= 1
    }
    overflow = restHigh >> 63 != 0
    restHigh = (restHigh << 1) | (restLow >> 63)
    restLow <<= 1
  }
  wideNormalise(z, sign, exp, qHigh, qLow)
}


/** z = ((c[n-1] x + c[n-2]) x + ...) + c[0] over a table of n numbers; z is neither x nor in the table. */
export function widePolynomial(z: usize, x: usize, table: usize, n: i32): void {
  wideCopy(z, table + <usize>(n - 1) * WIDE_SIZE)
  for (let i = n - 2; i >= 0; i--) {
    wideMul(z, z, x)
    wideAdd(z, z, table + <usize>i * WIDE_SIZE)
  }
}

/** Rounds to an extended float as the present mode says, to 64 bits; what is not `exact` raises PE. */
export function widePack(a: usize, exact: bool): void {
  pack80(load<u32>(a, SIGN), load<i32>(a, EXP) + BIAS, load<u64>(a, HIGH), load<u64>(a, LOW) | u64(!exact), 64)
}
