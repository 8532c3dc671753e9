/** SSE and SSE2 moves, shuffles and logic on floats, and non-temporal stores. */
import { checkMasked, maskedAddress, maskedStore } from './mmx'
import { linearOf, readEa, writeEa } from '../memory/memory'
import { OP_IMM, ea, opSeg } from '../execute/op'
import { FLAT } from '../state'
import { checkSse, read128, regU, regV, source64, sourceW, store64Zero, write128 } from './xmm'

// ---- 16 bytes ----

/** MOVAPS, MOVAPD, MOVDQA (aligned), MOVUPS, MOVUPD, MOVDQU (not): load. */
export function mov_V_W(op: usize, mem: bool, aligned: bool): void {
  checkSse()
  v128.store(regV(op), mem ? read128(opSeg(op), ea(op), aligned) : v128.load(regU(op)))
}

/** The same: store. */
export function mov_W_V(op: usize, mem: bool, aligned: bool): void {
  checkSse()
  const value = v128.load(regV(op))
  if (mem) write128(opSeg(op), ea(op), value, aligned)
  else v128.store(regU(op), value)
}

// ---- scalars ----

/** From memory the upper part is cleared, from a register it stays. */
export function movss_V_W(op: usize, mem: bool): void {
  checkSse()
  const d = regV(op)
  if (mem) store64Zero(d, <u64>readEa<u32>(op))
  else store<u32>(d, load<u32>(regU(op)))
}

export function movss_W_V(op: usize, mem: bool): void {
  checkSse()
  const value = load<u32>(regV(op))
  if (mem) writeEa<u32>(op, value)
  else store<u32>(regU(op), value)
}

export function movsd_V_W(op: usize, mem: bool): void {
  checkSse()
  const d = regV(op)
  if (mem) store64Zero(d, readEa<u64>(op))
  else store<u64>(d, load<u64>(regU(op)))
}

export function movsd_W_V(op: usize, mem: bool): void {
  checkSse()
  const value = load<u64>(regV(op))
  if (mem) writeEa<u64>(op, value)
  else store<u64>(regU(op), value)
}

/** MOVQ xmm, xmm/m64 (F3 0F 7E). */
export function movq_V_W(op: usize, mem: bool): void {
  checkSse()
  store64Zero(regV(op), source64(op, mem))
}

/** MOVQ xmm/m64, xmm (66 0F D6). */
export function movq_W_V(op: usize, mem: bool): void {
  checkSse()
  const value = load<u64>(regV(op))
  if (mem) writeEa<u64>(op, value)
  else store64Zero(regU(op), value)
}

export function movd_V_E<T>(op: usize, mem: bool): void {
  checkSse()
  store64Zero(regV(op), <u64>(mem ? readEa<T>(op) : load<T>(regU(op))))
}

export function movd_E_V<T>(op: usize, mem: bool): void {
  checkSse()
  const value = load<T>(regV(op))
  if (mem) writeEa<T>(op, value)
  else store<u64>(regU(op), <u64>value)
}

// ---- halves ----

/** MOVLPS, MOVLPD from memory; MOVHLPS from a register. */
export function movlps_V_W(op: usize, mem: bool): void {
  checkSse()
  store<u64>(regV(op), mem ? readEa<u64>(op) : load<u64>(regU(op), 8))
}

/** MOVHPS, MOVHPD from memory; MOVLHPS from a register. */
export function movhps_V_W(op: usize, mem: bool): void {
  checkSse()
  store<u64>(regV(op), source64(op, mem), 8)
}

export function movlps_M_V(op: usize): void {
  checkSse()
  writeEa<u64>(op, load<u64>(regV(op)))
}

export function movhps_M_V(op: usize): void {
  checkSse()
  writeEa<u64>(op, load<u64>(regV(op), 8))
}

export function movmskps(op: usize): void {
  checkSse()
  store<u64>(regV(op), <u64>i32x4.bitmask(v128.load(regU(op))))
}

export function movmskpd(op: usize): void {
  checkSse()
  store<u64>(regV(op), <u64>i64x2.bitmask(v128.load(regU(op))))
}

// ---- shuffles ----

export function shufps(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const order = load<u32>(op, OP_IMM)
  const r0 = load<u32>(d + ((order & 3) << 2))
  const r1 = load<u32>(d + (((order >> 2) & 3) << 2))
  const r2 = lane32(b, order >> 4)
  const r3 = lane32(b, order >> 6)
  store<u32>(d, r0)
  store<u32>(d, r1, 4)
  store<u32>(d, r2, 8)
  store<u32>(d, r3, 12)
}

@inline function lane32(v: v128, i: u32): u32 {
  const half = <u64>(i & 2 ? i64x2.extract_lane(v, 1) : i64x2.extract_lane(v, 0))
  return <u32>(half >> <u64>((i & 1) << 5))
}

export function shufpd(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const order = load<u32>(op, OP_IMM)
  const r0 = load<u64>(d + ((order & 1) << 3))
  const r1 = order & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0)
  store<u64>(d, r0)
  store<u64>(d, r1, 8)
}

export function pshufd(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  const order = load<u32>(op, OP_IMM)
  store<u32>(d, lane32(b, order))
  store<u32>(d, lane32(b, order >> 2), 4)
  store<u32>(d, lane32(b, order >> 4), 8)
  store<u32>(d, lane32(b, order >> 6), 12)
}

function shuffleWords(words: u64, order: u64): u64 {
  let value: u64 = 0
  for (let i: u64 = 0; i < 4; i++) value |= ((words >> (((order >> (i * 2)) & 3) * 16)) & 0xffff) << (i * 16)
  return value
}

export function pshuflw(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  v128.store(regV(op), i64x2.replace_lane(b, 0, shuffleWords(i64x2.extract_lane(b, 0), load<u64>(op, OP_IMM))))
}

export function pshufhw(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  v128.store(regV(op), i64x2.replace_lane(b, 1, shuffleWords(i64x2.extract_lane(b, 1), load<u64>(op, OP_IMM))))
}

// ---- non-temporal and masked stores: the cache hints have no meaning here ----

/** MOVNTPS, MOVNTPD, MOVNTDQ. */
export function movnt_M_V(op: usize): void {
  checkSse()
  write128(opSeg(op), ea(op), v128.load(regV(op)), true)
}

/** MOVNTI: a general register, so SSE need not be on. */
export function movnti<T>(op: usize): void {
  writeEa<T>(op, load<T>(regV(op)))
}

export function maskmovdqu(op: usize): void {
  checkSse()
  const d = regV(op)
  const m = regU(op)
  const at = maskedAddress(op)
  // In 64-bit code all of the operand must be canonical, whatever the mask.
  if (opSeg(op) >= FLAT) linearOf(opSeg(op), at, 16, true)
  checkMasked(op, at, load<u64>(m))
  checkMasked(op, at + 8, load<u64>(m, 8))
  maskedStore(op, at, load<u64>(d), load<u64>(m))
  maskedStore(op, at + 8, load<u64>(d, 8), load<u64>(m, 8))
}
