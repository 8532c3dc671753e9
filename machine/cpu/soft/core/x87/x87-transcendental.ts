/**
 * F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FPTAN on extended floats (Intel SDM vol. 1, 8.3.7 to 8.3.10).
 *
 * Each reduces its argument to a table's knot and a small rest, sums a series in 128 bits, and rounds once: results are
 * within a hair of half a unit in the last place. Sine, cosine and tangent reduce by the 66-bit pi that the hardware
 * has, so that they agree with it near multiples of pi too. Precision control does not count here.
 */
import {
  BIAS, DE, EXP_MAX, INTEGER_BIT, PE, UE, ZE, invalid, isDenormal, isInfinity, isZero, nanOf, nanOf2, raiseFlags,
  result, resultSe, resultSig,
} from './float80'
import {
  WIDE_SIZE, wideAdd, wideCopy, wideDiv, wideEstimate, wideFrom80, wideFromInteger, wideIsZero, wideMul, wideNormalise,
  widePack, widePolynomial, wideScale, wideSet, wideSetSign, wideSign, wideSub,
} from './wide-float'
import {
  ATANH_TABLE, ATAN_KNOTS, ATAN_TABLE, CONSTANTS, COS_TABLE, EXP2_KNOTS, EXPM1_TABLE, LOG2_KNOTS, SIN_TABLE,
} from './x87-tables'

// Working numbers.
const X: usize = memory.data(24)
const Y: usize = memory.data(24)
const R: usize = memory.data(24)
const R2: usize = memory.data(24)
const S: usize = memory.data(24)
const T: usize = memory.data(24)
const U: usize = memory.data(24)

@inline function table(t: StaticArray<u64>): usize {
  return changetype<usize>(t)
}

@inline function constant(i: usize): usize {
  return changetype<usize>(CONSTANTS) + i * WIDE_SIZE
}
const PI: usize = 0
const HALF_PI: usize = 1
const QUARTER_PI: usize = 2
const THREE_QUARTER_PI: usize = 3
const LN2: usize = 4
const TWO_LOG2E: usize = 5

// ---- sine, cosine, tangent ----

/** The hardware's pi / 2 in units of 2^-65: 66 bits. */
const P_HIGH: u64 = 3
const P_LOW: u64 = 0x243f6a8885a308d3

/** True where |x| < 2^63, the range of the trigonometric instructions (also for NaNs, which have no range). */
export function inTrigRange(sig: u64, se: u32): bool {
  const e = se & EXP_MAX
  return e < <u32>BIAS + 63
}

/** Reduces to |R| <= pi / 4; returns the quadrant. */
function reduce(sig: u64, se: u32): u32 {
  wideFrom80(R, sig, se)
  const e = <i32>(se & EXP_MAX) - BIAS
  if (e < -1) return 0
  // x in units of 2^-65 is sig * 2^(e + 2).
  let high: u64 = 0
  let low = sig
  let quotient: u32 = 0
  for (let i = 0; i < e + 2; i++) {
    high = (high << 1) | (low >> 63)
    low <<= 1
    quotient <<= 1
    if (high > P_HIGH || (high == P_HIGH && low >= P_LOW)) {
      high = high - P_HIGH - u64(low < P_LOW)
      low -= P_LOW
      quotient |= 1
    }
  }
  let sign = (se >> 15) & 1
  // Above half of P: the next multiple is nearer. P is odd, so there is no tie.
  const doubleHigh = (high << 1) | (low >> 63)
  if (doubleHigh > P_HIGH || (doubleHigh == P_HIGH && low << 1 > P_LOW)) {
    high = P_HIGH - high - u64(P_LOW < low)
    low = P_LOW - low
    sign ^= 1
    quotient++
  }
  wideNormalise(R, sign, 62, high, low)
  return se >> 15 ? (0 - quotient) & 3 : quotient & 3
}

/** Leaves sin of the reduced argument in S, cos in T. */
function sinCos(wantSin: bool, wantCos: bool): void {
  wideMul(R2, R, R)
  if (wantSin) {
    widePolynomial(S, R2, table(SIN_TABLE), 15)
    wideMul(S, S, R)
  }
  if (wantCos) widePolynomial(T, R2, table(COS_TABLE), 16)
}

/** Sine (`cosine` 0) or cosine (1) of an argument in range. */
export function sin80(sig: u64, se: u32, cosine: u32): void {
  if (nanOf(sig, se)) return
  if (isInfinity(sig, se)) {
    invalid()
    return
  }
  if (isZero(sig, se)) {
    if (cosine) result(INTEGER_BIT, <u32>BIAS)
    else result(sig, se)
    return
  }
  if (isDenormal(sig, se)) raiseFlags(DE)
  const quadrant = (reduce(sig, se) + cosine) & 3
  const odd = (quadrant & 1) != 0
  sinCos(!odd, odd)
  const z = odd ? T : S
  if (quadrant & 2) wideSetSign(z, wideSign(z) ^ 1)
  widePack(z, false)
}

