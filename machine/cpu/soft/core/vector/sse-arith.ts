/**
 * SSE and SSE2 arithmetic and comparison on packed and scalar floats.
 *
 * Where MXCSR is as systems leave it (nearest, all masked, no DAZ or FTZ) and PE is already set, WebAssembly's own
 * floats give result and flags alike as long as no operand is a denormal and no result is a NaN, infinite or small:
 * then nothing but PE can have happened. Every other case goes lane by lane through float-sse.ts.
 */
import {
  FP_ADD, FP_MAX, FP_MIN, FP_MUL, FP_SUB, beginSse, commitMxcsr, isDenormal_, isOrdinary, plainMode, soft, softCompare,
  softOrder, softSqrt,
} from './float-sse'
import { setArithFlags } from '../integer/flags'
import { OP_IMM } from '../execute/op'
import { FLAG_CF, FLAG_PF, FLAG_ZF } from '../state'
import { checkSse, regV, source32, source64, sourceW } from './xmm'

/** Results of the lanes of an instruction, which none may reach its register before all are known to be sound. */
const LANES: usize = memory.data(16, 16)

// ---- what the fast path may vouch for ----

@inline function denormals32(x: v128): v128 {
  const m = v128.and(x, i32x4.splat(0x7fffffff))
  return i32x4.lt_u(i32x4.sub(m, i32x4.splat(1)), i32x4.splat(0x007fffff))
}

/** Lanes whose magnitude is an ordinary number, well above the smallest normal one. */
@inline function ordinary32(x: v128): v128 {
  const m = v128.and(x, i32x4.splat(0x7fffffff))
  return i32x4.lt_u(i32x4.sub(m, i32x4.splat(0x01000000)), i32x4.splat(0x7f800000 - 0x01000000))
}

@inline function zero32(x: v128): v128 {
  return i32x4.eq(i32x4.shl(x, 1), i32x4.splat(0))
}

@inline function finite32(x: v128): v128 {
  return i32x4.lt_s(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(0x7f800000))
}

// There are no unsigned 64-bit comparisons; magnitudes are positive, so signed ones do.
@inline function denormals64(x: v128): v128 {
  const m = v128.and(x, i64x2.splat(0x7fffffffffffffff))
  return v128.and(i64x2.lt_s(m, i64x2.splat(0x0010000000000000)), i64x2.ne(m, i64x2.splat(0)))
}

@inline function ordinary64(x: v128): v128 {
  const m = v128.and(x, i64x2.splat(0x7fffffffffffffff))
  return v128.and(i64x2.ge_s(m, i64x2.splat(0x0020000000000000)), i64x2.lt_s(m, i64x2.splat(0x7ff0000000000000)))
}

@inline function zero64(x: v128): v128 {
  return i64x2.eq(i64x2.shl(x, 1), i64x2.splat(0))
}

@inline function finite64(x: v128): v128 {
  return i64x2.lt_s(v128.and(x, i64x2.splat(0x7fffffffffffffff)), i64x2.splat(0x7ff0000000000000))
}

/** Sums of normal numbers are exact where they are small; products and quotients must be ordinary, or exact zeros. */
@inline function sound32(kind: u32, a: v128, b: v128, r: v128): bool {
  const operands = v128.or(denormals32(a), denormals32(b))
  const good =
    kind == FP_ADD || kind == FP_SUB
      ? finite32(r)
      : v128.or(ordinary32(r), v128.and(zero32(r), kind == FP_MUL ? v128.or(zero32(a), zero32(b)) : zero32(a)))
  return i32x4.all_true(v128.andnot(good, operands))
}

@inline function sound64(kind: u32, a: v128, b: v128, r: v128): bool {
  const operands = v128.or(denormals64(a), denormals64(b))
  const good =
    kind == FP_ADD || kind == FP_SUB
      ? finite64(r)
      : v128.or(ordinary64(r), v128.and(zero64(r), kind == FP_MUL ? v128.or(zero64(a), zero64(b)) : zero64(a)))
  return i64x2.all_true(v128.andnot(good, operands))
}

// ---- packed ----

export function arith_ps(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const a = v128.load(d)
  if (plainMode() && kind != FP_MIN && kind != FP_MAX) {
    const r =
      kind == FP_ADD
        ? f32x4.add(a, b)
        : kind == FP_SUB
          ? f32x4.sub(a, b)
          : kind == FP_MUL
            ? f32x4.mul(a, b)
            : f32x4.div(a, b)
    if (sound32(kind, a, b, r)) {
      v128.store(d, r)
      return
    }
  }
  beginSse()
  store<u32>(LANES, soft<u32>(kind, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)))
  store<u32>(LANES, soft<u32>(kind, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1)), 4)
  store<u32>(LANES, soft<u32>(kind, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2)), 8)
  store<u32>(LANES, soft<u32>(kind, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3)), 12)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

