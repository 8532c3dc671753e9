/** SSE and SSE2 conversions (Intel SDM vol. 1, 11.4.1.6 and 11.4.4). */
import {
  beginSse, commitMxcsr, doubleToSingle, floatToInteger, integerToFloat, isOrdinary, plainMode, singleToDouble,
} from './float-sse'
import { checkMmx, enterMmx, mmxSource, writeMmx } from './mmx'
import { readEa } from '../memory/memory'
import { checkSse, regU, regV, source32, source64, sourceW, store64Zero } from './xmm'

@inline function lane(v: v128, i: u8): u32 {
  return i == 0
    ? i32x4.extract_lane(v, 0)
    : i == 1
      ? i32x4.extract_lane(v, 1)
      : i == 2
        ? i32x4.extract_lane(v, 2)
        : i32x4.extract_lane(v, 3)
}

@inline function pair(low: u32, high: u32): u64 {
  return <u64>low | (<u64>high << 32)
}

// ---- between single and double ----

export function cvtps2pd(op: usize, mem: bool): void {
  checkSse()
  const b = source64(op, mem)
  beginSse()
  const low = singleToDouble(<u32>b)
  const high = singleToDouble(<u32>(b >> 32))
  commitMxcsr()
  store<u64>(regV(op), low)
  store<u64>(regV(op), high, 8)
}

export function cvtpd2ps(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  beginSse()
  const low = doubleToSingle(i64x2.extract_lane(b, 0))
  const high = doubleToSingle(i64x2.extract_lane(b, 1))
  commitMxcsr()
  store64Zero(regV(op), pair(low, high))
}

export function cvtss2sd(op: usize, mem: bool): void {
  checkSse()
  const b = source32(op, mem)
  if (isOrdinary<u32>(b)) {
    // Exact.
    store<u64>(regV(op), reinterpret<u64>(<f64>reinterpret<f32>(b)))
    return
  }
  beginSse()
  const r = singleToDouble(b)
  commitMxcsr()
  store<u64>(regV(op), r)
}

export function cvtsd2ss(op: usize, mem: bool): void {
  checkSse()
  const b = source64(op, mem)
  if (plainMode()) {
    const r = reinterpret<u32>(<f32>reinterpret<f64>(b))
    if (isOrdinary<u32>(r)) {
      store<u32>(regV(op), r)
      return
    }
  }
  beginSse()
  const r = doubleToSingle(b)
  commitMxcsr()
  store<u32>(regV(op), r)
}

// ---- scalars and general registers: I is i32 or i64 ----

@inline function integerOperand<I>(op: usize, mem: bool): i64 {
  if (sizeof<I>() == 4) return <i64>(<i32>(mem ? readEa<u32>(op) : load<u32>(regU(op))))
  return <i64>(mem ? readEa<u64>(op) : load<u64>(regU(op)))
}

export function cvtsi2ss<I>(op: usize, mem: bool): void {
  checkSse()
  const value = integerOperand<I>(op, mem)
  if (plainMode()) {
    store<u32>(regV(op), reinterpret<u32>(<f32>value))
    return
  }
  beginSse()
  const r = integerToFloat<u32>(value)
  commitMxcsr()
  store<u32>(regV(op), r)
}

export function cvtsi2sd<I>(op: usize, mem: bool): void {
  checkSse()
  const value = integerOperand<I>(op, mem)
  // Every doubleword is exact.
  if (sizeof<I>() == 4 || plainMode()) {
    store<u64>(regV(op), reinterpret<u64>(<f64>value))
    return
  }
  beginSse()
  const r = integerToFloat<u64>(value)
  commitMxcsr()
  store<u64>(regV(op), r)
}

@inline function setGeneral<I>(op: usize, value: i64): void {
  store<u64>(regV(op), sizeof<I>() == 4 ? <u64>(<u32>value) : <u64>value)
}

/** CVTSS2SI; with `truncate` CVTTSS2SI. */
export function cvtss2si<I>(op: usize, mem: bool, truncate: bool): void {
  checkSse()
  const b = source32(op, mem)
  beginSse()
  const r = sizeof<I>() == 4 ? <i64>floatToInteger<u32, i32>(b, truncate) : floatToInteger<u32, i64>(b, truncate)
  commitMxcsr()
  setGeneral<I>(op, r)
}