export function tan80(sig: u64, se: u32): void {
  if (nanOf(sig, se)) return
  if (isInfinity(sig, se)) {
    invalid()
    return
  }
  if (isZero(sig, se)) {
    result(sig, se)
    return
  }
  if (isDenormal(sig, se)) raiseFlags(DE)
  const quadrant = reduce(sig, se)
  sinCos(true, true)
  if (quadrant & 1) {
    wideDiv(U, T, S)
    wideSetSign(U, wideSign(U) ^ 1)
  } else wideDiv(U, S, T)
  widePack(U, false)
}

// ---- arctangent ----

function packConstant(i: usize, sign: u32): void {
  wideCopy(U, constant(i))
  wideSetSign(U, sign)
  widePack(U, false)
}

/** The angle of the point (x, y), from -pi to pi. */
export function atan80(ySig: u64, ySe: u32, xSig: u64, xSe: u32): void {
  if (nanOf2(ySig, ySe, xSig, xSe)) return
  if (isDenormal(ySig, ySe) || isDenormal(xSig, xSe)) raiseFlags(DE)
  const ySign = (ySe >> 15) & 1
  const xNegative = (xSe >> 15) & 1
  if (isInfinity(ySig, ySe)) {
    if (isInfinity(xSig, xSe)) packConstant(xNegative ? THREE_QUARTER_PI : QUARTER_PI, ySign)
    else packConstant(HALF_PI, ySign)
    return
  }
  if (isInfinity(xSig, xSe) || isZero(ySig, ySe)) {
    if (xNegative) packConstant(PI, ySign)
    else result(0, ySe & 0x8000)
    return
  }
  if (isZero(xSig, xSe)) {
    packConstant(HALF_PI, ySign)
    return
  }
  wideFrom80(Y, ySig, ySe & 0x7fff)
  wideFrom80(X, xSig, xSe & 0x7fff)
  // t = smaller / larger, at most 1.
  wideSub(T, Y, X)
  const steep = !wideIsZero(T) && wideSign(T) == 0
  const small = steep ? X : Y
  const large = steep ? Y : X
  wideDiv(T, small, large)
  const k = <i32>nearest(wideEstimate(T) * 32)
  if (k) {
    // atan t = atan c + atan((t - c) / (1 + t c)), c = k / 32
    wideFromInteger(R, k)
    wideScale(R, -5)
    wideMul(S, R, large)
    wideMul(U, R, small)
    wideSub(S, small, S)
    wideAdd(U, large, U)
    wideDiv(T, S, U)
  }
  wideMul(R2, T, T)
  widePolynomial(S, R2, table(ATAN_TABLE), 11)
  wideMul(S, S, T)
  wideAdd(S, S, table(ATAN_KNOTS) + <usize>k * WIDE_SIZE)
  if (steep) wideSub(S, constant(HALF_PI), S)
  if (xNegative) wideSub(S, constant(PI), S)
  wideSetSign(S, ySign)
  widePack(S, false)
}

// ---- logarithms ----

/** log2 of the positive number in X, into S; exact for powers of two. */
function log2Wide(): bool {
  // X = 2^e m with m from 0.707 to 1.414, so that numbers near 1 have e = 0.
  let e = load<i32>(X, 16)
  wideScale(X, -e)
  if (wideEstimate(X) > 1.4142135623730951) {
    wideScale(X, -1)
    e++
  }
  const k = <i32>nearest(wideEstimate(X) * 32)
  wideFromInteger(R, k)
  wideScale(R, -5)
  logRatio()
  const exact = wideIsZero(S)
  if (k != 32) wideAdd(S, S, table(LOG2_KNOTS) + <usize>(k - 22) * WIDE_SIZE)
  wideFromInteger(T, e)
  wideAdd(S, S, T)
  return exact && k == 32
}

/** S = log2(X / R) for X near R: 2 log2(e) atanh((X - R) / (X + R)). */
function logRatio(): void {
  wideSub(T, X, R)
  wideAdd(U, X, R)
  logOf(T, U)
}

function logOf(numerator: usize, denominator: usize): void {
  wideDiv(T, numerator, denominator)
  if (wideIsZero(T)) {
    wideCopy(S, T)
    return
  }
  wideMul(R2, T, T)
  widePolynomial(S, R2, table(ATANH_TABLE), 11)
  wideMul(S, S, T)
  wideMul(S, S, constant(TWO_LOG2E))
}

/** Packs S. Hardware says inexact, and so underflow, for powers of two as well. */
function packLogarithm(exact: bool): void {
  widePack(S, exact)
  raiseFlags(isDenormal(resultSig, resultSe) ? UE | PE : PE)
}