export function arith_pd(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const a = v128.load(d)
  if (plainMode() && kind != FP_MIN && kind != FP_MAX) {
    const r =
      kind == FP_ADD
        ? f64x2.add(a, b)
        : kind == FP_SUB
          ? f64x2.sub(a, b)
          : kind == FP_MUL
            ? f64x2.mul(a, b)
            : f64x2.div(a, b)
    if (sound64(kind, a, b, r)) {
      v128.store(d, r)
      return
    }
  }
  beginSse()
  store<u64>(LANES, soft<u64>(kind, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0)))
  store<u64>(LANES, soft<u64>(kind, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1)), 8)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

// ---- scalar ----

export function arith_ss(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const b = source32(op, mem)
  const d = regV(op)
  const a = load<u32>(d)
  if (plainMode() && kind != FP_MIN && kind != FP_MAX && !isDenormal_<u32>(a) && !isDenormal_<u32>(b)) {
    const x = reinterpret<f32>(a)
    const y = reinterpret<f32>(b)
    const r = reinterpret<u32>(kind == FP_ADD ? x + y : kind == FP_SUB ? x - y : kind == FP_MUL ? x * y : x / y)
    if (
      kind == FP_ADD || kind == FP_SUB
        ? (r & 0x7fffffff) < 0x7f800000
        : isOrdinary<u32>(r) || (r << 1 == 0 && (a << 1 == 0 || (kind == FP_MUL && b << 1 == 0)))
    ) {
      store<u32>(d, r)
      return
    }
  }
  beginSse()
  const r = soft<u32>(kind, a, b)
  commitMxcsr()
  store<u32>(d, r)
}

export function arith_sd(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const b = source64(op, mem)
  const d = regV(op)
  const a = load<u64>(d)
  if (plainMode() && kind != FP_MIN && kind != FP_MAX && !isDenormal_<u64>(a) && !isDenormal_<u64>(b)) {
    const x = reinterpret<f64>(a)
    const y = reinterpret<f64>(b)
    const r = reinterpret<u64>(kind == FP_ADD ? x + y : kind == FP_SUB ? x - y : kind == FP_MUL ? x * y : x / y)
    if (
      kind == FP_ADD || kind == FP_SUB
        ? (r & 0x7fffffffffffffff) < 0x7ff0000000000000
        : isOrdinary<u64>(r) || (r << 1 == 0 && (a << 1 == 0 || (kind == FP_MUL && b << 1 == 0)))
    ) {
      store<u64>(d, r)
      return
    }
  }
  beginSse()
  const r = soft<u64>(kind, a, b)
  commitMxcsr()
  store<u64>(d, r)
}

// ---- square roots ----