export function cvtsd2si<I>(op: usize, mem: bool, truncate: bool): void {
  checkSse()
  const b = source64(op, mem)
  if (plainMode()) {
    const x = reinterpret<f64>(b)
    const rounded = truncate ? trunc(x) : nearest(x)
    if (abs(rounded) <= (sizeof<I>() == 4 ? 2147483647.0 : 9007199254740992.0)) {
      setGeneral<I>(op, <i64>rounded)
      return
    }
  }
  beginSse()
  const r = sizeof<I>() == 4 ? <i64>floatToInteger<u64, i32>(b, truncate) : floatToInteger<u64, i64>(b, truncate)
  commitMxcsr()
  setGeneral<I>(op, r)
}

// ---- packed doublewords ----

export function cvtdq2ps(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  beginSse()
  const low = pair(integerToFloat<u32>(<i32>lane(b, 0)), integerToFloat<u32>(<i32>lane(b, 1)))
  const high = pair(integerToFloat<u32>(<i32>lane(b, 2)), integerToFloat<u32>(<i32>lane(b, 3)))
  commitMxcsr()
  store<u64>(regV(op), low)
  store<u64>(regV(op), high, 8)
}

/** CVTPS2DQ; with `truncate` CVTTPS2DQ. */
export function cvtps2dq(op: usize, mem: bool, truncate: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  beginSse()
  const low = pair(floatToInteger<u32, i32>(lane(b, 0), truncate), floatToInteger<u32, i32>(lane(b, 1), truncate))
  const high = pair(floatToInteger<u32, i32>(lane(b, 2), truncate), floatToInteger<u32, i32>(lane(b, 3), truncate))
  commitMxcsr()
  store<u64>(regV(op), low)
  store<u64>(regV(op), high, 8)
}

/** Exact: no flags. */
export function cvtdq2pd(op: usize, mem: bool): void {
  checkSse()
  const b = source64(op, mem)
  store<u64>(regV(op), reinterpret<u64>(<f64>(<i32>b)))
  store<u64>(regV(op), reinterpret<u64>(<f64>(<i32>(b >> 32))), 8)
}

export function cvtpd2dq(op: usize, mem: bool, truncate: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  beginSse()
  const r = doublesToIntegers(b, truncate)
  commitMxcsr()
  store64Zero(regV(op), r)
}

function doublesToIntegers(b: v128, truncate: bool): u64 {
  const low = floatToInteger<u64, i32>(i64x2.extract_lane(b, 0), truncate)
  return pair(low, floatToInteger<u64, i32>(i64x2.extract_lane(b, 1), truncate))
}

// ---- MMX registers ----

/** From memory the x87 state is left alone. */
export function cvtpi2ps(op: usize, mem: bool): void {
  checkSse()
  if (!mem) checkMmx()
  const b = mmxSource(op, mem)
  beginSse()
  const r = pair(integerToFloat<u32>(<i32>b), integerToFloat<u32>(<i32>(b >> 32)))
  commitMxcsr()
  if (!mem) enterMmx()
  store<u64>(regV(op), r)
}

export function cvtpi2pd(op: usize, mem: bool): void {
  checkSse()
  if (!mem) checkMmx()
  const b = mmxSource(op, mem)
  if (!mem) enterMmx()
  store<u64>(regV(op), reinterpret<u64>(<f64>(<i32>b)))
  store<u64>(regV(op), reinterpret<u64>(<f64>(<i32>(b >> 32))), 8)
}

export function cvtps2pi(op: usize, mem: bool, truncate: bool): void {
  checkSse()
  checkMmx()
  const b = source64(op, mem)
  beginSse()
  const r = pair(floatToInteger<u32, i32>(<u32>b, truncate), floatToInteger<u32, i32>(<u32>(b >> 32), truncate))
  commitMxcsr()
  writeMmx(regV(op), r)
}

export function cvtpd2pi(op: usize, mem: bool, truncate: bool): void {
  checkSse()
  checkMmx()
  const b = sourceW(op, mem)
  beginSse()
  const r = doublesToIntegers(b, truncate)
  commitMxcsr()
  writeMmx(regV(op), r)
}