/** y log2 x. */
export function yl2x80(ySig: u64, ySe: u32, xSig: u64, xSe: u32): void {
  if (nanOf2(ySig, ySe, xSig, xSe)) return
  const ySign = ySe & 0x8000
  const denormal = isDenormal(ySig, ySe) || isDenormal(xSig, xSe)
  if (isZero(xSig, xSe)) {
    if (isZero(ySig, ySe)) {
      invalid()
      return
    }
    if (isInfinity(ySig, ySe)) {
      result(INTEGER_BIT, (ySign ^ 0x8000) | EXP_MAX)
      return
    }
    raiseFlags(ZE)
    result(INTEGER_BIT, (ySign ^ 0x8000) | EXP_MAX)
    return
  }
  if (xSe >> 15) {
    invalid()
    return
  }
  const one = xSig == INTEGER_BIT && xSe == <u32>BIAS
  if (isInfinity(ySig, ySe)) {
    if (one) {
      invalid()
      return
    }
    if (denormal) raiseFlags(DE)
    result(INTEGER_BIT, EXP_MAX | (xSe < <u32>BIAS ? ySign ^ 0x8000 : ySign))
    return
  }
  if (isInfinity(xSig, xSe)) {
    if (isZero(ySig, ySe)) {
      invalid()
      return
    }
    if (denormal) raiseFlags(DE)
    result(INTEGER_BIT, ySign | EXP_MAX)
    return
  }
  if (denormal) raiseFlags(DE)
  if (one || isZero(ySig, ySe)) {
    result(0, xSe < <u32>BIAS ? ySign ^ 0x8000 : ySign)
    return
  }
  wideFrom80(X, xSig, xSe)
  const exact = log2Wide()
  wideFrom80(Y, ySig, ySe)
  wideMul(S, S, Y)
  packLogarithm(exact)
}

/** y log2(x + 1). */
export function yl2xp180(ySig: u64, ySe: u32, xSig: u64, xSe: u32): void {
  if (nanOf2(ySig, ySe, xSig, xSe)) return
  const sign = (xSe ^ ySe) & 0x8000
  const denormal = isDenormal(ySig, ySe) || isDenormal(xSig, xSe)
  if (isInfinity(xSig, xSe)) {
    if (xSe >> 15 || isZero(ySig, ySe)) {
      invalid()
      return
    }
    if (denormal) raiseFlags(DE)
    result(INTEGER_BIT, (ySe & 0x8000) | EXP_MAX)
    return
  }
  if (isInfinity(ySig, ySe)) {
    if (isZero(xSig, xSe)) {
      invalid()
      return
    }
    if (denormal) raiseFlags(DE)
    result(INTEGER_BIT, sign | EXP_MAX)
    return
  }
  if (denormal) raiseFlags(DE)
  if (isZero(xSig, xSe) || isZero(ySig, ySe)) {
    result(0, sign)
    return
  }
  wideFrom80(X, xSig, xSe)
  wideSet(R, 0, 0, INTEGER_BIT, 0)
  wideAdd(T, X, R)
  if (wideIsZero(T) || wideSign(T)) {
    // Up to -1, outside the instruction's domain, x comes back.
    raiseFlags(PE)
    result(xSig, xSe)
    return
  }
  let exact = false
  if (abs(wideEstimate(X)) < 0.015625) {
    // log2(1 + x) = 2 log2(e) atanh(x / (2 + x)): nothing cancels.
    wideSet(R, 0, 1, INTEGER_BIT, 0)
    wideAdd(U, X, R)
    logOf(X, U)
  } else {
    wideCopy(X, T)
    exact = log2Wide()
  }
  wideFrom80(Y, ySig, ySe)
  wideMul(S, S, Y)
  packLogarithm(exact)
}

// ---- 2^x - 1 ----

export function exp2m180(sig: u64, se: u32): void {
  if (nanOf(sig, se)) return
  if (isInfinity(sig, se)) {
    if (se >> 15) result(INTEGER_BIT, 0x8000 | <u32>BIAS)
    else result(sig, se)
    return
  }
  if (isZero(sig, se)) {
    result(sig, se)
    return
  }
  if (isDenormal(sig, se)) raiseFlags(DE)
  const e = <i32>(se & EXP_MAX)
  if (e >= BIAS) {
    raiseFlags(PE)
    if (sig != INTEGER_BIT || e != BIAS) {
      // Outside -1 to 1 the result is undefined: the operand stays.
      result(sig, se)
      return
    }
    if (se >> 15) result(INTEGER_BIT, 0x8000 | <u32>(BIAS - 1))
    else result(INTEGER_BIT, <u32>BIAS)
    return
  }
  wideFrom80(X, sig, se)
  // x = k / 32 + r: 2^x - 1 = 2^(k/32) (2^r - 1) + (2^(k/32) - 1)
  const k = <i32>nearest(wideEstimate(X) * 32)
  if (k) {
    wideFromInteger(R, k)
    wideScale(R, -5)
    wideSub(X, X, R)
  }
  wideMul(T, X, constant(LN2))
  if (wideIsZero(T)) wideCopy(S, T)
  else {
    widePolynomial(S, T, table(EXPM1_TABLE), 15)
    wideMul(S, S, T)
  }
  if (k) {
    const knot = table(EXP2_KNOTS) + <usize>(k + 32) * WIDE_SIZE
    wideSet(R, 0, 0, INTEGER_BIT, 0)
    wideAdd(U, R, knot)
    wideMul(S, S, U)
    wideAdd(S, S, knot)
  }
  widePack(S, false)
}