export function sqrtps(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  if (plainMode()) {
    const r = f32x4.sqrt(b)
    if (i32x4.all_true(v128.andnot(finite32(r), denormals32(b)))) {
      v128.store(d, r)
      return
    }
  }
  beginSse()
  store<u32>(LANES, softSqrt<u32>(i32x4.extract_lane(b, 0)))
  store<u32>(LANES, softSqrt<u32>(i32x4.extract_lane(b, 1)), 4)
  store<u32>(LANES, softSqrt<u32>(i32x4.extract_lane(b, 2)), 8)
  store<u32>(LANES, softSqrt<u32>(i32x4.extract_lane(b, 3)), 12)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

export function sqrtpd(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  if (plainMode()) {
    const r = f64x2.sqrt(b)
    if (i64x2.all_true(v128.andnot(finite64(r), denormals64(b)))) {
      v128.store(d, r)
      return
    }
  }
  beginSse()
  store<u64>(LANES, softSqrt<u64>(i64x2.extract_lane(b, 0)))
  store<u64>(LANES, softSqrt<u64>(i64x2.extract_lane(b, 1)), 8)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

export function sqrtss(op: usize, mem: bool): void {
  checkSse()
  const b = source32(op, mem)
  beginSse()
  const r = softSqrt<u32>(b)
  commitMxcsr()
  store<u32>(regV(op), r)
}

export function sqrtsd(op: usize, mem: bool): void {
  checkSse()
  const b = source64(op, mem)
  if (plainMode() && !isDenormal_<u64>(b)) {
    const r = reinterpret<u64>(Math.sqrt(reinterpret<f64>(b)))
    if ((r & 0x7fffffffffffffff) < 0x7ff0000000000000) {
      store<u64>(regV(op), r)
      return
    }
  }
  beginSse()
  const r = softSqrt<u64>(b)
  commitMxcsr()
  store<u64>(regV(op), r)
}

// ---- reciprocals ----
// Real CPUs give some 12 bits, each maker from its own table. These are more exact: the quotient rounded to single, so
// that what a guest computes does not depend on a table. No flag is ever raised.

function reciprocal(x: u32): u32 {
  const s = x & 0x80000000
  const m = x & 0x7fffffff
  if (m > 0x7f800000) return x | 0x400000
  // Denormals count as zeros, and results below the smallest normal number are zeros.
  if (m < 0x00800000) return s | 0x7f800000
  const r = reinterpret<u32>(<f32>1 / reinterpret<f32>(x))
  return (r & 0x7fffffff) < 0x00800000 ? s : r
}

function reciprocalRoot(x: u32): u32 {
  const m = x & 0x7fffffff
  if (m > 0x7f800000) return x | 0x400000
  if (m < 0x00800000) return (x & 0x80000000) | 0x7f800000
  if (x >> 31) return 0xffc00000
  return reinterpret<u32>(<f32>(1.0 / Math.sqrt(<f64>reinterpret<f32>(x))))
}

@inline function approximate(x: u32, root: bool): u32 {
  return root ? reciprocalRoot(x) : reciprocal(x)
}

/** RCPPS, and with `root` RSQRTPS. */
export function reciprocal_ps(op: usize, mem: bool, root: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  store<u32>(d, approximate(i32x4.extract_lane(b, 0), root))
  store<u32>(d, approximate(i32x4.extract_lane(b, 1), root), 4)
  store<u32>(d, approximate(i32x4.extract_lane(b, 2), root), 8)
  store<u32>(d, approximate(i32x4.extract_lane(b, 3), root), 12)
}

export function reciprocal_ss(op: usize, mem: bool, root: bool): void {
  checkSse()
  store<u32>(regV(op), approximate(source32(op, mem), root))
}

// ---- comparison ----

@inline function mask32(predicate: u32, a: u32, b: u32): u32 {
  return softCompare<u32>(predicate, a, b) ? 0xffffffff : 0
}

@inline function mask64(predicate: u32, a: u64, b: u64): u64 {
  return softCompare<u64>(predicate, a, b) ? 0xffffffffffffffff : 0
}

/** `predicates`: the bits of the immediate that count. */
export function cmpps(op: usize, mem: bool, predicates: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const a = v128.load(d)
  const predicate = load<u32>(op, OP_IMM) & predicates
  beginSse()
  store<u32>(LANES, mask32(predicate, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)))
  store<u32>(LANES, mask32(predicate, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1)), 4)
  store<u32>(LANES, mask32(predicate, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2)), 8)
  store<u32>(LANES, mask32(predicate, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3)), 12)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

export function cmppd(op: usize, mem: bool, predicates: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const a = v128.load(d)
  const predicate = load<u32>(op, OP_IMM) & predicates
  beginSse()
  store<u64>(LANES, mask64(predicate, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0)))
  store<u64>(LANES, mask64(predicate, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1)), 8)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

export function cmpss(op: usize, mem: bool, predicates: u32): void {
  checkSse()
  const b = source32(op, mem)
  const d = regV(op)
  beginSse()
  const r = mask32(load<u32>(op, OP_IMM) & predicates, load<u32>(d), b)
  commitMxcsr()
  store<u32>(d, r)
}

export function cmpsd_xmm(op: usize, mem: bool, predicates: u32): void {
  checkSse()
  const b = source64(op, mem)
  const d = regV(op)
  beginSse()
  const r = mask64(load<u32>(op, OP_IMM) & predicates, load<u64>(d), b)
  commitMxcsr()
  store<u64>(d, r)
}

function setOrder(order: i32): void {
  if (order == 2) setArithFlags(FLAG_ZF | FLAG_PF | FLAG_CF)
  else setArithFlags(order == 0 ? FLAG_ZF : order < 0 ? FLAG_CF : 0)
}

/** COMISS; `quiet` is UCOMISS. */
export function comiss(op: usize, mem: bool, quiet: bool): void {
  checkSse()
  const b = source32(op, mem)
  beginSse()
  const order = softOrder<u32>(load<u32>(regV(op)), b, quiet)
  commitMxcsr()
  setOrder(order)
}

export function comisd(op: usize, mem: bool, quiet: bool): void {
  checkSse()
  const b = source64(op, mem)
  beginSse()
  const order = softOrder<u64>(load<u64>(regV(op)), b, quiet)
  commitMxcsr()
  setOrder(order)
}
