/** AVX and AVX2 instructions that move data across the halves of a vector, variable blends, and VTESTPS. */
import { setArithFlags } from '../integer/flags'
import { write128, regU, regV } from './xmm'
import { OP_IMM, ea, opSeg } from '../execute/op'
import { signs } from './sse-later'
import { FLAG_CF, FLAG_ZF, MODE, MODE_CODE64, XMM, XMM_SIZE } from '../state'
import {
  VEX_RESULT, VEX_SOURCE, checkAvx, clearUpper, inMemory, isWide, regH, setVector, vexRead,
} from '../execute/vex'

@inline function immediate(op: usize): u32 {
  return <u32>load<u8>(op, OP_IMM)
}

/** VEXTRACTF128. */
export function vextract128(op: usize): void {
  checkAvx()
  const value = v128.load(regV(op) + (immediate(op) & 1) * 16)
  if (inMemory(op)) {
    write128(opSeg(op), ea(op), value, false)
    return
  }
  v128.store(regU(op), value)
  clearUpper(regU(op))
}

/** VINSERTF128. */
export function vinsert128(op: usize): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, 16)
  memory.copy(VEX_RESULT, regH(op), XMM_SIZE)
  v128.store(VEX_RESULT + (immediate(op) & 1) * 16, v128.load(VEX_SOURCE))
  setVector(op, regV(op), VEX_RESULT)
}

/** VPERM2F128: each half is one of the four of both sources, or zeros. */
export function vperm2_128(op: usize): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, 32)
  v128.store(VEX_RESULT, chooseHalf(op, immediate(op)))
  v128.store(VEX_RESULT, chooseHalf(op, immediate(op) >> 4), 16)
  setVector(op, regV(op), VEX_RESULT)
}

@inline function chooseHalf(op: usize, n: u32): v128 {
  if (n & 8) return i64x2.splat(0)
  return v128.load((n & 2 ? VEX_SOURCE : regH(op)) + (n & 1) * 16)
}

/** VPERMQ, VPERMPD by an immediate. */
export function vpermq(op: usize): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, 32)
  const order = immediate(op)
  for (let i: u32 = 0; i < 4; i++) {
    store<u64>(VEX_RESULT + (i << 3), load<u64>(VEX_SOURCE + (((order >> (i << 1)) & 3) << 3)))
  }
  setVector(op, regV(op), VEX_RESULT)
}

/** VPERMD, VPERMPS: VEX.vvvv holds the order. */
export function vpermd(op: usize): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, 32)
  const order = regH(op)
  for (let i: usize = 0; i < 32; i += 4) {
    store<u32>(VEX_RESULT + i, load<u32>(VEX_SOURCE + ((load<u32>(order + i) & 7) << 2)))
  }
  setVector(op, regV(op), VEX_RESULT)
}

/** VPBLENDVB (1), VBLENDVPS (4), VBLENDVPD (8): the mask is in the register that the immediate's upper bits name. */
export function vblendv(op: usize, size: u32): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, isWide(op) ? 32 : 16)
  const a = regH(op)
  const n = (immediate(op) >> 4) & (load<u32>(MODE) & MODE_CODE64 ? 15 : 7)
  const mask = XMM + <usize>n * XMM_SIZE
  for (let i: usize = 0; i < 32; i += 16) {
    const lanes = signs(v128.load(mask + i), size)
    v128.store(VEX_RESULT + i, v128.bitselect(v128.load(VEX_SOURCE + i), v128.load(a + i), lanes))
  }
  setVector(op, regV(op), VEX_RESULT)
}

/** VPTEST (`size` 0, all bits), VTESTPS (4), VTESTPD (8): the lanes' top bits. */
export function vtest(op: usize, size: u32): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, isWide(op) ? 32 : 16)
  const a = regV(op)
  let both = v128.and(v128.load(a), v128.load(VEX_SOURCE))
  let only = v128.andnot(v128.load(VEX_SOURCE), v128.load(a))
  if (isWide(op)) {
    both = v128.or(both, v128.and(v128.load(a, 16), v128.load(VEX_SOURCE, 16)))
    only = v128.or(only, v128.andnot(v128.load(VEX_SOURCE, 16), v128.load(a, 16)))
  }
  if (size) {
    both = signs(both, size)
    only = signs(only, size)
  }
  setArithFlags((v128.any_true(both) ? 0 : FLAG_ZF) | (v128.any_true(only) ? 0 : FLAG_CF))
}
