/**
 * MMX, with what SSE and SSE2 added to it (Intel SDM vol. 1, chapter 9). MMn is the significand of physical register n:
 * every MMX instruction sets TOP to 0 and all tags to valid, and a write sets sign and exponent to ones.
 */
import { raiseNoError } from '../system/fault'
import { lanes, shiftLanes } from './lanes'
import { checkWrite, linearOf, readEa, write, writeEa } from '../memory/memory'
import { OP_ADDRESS_SHIFT, OP_IMM, OP_REG, OP_RM, opSeg } from '../execute/op'
import { CR0, CR0_EM, CR0_TS, EX_NM, EX_UD, FLAT, FPU_STATUS, FPU_TAGS, FPU_TOP, RDI } from '../state'
import { SW_ES, pendingException } from '../x87/x87-state'

/** What every MMX instruction asks first. */
@inline export function checkMmx(): void {
  if (load<u32>(CR0) & (CR0_EM | CR0_TS) || load<u16>(FPU_STATUS) & SW_ES) refuseMmx()
}

@noInline function refuseMmx(): void {
  const cr0 = load<u32>(CR0)
  if (cr0 & CR0_EM) raiseNoError(EX_UD)
  if (cr0 & CR0_TS) raiseNoError(EX_NM)
  pendingException()
}

/** The x87 state becomes MMX state. After everything that may fault. */
@inline export function enterMmx(): void {
  store<u32>(FPU_TOP, 0)
  store<u64>(FPU_TAGS, 0x0101010101010101)
}

@inline export function writeMmx(register: usize, value: u64): void {
  enterMmx()
  store<u64>(register, value)
  store<u16>(register, 0xffff, 8)
}

@inline function destination(op: usize): usize {
  return load<u16>(op, OP_REG)
}

@inline export function mmxSource(op: usize, mem: bool): u64 {
  return mem ? readEa<u64>(op) : load<u64>(load<u16>(op, OP_RM))
}

/** Two 64-bit values as one vector. */
@inline function pair(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high)
}

@inline function low(v: v128): u64 {
  return <u64>i64x2.extract_lane(v, 0)
}

export function packed_P_Q(op: usize, mem: bool, kind: u32): void {
  checkMmx()
  const b = mmxSource(op, mem)
  const d = destination(op)
  writeMmx(d, low(lanes(kind, v128.load64_zero(d), i64x2.splat(<i64>b))))
}

/** PACK: both sources in one vector. */
export function pack_P_Q(op: usize, mem: bool, kind: u32): void {
  checkMmx()
  const b = mmxSource(op, mem)
  const d = destination(op)
  const both = pair(load<u64>(d), b)
  writeMmx(d, low(lanes(kind, both, both)))
}

/** PUNPCKL reads only four bytes from memory. */
export function unpackLow_P_Q(op: usize, mem: bool, kind: u32): void {
  checkMmx()
  const b = mem ? <u64>readEa<u32>(op) : load<u64>(load<u16>(op, OP_RM))
  const d = destination(op)
  writeMmx(d, low(lanes(kind, v128.load64_zero(d), i64x2.splat(<i64>b))))
}

/** PUNPCKH: the high half of what interleaving all eight bytes gives; `kind` is the low form's. */
export function unpackHigh_P_Q(op: usize, mem: bool, kind: u32): void {
  checkMmx()
  const b = mmxSource(op, mem)
  const d = destination(op)
  writeMmx(d, <u64>i64x2.extract_lane(lanes(kind, v128.load64_zero(d), i64x2.splat(<i64>b)), 1))
}

export function shift_P_Q(op: usize, mem: bool, kind: u32): void {
  checkMmx()
  const count = mmxSource(op, mem)
  const d = destination(op)
  writeMmx(d, low(shiftLanes(kind, v128.load64_zero(d), count)))
}

export function shift_N_I(op: usize, kind: u32): void {
  checkMmx()
  const d = <usize>load<u16>(op, OP_RM)
  writeMmx(d, low(shiftLanes(kind, v128.load64_zero(d), load<u64>(op, OP_IMM))))
}

