/** SSE3, SSSE3, SSE4.1 and SSE4.2 on XMM registers, without string comparison (sse-strings.ts). */
import { FP_ADD, FP_MUL, FP_SUB, beginSse, commitMxcsr, soft, softRound } from './float-sse'
import { rounding } from '../x87/float80'
import { setArithFlags } from '../integer/flags'
import { lanesImmediate, widen, widenSource } from './lanes-more'
import { checkMmx, mmxSource, writeMmx } from './mmx'
import { readEa, writeEa } from '../memory/memory'
import { OP_IMM, ea, opSeg } from '../execute/op'
import { FLAG_CF, FLAG_ZF, XMM } from '../state'
import { checkSse, read128, regU, regV, source32, source64, sourceW } from './xmm'

const LANES: usize = memory.data(16, 16)
const SOURCES: usize = memory.data(32, 16)

@inline function immediate(op: usize): u32 {
  return <u32>load<u8>(op, OP_IMM)
}

// ---- SSE3 ----

export function movsldup(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  v128.store(regV(op), v128.shuffle<i32>(b, b, 0, 0, 2, 2))
}

export function movshdup(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  v128.store(regV(op), v128.shuffle<i32>(b, b, 1, 1, 3, 3))
}

export function movddup(op: usize, mem: bool): void {
  checkSse()
  v128.store(regV(op), i64x2.splat(<i64>source64(op, mem)))
}

export function lddqu(op: usize): void {
  checkSse()
  v128.store(regV(op), read128(opSeg(op), ea(op), false))
}

/** HADDPS, HSUBPS. */
export function horizontal_ps(op: usize, mem: bool, kind: u32): void {
  checkSse()
  v128.store(SOURCES, v128.load(regV(op)))
  v128.store(SOURCES, sourceW(op, mem), 16)
  beginSse()
  for (let i: usize = 0; i < 4; i++) {
    const at = SOURCES + (i << 3)
    store<u32>(LANES + (i << 2), soft<u32>(kind, load<u32>(at), load<u32>(at, 4)))
  }
  commitMxcsr()
  v128.store(regV(op), v128.load(LANES))
}

export function horizontal_pd(op: usize, mem: bool, kind: u32): void {
  checkSse()
  v128.store(SOURCES, v128.load(regV(op)))
  v128.store(SOURCES, sourceW(op, mem), 16)
  beginSse()
  store<u64>(LANES, soft<u64>(kind, load<u64>(SOURCES), load<u64>(SOURCES, 8)))
  store<u64>(LANES, soft<u64>(kind, load<u64>(SOURCES, 16), load<u64>(SOURCES, 24)), 8)
  commitMxcsr()
  v128.store(regV(op), v128.load(LANES))
}

export function addsubps(op: usize, mem: bool): void {
  checkSse()
  v128.store(SOURCES, sourceW(op, mem))
  const d = regV(op)
  beginSse()
  for (let i: usize = 0; i < 4; i++) {
    const kind = i & 1 ? FP_ADD : FP_SUB
    store<u32>(LANES + (i << 2), soft<u32>(kind, load<u32>(d + (i << 2)), load<u32>(SOURCES + (i << 2))))
  }
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

export function addsubpd(op: usize, mem: bool): void {
  checkSse()
  v128.store(SOURCES, sourceW(op, mem))
  const d = regV(op)
  beginSse()
  store<u64>(LANES, soft<u64>(FP_SUB, load<u64>(d), load<u64>(SOURCES)))
  store<u64>(LANES, soft<u64>(FP_ADD, load<u64>(d, 8), load<u64>(SOURCES, 8)), 8)
  commitMxcsr()
  v128.store(d, v128.load(LANES))
}

// ---- SSSE3 and SSE4.1 integers ----

export function immediate_V_W(op: usize, mem: bool, kind: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  v128.store(d, lanesImmediate(kind, v128.load(d), b, immediate(op)))
}

export function palignr_P_Q(op: usize, mem: bool): void {
  checkMmx()
  const low = mmxSource(op, mem)
  const d = regV(op)
  const high = load<u64>(d)
  const n = immediate(op) << 3
  let value: u64 = 0
  if (n == 0) value = low
  else if (n < 64) value = (low >> n) | (high << (64 - n))
  else if (n < 128) value = high >> (n - 64)
  writeMmx(d, value)
}

/** PBLENDVB (1), BLENDVPS (4), BLENDVPD (8): the lanes whose top bit in XMM0 is set come from the source. */
export function blend_xmm0(op: usize, mem: bool, size: u32): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  v128.store(d, v128.bitselect(b, v128.load(d), signs(v128.load(XMM), size)))
}

/** Lanes of ones where the top bit is set. */
@inline export function signs(mask: v128, size: u32): v128 {
  return size == 1 ? i8x16.shr_s(mask, 7) : size == 4 ? i32x4.shr_s(mask, 31) : i64x2.shr_s(mask, 63)
}

export function widen_V_W(op: usize, mem: bool, kind: u32, zero: bool): void {
  checkSse()
  let b: v128
  if (mem) {
    const size = widenSource(kind)
    let low: u64
    if (size == 8) low = readEa<u64>(op)
    else if (size == 4) low = <u64>readEa<u32>(op)
    else low = <u64>readEa<u16>(op)
    b = i64x2.splat(<i64>low)
  } else b = v128.load(regU(op))
  v128.store(regV(op), widen(kind, b, zero))
}

export function ptest(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const a = v128.load(regV(op))
  setArithFlags((v128.any_true(v128.and(a, b)) ? 0 : FLAG_ZF) | (v128.any_true(v128.andnot(b, a)) ? 0 : FLAG_CF))
}

