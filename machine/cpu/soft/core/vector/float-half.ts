/**
 * F16C: between half and single precision (Intel SDM vol. 1, 14.4.1). Halves have no denormals for MXCSR: neither DAZ nor
 * FTZ nor DE counts for them.
 */
import {
  beginHalf, beginSse, commitMxcsr, exponent, isDenormal_, isNaN_, isSignalling_, magnitude, sig, squash,
} from './float-sse'
import { DE, IE, packSmall, raiseFlags } from '../x87/float80'
import { probeWrite, write } from '../memory/memory'
import { OP_IMM, OP_RM, ea, opSeg } from '../execute/op'
import { VEX_RESULT, VEX_SOURCE, checkAvx, clearUpper, inMemory, isWide, setVector, vexRead } from '../execute/vex'
import { regV, write128 } from './xmm'

function halfToSingle(h: u32): u32 {
  const s = (h & 0x8000) << 16
  const m = h & 0x7fff
  if (m > 0x7c00) {
    if (!(m & 0x200)) raiseFlags(IE)
    return s | 0x7fc00000 | ((m & 0x3ff) << 13)
  }
  if (m == 0x7c00) return s | 0x7f800000
  if (m >= 0x400) return s | ((m << 13) + ((127 - 15) << 23))
  // A denormal or zero, exact in single precision: units of 2^-24.
  return s | reinterpret<u32>(<f32>m * <f32>(1.0 / 16777216.0))
}

function singleToHalf(aIn: u32): u32 {
  const a = squash<u32>(aIn)
  const s = a >> 31
  const m = magnitude<u32>(a)
  if (isNaN_<u32>(a)) {
    if (isSignalling_<u32>(a)) raiseFlags(IE)
    return (s << 15) | 0x7e00 | ((a >> 13) & 0x3ff)
  }
  if (m == 0x7f800000) return (s << 15) | 0x7c00
  if (isDenormal_<u32>(a)) raiseFlags(DE)
  return <u32>packSmall(s, exponent<u32>(a), sig<u32>(a), 0, 11, 5)
}

export function vcvtph2ps(op: usize): void {
  checkAvx()
  const size: u32 = isWide(op) ? 16 : 8
  vexRead(op, VEX_SOURCE, size)
  beginSse()
  for (let at: usize = 0; at < size; at += 2) store<u32>(VEX_RESULT + (at << 1), halfToSingle(load<u16>(VEX_SOURCE + at)))
  commitMxcsr()
  setVector(op, regV(op), VEX_RESULT)
}

export function vcvtps2ph(op: usize): void {
  checkAvx()
  const from = regV(op)
  const size: usize = isWide(op) ? 16 : 8
  beginHalf(<u32>load<u8>(op, OP_IMM))
  v128.store(VEX_RESULT, i64x2.splat(0))
  for (let at: usize = 0; at < size; at += 2) store<u16>(VEX_RESULT + at, <u16>singleToHalf(load<u32>(from + (at << 1))))
  // A store that faults leaves the flags alone.
  if (inMemory(op)) probeWrite(opSeg(op), ea(op), <u32>size)
  commitMxcsr()
  if (!inMemory(op)) {
    const d = <usize>load<u16>(op, OP_RM)
    v128.store(d, v128.load(VEX_RESULT))
    clearUpper(d)
  } else if (size == 16) write128(opSeg(op), ea(op), v128.load(VEX_RESULT), false)
  else write<u64>(opSeg(op), ea(op), load<u64>(VEX_RESULT))
}