export function pshufw(op: usize, mem: bool): void {
  checkMmx()
  const b = mmxSource(op, mem)
  const order = load<u64>(op, OP_IMM)
  let value: u64 = 0
  for (let i: u64 = 0; i < 4; i++) value |= ((b >> (((order >> (i * 2)) & 3) * 16)) & 0xffff) << (i * 16)
  writeMmx(destination(op), value)
}

export function pinsrw_P_E(op: usize, mem: bool): void {
  checkMmx()
  const value = mem ? readEa<u16>(op) : load<u16>(load<u16>(op, OP_RM))
  const d = destination(op)
  writeMmx(d, load<u64>(d))
  store<u16>(d + ((<usize>load<u8>(op, OP_IMM) & 3) << 1), value)
}

export function pextrw_G_N(op: usize): void {
  checkMmx()
  enterMmx()
  store<u64>(destination(op), <u64>load<u16>(<usize>load<u16>(op, OP_RM) + ((<usize>load<u8>(op, OP_IMM) & 3) << 1)))
}

export function pmovmskb_G_N(op: usize): void {
  checkMmx()
  enterMmx()
  store<u64>(destination(op), <u64>(i8x16.bitmask(v128.load64_zero(load<u16>(op, OP_RM))) & 0xff))
}

export function movd_P_E<T>(op: usize, mem: bool): void {
  checkMmx()
  const value = mem ? readEa<T>(op) : load<T>(load<u16>(op, OP_RM))
  writeMmx(destination(op), <u64>value)
}

export function movd_E_P<T>(op: usize, mem: bool): void {
  checkMmx()
  const value = load<T>(destination(op))
  if (mem) writeEa<T>(op, value)
  else store<u64>(load<u16>(op, OP_RM), <u64>value)
  enterMmx()
}

export function movq_P_Q(op: usize, mem: bool): void {
  checkMmx()
  writeMmx(destination(op), mmxSource(op, mem))
}

export function movq_Q_P(op: usize, mem: bool): void {
  checkMmx()
  const value = load<u64>(destination(op))
  if (mem) {
    writeEa<u64>(op, value)
    enterMmx()
  } else writeMmx(load<u16>(op, OP_RM), value)
}

/** MOVNTQ: the cache hint has no meaning here. */
export function movntq(op: usize): void {
  movq_Q_P(op, true)
}

/** Checks that the bytes which a maskedStore() is to write can be written. */
export function checkMasked(op: usize, offset: u64, mask: u64): void {
  for (let i: u64 = 0; i < 8; i++) if ((mask >> (i * 8 + 7)) & 1) checkWrite<u8>(opSeg(op), offset + i)
}

/** Stores the bytes of `value` whose mask byte has its top bit set at DS:rDI; checkMasked() comes first. */
export function maskedStore(op: usize, offset: u64, value: u64, mask: u64): void {
  const seg = opSeg(op)
  if ((mask & 0x8080808080808080) == 0x8080808080808080) {
    write<u64>(seg, offset, value)
    return
  }
  for (let i: u64 = 0; i < 8; i++) {
    if ((mask >> (i * 8 + 7)) & 1) write<u8>(seg, offset + i, <u8>(value >> (i * 8)))
  }
}

@inline export function maskedAddress(op: usize): u64 {
  return load<u64>(RDI) & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
}

export function maskmovq(op: usize): void {
  checkMmx()
  const at = maskedAddress(op)
  const mask = load<u64>(load<u16>(op, OP_RM))
  // In 64-bit code all of the operand must be canonical, whatever the mask.
  if (opSeg(op) >= FLAT) linearOf(opSeg(op), at, 8, true)
  checkMasked(op, at, mask)
  maskedStore(op, at, load<u64>(destination(op)), mask)
  enterMmx()
}

export function emms(op: usize): void {
  checkMmx()
  store<u32>(FPU_TOP, 0)
  store<u64>(FPU_TAGS, 0)
}
