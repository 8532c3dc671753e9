/** FXSAVE, FXRSTOR, LDMXCSR, STMXCSR and the fences (Intel SDM vol. 1, 10.5; layout in table 10-2). */
import { raise, raiseNoError } from './fault'
import { linearOf, probeWrite, read, readEa, write, writeEa } from '../memory/memory'
import { ACCESS_USER, translate } from '../memory/page-walk'
import { OPF_SIZE, OP_FLAGS, ea, opSeg } from '../execute/op'
import {
  CPL, CR0, CR0_EM, CR0_TS, CR4, CR4_OSFXSR, EX_GP, EX_NM, FPR, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE,
  FPU_TAGS, MODE, MODE_CODE64, MXCSR, XMM, XMM_SIZE,
} from '../state'
import { read128, write128, checkSse } from '../vector/xmm'
import { setControlWord, setStatusWord, statusWord } from '../x87/x87-control'
import { seOf, sigOf, st, updateSummary } from '../x87/x87-state'

/** Bits that MXCSR has, DAZ among them; a 1 elsewhere is #GP. */
export const MXCSR_MASK: u32 = 0xffff

export function ldmxcsr(op: usize): void {
  checkSse()
  const value = readEa<u32>(op)
  if (value & ~MXCSR_MASK) raise(EX_GP, 0)
  store<u32>(MXCSR, value)
}

export function stmxcsr(op: usize): void {
  checkSse()
  writeEa<u32>(op, load<u32>(MXCSR))
}

@inline export function xmmCount(): u32 {
  return load<u32>(MODE) & MODE_CODE64 ? 16 : 8
}

function checkArea(op: usize, forWrite: bool): void {
  if (load<u32>(CR0) & (CR0_EM | CR0_TS)) raiseNoError(EX_NM)
  if (linearOf(opSeg(op), ea(op), 512, forWrite) & 15) raise(EX_GP, 0)
}

/** With REX.W the pointers have 64 bits and no selectors. */
@inline function wide(op: usize): bool {
  return (load<u8>(op, OP_FLAGS) & OPF_SIZE) == 3
}

export function fxsave(op: usize): void {
  checkArea(op, true)
  const seg = opSeg(op)
  const at = ea(op)
  probeWrite(seg, at, 512)
  saveX87(seg, at, wide(op))
  write<u32>(seg, at + 24, load<u32>(MXCSR))
  write<u32>(seg, at + 28, MXCSR_MASK)
  if (load<u32>(CR4) & CR4_OSFXSR) saveXmm(seg, at)
}

/** The x87 part of the area at `at`; with `wide64` the pointers have 64 bits and no selectors. */
export function saveX87(seg: usize, at: u64, wide64: bool): void {
  let tags: u32 = 0
  for (let i: u32 = 0; i < 8; i++) tags |= <u32>load<u8>(FPU_TAGS + i) << i
  write<u16>(seg, at, load<u16>(FPU_CONTROL))
  write<u16>(seg, at + 2, statusWord())
  write<u16>(seg, at + 4, <u16>tags)
  write<u16>(seg, at + 6, load<u16>(FPU_OPCODE))
  if (wide64) {
    write<u64>(seg, at + 8, load<u64>(FPU_IP))
    write<u64>(seg, at + 16, load<u64>(FPU_DP))
  } else {
    write<u32>(seg, at + 8, load<u32>(FPU_IP))
    write<u32>(seg, at + 12, load<u16>(FPU_CS))
    write<u32>(seg, at + 16, load<u32>(FPU_DP))
    write<u32>(seg, at + 20, load<u16>(FPU_DS))
  }
  for (let i: u32 = 0; i < 8; i++) {
    const r = st(i)
    const to = at + 32 + (<u64>i << 4)
    write<u64>(seg, to, sigOf(r))
    write<u64>(seg, to + 8, <u64>seOf(r))
  }
}

export function saveXmm(seg: usize, at: u64): void {
  const count = xmmCount()
  for (let i: u32 = 0; i < count; i++) {
    write128(seg, at + 160 + (<u64>i << 4), v128.load(XMM + <usize>i * XMM_SIZE), false)
  }
}

export function fxrstor(op: usize): void {
  checkArea(op, false)
  const seg = opSeg(op)
  const at = ea(op)
  // The last byte's fault comes before the first register changes.
  read<u8>(seg, at + 511)
  const mxcsr = read<u32>(seg, at + 24)
  const sse = (load<u32>(CR4) & CR4_OSFXSR) != 0
  if (sse && mxcsr & ~MXCSR_MASK) raise(EX_GP, 0)
  loadX87(seg, at, wide(op))
  if (!sse) return
  store<u32>(MXCSR, mxcsr)
  loadXmm(seg, at)
}

/** FNINIT's state. */
export function initX87(): void {
  setControlWord(0x37f)
  setStatusWord(0)
  store<u64>(FPU_TAGS, 0)
  store<u16>(FPU_OPCODE, 0)
  store<u64>(FPU_IP, 0)
  store<u16>(FPU_CS, 0)
  store<u64>(FPU_DP, 0)
  store<u16>(FPU_DS, 0)
  memory.fill(FPR, 0, 128)
  updateSummary()
}

export function loadX87(seg: usize, at: u64, wide64: bool): void {
  setControlWord(read<u16>(seg, at))
  setStatusWord(read<u16>(seg, at + 2))
  const tags = <u32>read<u8>(seg, at + 4)
  store<u16>(FPU_OPCODE, read<u16>(seg, at + 6) & 0x7ff)
  if (wide64) {
    store<u64>(FPU_IP, read<u64>(seg, at + 8))
    store<u64>(FPU_DP, read<u64>(seg, at + 16))
    store<u16>(FPU_CS, 0)
    store<u16>(FPU_DS, 0)
  } else {
    store<u64>(FPU_IP, <u64>read<u32>(seg, at + 8))
    store<u16>(FPU_CS, read<u16>(seg, at + 12))
    store<u64>(FPU_DP, <u64>read<u32>(seg, at + 16))
    store<u16>(FPU_DS, read<u16>(seg, at + 20))
  }
  for (let i: u32 = 0; i < 8; i++) {
    store<u8>(FPU_TAGS + i, <u8>((tags >> i) & 1))
    const r = st(i)
    const from = at + 32 + (<u64>i << 4)
    store<u64>(r, read<u64>(seg, from))
    store<u16>(r, read<u16>(seg, from + 8), 8)
  }
  updateSummary()
}

export function loadXmm(seg: usize, at: u64): void {
  const count = xmmCount()
  for (let i: u32 = 0; i < count; i++) {
    v128.store(XMM + <usize>i * XMM_SIZE, read128(seg, at + 160 + (<u64>i << 4), false))
  }
}

/** LFENCE, MFENCE, SFENCE: memory is in order already. */
export function fence(): void {}

/** There are no caches; the address is checked as for a load. */
export function clflush(op: usize): void {
  translate(linearOf(opSeg(op), ea(op), 1, false), load<u32>(CPL) == 3 ? ACCESS_USER : 0)
}
