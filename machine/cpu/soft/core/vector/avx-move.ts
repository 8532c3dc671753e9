/** AVX moves: whole vectors, broadcasts, masked loads and stores, gathers, and VZEROUPPER. */
import { raiseNoError } from '../system/fault'
import { probeWrite, read, readEa, readUnaligned, write } from '../memory/memory'
import { OP_ADDRESS_SHIFT, OP_BASE, OP_DISP, OP_INDEX, OP_SCALE, ea, opSeg } from '../execute/op'
import { EX_UD, XMM, XMM_SIZE } from '../state'
import {
  VEX_RESULT, VEX_SOURCE, checkAvx, clearUpper, inMemory, isWide, readVector, regH, setVector, writeVector,
} from '../execute/vex'
import { regU, regV } from './xmm'
import { xmmCount } from '../system/fxsave'

@inline function vectorSize(op: usize): u32 {
  return isWide(op) ? 32 : 16
}

/** VMOVUPS and its kin: load. */
export function vmov_V_W(op: usize, aligned: bool): void {
  checkAvx()
  if (inMemory(op)) {
    readVector(op, VEX_SOURCE, vectorSize(op), aligned)
    setVector(op, regV(op), VEX_SOURCE)
  } else setVector(op, regV(op), regU(op))
}

/** The same: store. */
export function vmov_W_V(op: usize, aligned: bool): void {
  checkAvx()
  if (inMemory(op)) writeVector(op, regV(op), aligned)
  else setVector(op, regU(op), regV(op))
}

/** VMOVSS and VMOVSD between registers: the upper part is VEX.vvvv's; `d` and `s` are destination and source. */
export function vmovs_U<T>(op: usize, d: usize, s: usize): void {
  checkAvx()
  v128.store(VEX_RESULT, v128.load(regH(op)))
  store<T>(VEX_RESULT, load<T>(s))
  v128.store(d, v128.load(VEX_RESULT))
  clearUpper(d)
}

/** VZEROUPPER, and with VEX.L VZEROALL. */
export function vzero(op: usize): void {
  checkAvx()
  const all = isWide(op)
  const count = xmmCount()
  for (let i: usize = 0; i < count; i++) {
    if (all) v128.store(XMM + i * XMM_SIZE, i64x2.splat(0))
    clearUpper(XMM + i * XMM_SIZE)
  }
}

/** The sign bits of all lanes. */
export function vmovmsk(op: usize, size: u32): void {
  checkAvx()
  let bits = signBits(v128.load(regU(op)), size)
  if (isWide(op)) bits |= signBits(v128.load(regU(op), 16), size) << (16 / size)
  store<u64>(regV(op), <u64>bits)
}

@inline function signBits(v: v128, size: u32): u32 {
  return size == 1 ? i8x16.bitmask(v) : size == 4 ? i32x4.bitmask(v) : i64x2.bitmask(v)
}

// ---- broadcasts ----

export function broadcast<T>(op: usize): void {
  checkAvx()
  const value = inMemory(op) ? readEa<T>(op) : load<T>(regU(op))
  v128.store(VEX_RESULT, v128.splat<T>(value))
  v128.store(VEX_RESULT, v128.splat<T>(value), 16)
  setVector(op, regV(op), VEX_RESULT)
}

/** VBROADCASTF128. */
export function broadcast128(op: usize): void {
  checkAvx()
  readVector(op, VEX_SOURCE, 16, false)
  v128.store(VEX_SOURCE, v128.load(VEX_SOURCE), 16)
  setVector(op, regV(op), VEX_SOURCE)
}

// ---- masks: the lanes of VEX.vvvv (loads and stores) whose top bit is set ----

@inline function chosen<T>(mask: usize, at: usize): bool {
  return load<T>(mask + at) >> (sizeof<T>() * 8 - 1) != 0
}

/** VMASKMOVPS, VPMASKMOVD and their kin: load. Lanes that are not chosen are 0 and do not fault. */
export function maskedLoad<T>(op: usize): void {
  checkAvx()
  const from = ea(op)
  for (let at: usize = 0; at < vectorSize(op); at += sizeof<T>()) {
    store<T>(VEX_RESULT + at, chosen<T>(regH(op), at) ? read<T>(opSeg(op), from + at) : 0)
  }
  setVector(op, regV(op), VEX_RESULT)
}

/** All lanes must take the write before any does. */
export function maskedStoreVector<T>(op: usize): void {
  checkAvx()
  const to = ea(op)
  const mask = regH(op)
  const size = vectorSize(op)
  for (let at: usize = 0; at < size; at += sizeof<T>()) {
    if (chosen<T>(mask, at)) probeWrite(opSeg(op), to + at, sizeof<T>())
  }
  for (let at: usize = 0; at < size; at += sizeof<T>()) {
    if (chosen<T>(mask, at)) write<T>(opSeg(op), to + at, load<T>(regV(op) + at))
  }
}

/**
 * VPGATHERxx: I is the index's type, T the lane's. What has been read stays when a later lane faults, and its mask is
 * cleared, so that the instruction goes on where it stopped.
 */
export function gather<I, T>(op: usize): void {
  checkAvx()
  const d = regV(op)
  const mask = regH(op)
  const index = <usize>load<u16>(op, OP_INDEX)
  if (d == mask || d == index || mask == index) raiseNoError(EX_UD)
  const lanes = vectorSize(op) / max<u32>(sizeof<I>(), sizeof<T>())
  const cut = u64.MAX_VALUE >> <u64>load<u8>(op, OP_ADDRESS_SHIFT)
  const base = load<u64>(load<u16>(op, OP_BASE)) + <u64>(<i64>load<i32>(op, OP_DISP))
  const scale = <u64>load<u8>(op, OP_SCALE)
  // Until the end the mask's lanes are ones or zeros throughout, as the manual has it.
  for (let i: usize = 0; i < lanes; i++) {
    const at = i * sizeof<T>()
    store<T>(mask + at, chosen<T>(mask, at) ? <T>-1 : 0)
  }
  for (let i: usize = 0; i < lanes; i++) {
    const at = i * sizeof<T>()
    if (!load<T>(mask + at)) continue
    const offset = base + (<u64>(<i64>load<I>(index + i * sizeof<I>())) << scale)
    const value = readUnaligned<T>(opSeg(op), offset & cut)
    store<T>(d + at, value)
    store<T>(mask + at, 0)
  }
  memory.fill(mask, 0, XMM_SIZE)
  const written = lanes * sizeof<T>()
  memory.fill(d + written, 0, XMM_SIZE - written)
}