export function movntdqa(op: usize): void {
  checkSse()
  v128.store(regV(op), read128(opSeg(op), ea(op), true))
}

// ---- insertion and extraction ----

export function pextrb(op: usize, mem: bool): void {
  checkSse()
  const value = load<u8>(regV(op) + (immediate(op) & 15))
  if (mem) writeEa<u8>(op, value)
  else store<u64>(regU(op), <u64>value)
}

/** 66 0F 3A 15, which can store to memory. */
export function pextrw_E_V(op: usize, mem: bool): void {
  checkSse()
  const value = load<u16>(regV(op) + ((immediate(op) & 7) << 1))
  if (mem) writeEa<u16>(op, value)
  else store<u64>(regU(op), <u64>value)
}

/** PEXTRD, PEXTRQ. */
export function pextr<T>(op: usize, mem: bool): void {
  checkSse()
  const n = immediate(op) & (sizeof<T>() == 8 ? 1 : 3)
  const value = load<T>(regV(op) + <usize>n * sizeof<T>())
  if (mem) writeEa<T>(op, value)
  else store<u64>(regU(op), <u64>value)
}

export function extractps(op: usize, mem: bool): void {
  pextr<u32>(op, mem)
}

export function pinsrb(op: usize, mem: bool): void {
  checkSse()
  const value = mem ? readEa<u8>(op) : load<u8>(regU(op))
  store<u8>(regV(op) + (immediate(op) & 15), value)
}

export function pinsr<T>(op: usize, mem: bool): void {
  checkSse()
  const value = mem ? readEa<T>(op) : load<T>(regU(op))
  const n = immediate(op) & (sizeof<T>() == 8 ? 1 : 3)
  store<T>(regV(op) + <usize>n * sizeof<T>(), value)
}

export function insertps(op: usize, mem: bool): void {
  checkSse()
  const imm = immediate(op)
  const value = mem ? readEa<u32>(op) : load<u32>(regU(op) + ((imm >> 6) << 2))
  const d = regV(op)
  store<u32>(d + (((imm >> 4) & 3) << 2), value)
  for (let i: usize = 0; i < 4; i++) if ((imm >> <u32>i) & 1) store<u32>(d + (i << 2), 0)
}

// ---- SSE4.1 floats ----

@inline function roundingOf(imm: u32): u32 {
  return imm & 4 ? rounding : imm & 3
}

export function roundps(op: usize, mem: bool): void {
  checkSse()
  v128.store(SOURCES, sourceW(op, mem))
  const imm = immediate(op)
  beginSse()
  const mode = roundingOf(imm)
  for (let i: usize = 0; i < 16; i += 4) {
    store<u32>(LANES + i, softRound<u32>(load<u32>(SOURCES + i), mode, (imm & 8) != 0))
  }
  commitMxcsr()
  v128.store(regV(op), v128.load(LANES))
}

export function roundpd(op: usize, mem: bool): void {
  checkSse()
  v128.store(SOURCES, sourceW(op, mem))
  const imm = immediate(op)
  beginSse()
  const mode = roundingOf(imm)
  for (let i: usize = 0; i < 16; i += 8) {
    store<u64>(LANES + i, softRound<u64>(load<u64>(SOURCES + i), mode, (imm & 8) != 0))
  }
  commitMxcsr()
  v128.store(regV(op), v128.load(LANES))
}

export function roundss(op: usize, mem: bool): void {
  checkSse()
  const b = source32(op, mem)
  const imm = immediate(op)
  beginSse()
  const r = softRound<u32>(b, roundingOf(imm), (imm & 8) != 0)
  commitMxcsr()
  store<u32>(regV(op), r)
}

export function roundsd(op: usize, mem: bool): void {
  checkSse()
  const b = source64(op, mem)
  const imm = immediate(op)
  beginSse()
  const r = softRound<u64>(b, roundingOf(imm), (imm & 8) != 0)
  commitMxcsr()
  store<u64>(regV(op), r)
}

/** Products of the lanes in bits 7:4, their sum to the lanes in bits 3:0. Each step may raise its own exceptions. */
export function dpps(op: usize, mem: bool): void {
  checkSse()
  v128.store(SOURCES, sourceW(op, mem))
  const imm = immediate(op)
  const d = regV(op)
  beginSse()
  for (let i: usize = 0; i < 4; i++) {
    const at = i << 2
    store<u32>(LANES + at, (imm >> (4 + <u32>i)) & 1 ? soft<u32>(FP_MUL, load<u32>(d + at), load<u32>(SOURCES + at)) : 0)
  }
  const low = soft<u32>(FP_ADD, load<u32>(LANES), load<u32>(LANES, 4))
  const high = soft<u32>(FP_ADD, load<u32>(LANES, 8), load<u32>(LANES, 12))
  const sum = soft<u32>(FP_ADD, low, high)
  commitMxcsr()
  for (let i: usize = 0; i < 4; i++) store<u32>(d + (i << 2), (imm >> <u32>i) & 1 ? sum : 0)
}

export function dppd(op: usize, mem: bool): void {
  checkSse()
  v128.store(SOURCES, sourceW(op, mem))
  const imm = immediate(op)
  const d = regV(op)
  beginSse()
  const low = imm & 16 ? soft<u64>(FP_MUL, load<u64>(d), load<u64>(SOURCES)) : 0
  const high = imm & 32 ? soft<u64>(FP_MUL, load<u64>(d, 8), load<u64>(SOURCES, 8)) : 0
  const sum = soft<u64>(FP_ADD, low, high)
  commitMxcsr()
  store<u64>(d, imm & 1 ? sum : 0)
  store<u64>(d, imm & 2 ? sum : 0, 8)
}
