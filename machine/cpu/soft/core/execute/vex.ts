/**
 * How the VEX form of an SSE instruction runs (Intel SDM vol. 1, chapter 14): the handler of the SSE form does the work,
 * on an op and registers of its own, once for each 128-bit half; then the result goes to the destination.
 *
 *   vexBegin(op, 16, 32)              the second source is read, the first stands where the result will be
 *   packed_V_W(VOP, false, PADDB)     the lower half
 *   if (vexUpper(16, 16, 0)) ...      the same again, where there is an upper half
 *   vexFinish(op)                     exceptions, then the destination; the upper half of a 128-bit form is cleared
 *
 * The opcode table writes these lines (`../opcodes/avx.ts`).
 */
import { raise, raiseInsideNoError, raiseNoError } from '../system/fault'
import { commitGathered, gatherFlags } from '../vector/float-sse'
import { linearOf, probeWrite, readEa } from '../memory/memory'
import { OPF_MEM, OPF_WIDE, OP_FLAGS, OP_IMM, OP_REG, OP_RM, OP_SIZE, OP_VVVV, ea, opSeg } from './op'
import {
  CR0, CR0_PE, CR0_TS, CR4, CR4_OSXSAVE, EX_GP, EX_NM, EX_UD, FLAG_VM, RFLAGS, VEX_SCRATCH, XCR0, XMM_SIZE,
} from '../state'
import { read128, regV, write128 } from '../vector/xmm'
import { XCR0_AVX, XCR0_SSE } from '../system/xsave'

/** The op that SSE handlers are given. */
export const VOP: usize = VEX_SCRATCH
/** The first source, then the result. */
export const VEX_RESULT: usize = VEX_SCRATCH + 0x40
/** The second source. */
export const VEX_SOURCE: usize = VEX_SCRATCH + 0x80

// ---- what VEX instructions ask first, those on vectors more than those on general registers ----

/** There is no VEX in real and virtual-8086 mode. */
@inline export function checkVex(): void {
  if ((~load<u32>(CR0) & CR0_PE) | (load<u32>(RFLAGS) & FLAG_VM)) raiseNoError(EX_UD)
}

export function checkAvx(): void {
  checkVex()
  if ((~load<u32>(CR4) & CR4_OSXSAVE) | (~load<u32>(XCR0) & (XCR0_SSE | XCR0_AVX))) raiseNoError(EX_UD)
  if (load<u32>(CR0) & CR0_TS) raiseInsideNoError(EX_NM)
}

@inline export function isWide(op: usize): bool {
  return (load<u8>(op, OP_FLAGS) & OPF_WIDE) != 0
}

@inline export function inMemory(op: usize): bool {
  return (load<u8>(op, OP_FLAGS) & OPF_MEM) != 0
}

/** Address of the register in VEX.vvvv. */
@inline export function regH(op: usize): usize {
  return load<u16>(op, OP_VVVV)
}

// ---- whole registers ----

/** Reads the W operand to `to`: `size` bytes of memory, or a whole register. */
export function vexRead(op: usize, to: usize, size: u32): void {
  if (!inMemory(op)) {
    memory.copy(to, load<u16>(op, OP_RM), XMM_SIZE)
    return
  }
  if (size < 16) {
    store<u64>(to, 0, 8)
    store<u64>(to, size == 8 ? readEa<u64>(op) : size == 4 ? readEa<u32>(op) : size == 2 ? readEa<u16>(op) : readEa<u8>(op))
    return
  }
  readVector(op, to, size, false)
}

/** Reads 16 or 32 bytes of memory; `aligned` forms fault where the address is not a multiple of their size. */
export function readVector(op: usize, to: usize, size: u32, aligned: bool): void {
  const seg = opSeg(op)
  const at = ea(op)
  if (size == 32 && aligned) checkAligned32(op)
  const low = read128(seg, at, aligned)
  if (size == 32) {
    v128.store(to, read128(seg, at + 16, false), 16)
  }
  v128.store(to, low)
}

function checkAligned32(op: usize): void {
  if (linearOf(opSeg(op), ea(op), 32, false) & 31) raise(EX_GP, 0)
}

/** Writes as many bytes of `from` as the instruction's vectors have. */
export function writeVector(op: usize, from: usize, aligned: bool): void {
  const seg = opSeg(op)
  const at = ea(op)
  if (isWide(op)) {
    if (aligned) checkAligned32(op)
    // Both halves must take the write before either does.
    probeWrite(seg, at, 32)
    write128(seg, at + 16, v128.load(from, 16), false)
  }
  write128(seg, at, v128.load(from), aligned)
}

/** Sets a register to what is at `from`; a 128-bit instruction clears the upper half. */
@inline export function setVector(op: usize, register: usize, from: usize): void {
  v128.store(register, isWide(op) ? v128.load(from, 16) : i64x2.splat(0), 16)
  v128.store(register, v128.load(from))
}

@inline export function clearUpper(register: usize): void {
  v128.store(register, i64x2.splat(0), 16)
}

// ---- the halves ----

@inline function prepare(op: usize): void {
  memory.copy(VOP, op, OP_SIZE)
  store<u16>(VOP, <u16>VEX_RESULT, OP_REG)
  // Immediates are bytes; VEX.vvvv stands above them.
  store<u64>(VOP, <u64>load<u8>(op, OP_IMM), OP_IMM)
}

/** `narrow` and `wide` are the bytes that the 128-bit and the 256-bit form read from memory. */
export function vexBegin(op: usize, narrow: u32, wide: u32): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, isWide(op) ? wide : narrow)
  prepare(op)
  store<u16>(VOP, <u16>VEX_SOURCE, OP_RM)
  memory.copy(VEX_RESULT, regH(op), XMM_SIZE)
  gatherFlags()
}

/**
 * Turns VOP to the upper half; false where there is none. `result` and `source` say how far on it lies, `immediate` how
 * many bits of the immediate were the lower half's.
 */
export function vexUpper(result: u32, source: u32, immediate: u32): bool {
  if (!isWide(VOP)) return false
  store<u16>(VOP, <u16>(VEX_RESULT + result), OP_REG)
  store<u16>(VOP, <u16>(VEX_SOURCE + source), OP_RM)
  store<u32>(VOP, load<u32>(VOP, OP_IMM) >> immediate, OP_IMM)
  return true
}

export function vexFinish(op: usize): void {
  commitGathered()
  setVector(op, regV(op), VEX_RESULT)
}

/** The result has 128 bits in either form. */
export function vexFinishLow(op: usize): void {
  commitGathered()
  v128.store(regV(op), v128.load(VEX_RESULT))
  clearUpper(regV(op))
}

/** Shifts by an immediate: VEX.vvvv is the destination, ModRM.rm the source. */
export function vexFinishShift(op: usize): void {
  commitGathered()
  setVector(op, regH(op), VEX_SOURCE)
}

// ---- scalars: one run of the SSE form, which reads its own operand and leaves the upper part as the first source has it ----

/** Makes VOP for the SSE form. */
export function vexScalar(op: usize): void {
  checkAvx()
  prepare(op)
  v128.store(VEX_RESULT, v128.load(regH(op)))
}

export function vexFinishScalar(op: usize): void {
  v128.store(regV(op), v128.load(VEX_RESULT))
  clearUpper(regV(op))
}
