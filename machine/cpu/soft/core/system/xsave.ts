/**
 * XSAVE and its kin, XCR0 (Intel SDM vol. 1, chapter 13). States are always taken to be in use: no instruction leaves a
 * part out because it is in its initial state, which is what the manual allows.
 */
import { raise, raiseNoError } from './fault'
import { has } from './features'
import { initX87, loadX87, loadXmm, MXCSR_MASK, saveX87, saveXmm, xmmCount } from './fxsave'
import { F_AVX, F_XGETBV1 } from '../generated/features'
import { linearOf, probeWrite, read, write } from '../memory/memory'
import { OPF_SIZE, OP_FLAGS, ea, opSeg } from '../execute/op'
import { setGpr } from '../execute/operand'
import { nextIp } from '../execute/progress'
import {
  CPL, CR0, CR0_TS, CR4, CR4_OSXSAVE, EX_GP, EX_NM, EX_UD, MXCSR, RAX, RCX, RDX, RIP, XCR0, XMM, XMM_SIZE,
} from '../state'
import { read128, write128 } from '../vector/xmm'

export const XCR0_X87: u32 = 1
export const XCR0_SSE: u32 = 2
export const XCR0_AVX: u32 = 4

// The area: 512 bytes as FXSAVE has them, the header, the upper halves of the YMM registers.
const XSTATE_BV: u64 = 512
const XCOMP_BV: u64 = 520
const RESERVED: u64 = 528
const YMM_HIGH: u64 = 576
const COMPACTED: u64 = 0x8000000000000000

/** The states that the model has. */
export function xcr0Bits(): u32 {
  return has(F_AVX) ? XCR0_X87 | XCR0_SSE | XCR0_AVX : XCR0_X87 | XCR0_SSE
}

/** Bytes of an area that holds `states`; the compacted form is as long, for there is one extended state. */
export function xsaveSize(states: u32): u32 {
  return states & XCR0_AVX ? 832 : 576
}

function checkXsave(): void {
  if (!(load<u32>(CR4) & CR4_OSXSAVE)) raiseNoError(EX_UD)
  if (load<u32>(CR0) & CR0_TS) raiseNoError(EX_NM)
}

@inline function wide(op: usize): bool {
  return (load<u8>(op, OP_FLAGS) & OPF_SIZE) == 3
}

/** The states that the instruction is asked for and that are on. */
@inline function requested(): u32 {
  return load<u32>(RAX) & load<u32>(XCR0)
}

function area(op: usize, size: u32, forWrite: bool): u64 {
  if (linearOf(opSeg(op), ea(op), size, forWrite) & 63) raise(EX_GP, 0)
  return ea(op)
}

function saveStates(op: usize, at: u64, states: u32): void {
  const seg = opSeg(op)
  if (states & XCR0_X87) saveX87(seg, at, wide(op))
  if (states & XCR0_SSE) saveXmm(seg, at)
  if (states & (XCR0_SSE | XCR0_AVX)) {
    write<u32>(seg, at + 24, load<u32>(MXCSR))
    write<u32>(seg, at + 28, MXCSR_MASK)
  }
  if (states & XCR0_AVX) {
    const count = xmmCount()
    for (let i: u32 = 0; i < count; i++) {
      write128(seg, at + YMM_HIGH + (<u64>i << 4), v128.load(XMM + <usize>i * XMM_SIZE + 16), false)
    }
  }
}

/** XSAVE, XSAVEOPT. */
export function xsave(op: usize): void {
  checkXsave()
  const seg = opSeg(op)
  const states = requested()
  const size = xsaveSize(states)
  const at = area(op, size, true)
  const before = read<u64>(seg, at + XSTATE_BV)
  probeWrite(seg, at, size)
  saveStates(op, at, states)
  write<u64>(seg, at + XSTATE_BV, (before & ~(<u64>load<u32>(RAX) | (<u64>load<u32>(RDX) << 32))) | states)
}

export function xsavec(op: usize): void {
  checkXsave()
  const seg = opSeg(op)
  const states = requested()
  const size = xsaveSize(states)
  const at = area(op, size, true)
  probeWrite(seg, at, size)
  saveStates(op, at, states)
  write<u64>(seg, at + XSTATE_BV, states)
  write<u64>(seg, at + XCOMP_BV, COMPACTED | states)
}

export function xrstor(op: usize): void {
  checkXsave()
  const seg = opSeg(op)
  const asked = requested()
  const at = area(op, 576, false)
  const present = read<u64>(seg, at + XSTATE_BV)
  const layout = read<u64>(seg, at + XCOMP_BV)
  const compacted = (layout & COMPACTED) != 0
  const on = <u64>load<u32>(XCR0)
  if (compacted) {
    if ((layout & ~COMPACTED) & ~on || present & ~layout) raise(EX_GP, 0)
  } else if (layout || present & ~on) raise(EX_GP, 0)
  if (read<u64>(seg, at + RESERVED) || (!compacted && read<u64>(seg, at + RESERVED + 8))) raise(EX_GP, 0)
  const states = asked & <u32>present
  // All that may fault comes before the first register changes.
  if (asked & XCR0_AVX && states & XCR0_AVX) {
    linearOf(seg, at + YMM_HIGH, 256, false)
    read<u64>(seg, at + YMM_HIGH)
    read<u64>(seg, at + YMM_HIGH + 248)
  }
  read<u64>(seg, at)
  let mxcsr = load<u32>(MXCSR)
  // MXCSR goes with SSE, and in the standard form with AVX, whether or not their bits are set in the area.
  if (compacted ? states & (XCR0_SSE | XCR0_AVX) : asked & (XCR0_SSE | XCR0_AVX)) {
    mxcsr = read<u32>(seg, at + 24)
    if (mxcsr & ~MXCSR_MASK) raise(EX_GP, 0)
  } else if (compacted && asked & XCR0_SSE) mxcsr = 0x1f80
  if (asked & XCR0_X87) {
    if (states & XCR0_X87) loadX87(seg, at, wide(op))
    else initX87()
  }
  store<u32>(MXCSR, mxcsr)
  const count = xmmCount()
  if (asked & XCR0_SSE) {
    if (states & XCR0_SSE) loadXmm(seg, at)
    else for (let i: u32 = 0; i < count; i++) v128.store(XMM + <usize>i * XMM_SIZE, i64x2.splat(0))
  }
  if (asked & XCR0_AVX) {
    for (let i: u32 = 0; i < count; i++) {
      const value = states & XCR0_AVX ? read128(seg, at + YMM_HIGH + (<u64>i << 4), false) : i64x2.splat(0)
      v128.store(XMM + <usize>i * XMM_SIZE + 16, value)
    }
  }
}

/** 0F 01 D0. ECX 1: the states in use, which are all. */
export function xgetbv(): void {
  if (!(load<u32>(CR4) & CR4_OSXSAVE)) raiseNoError(EX_UD)
  const ecx = load<u32>(RCX)
  if (ecx > 1 || (ecx == 1 && !has(F_XGETBV1))) raise(EX_GP, 0)
  setGpr<u32>(RAX, load<u32>(XCR0))
  setGpr<u32>(RDX, 0)
}

/** 0F 01 D1. */
export function xsetbv(op: usize): void {
  if (!(load<u32>(CR4) & CR4_OSXSAVE)) raiseNoError(EX_UD)
  if (load<u32>(CPL) || load<u32>(RCX)) raise(EX_GP, 0)
  const value = load<u32>(RAX)
  if (load<u32>(RDX) || value & ~xcr0Bits() || !(value & XCR0_X87)) raise(EX_GP, 0)
  if (value & XCR0_AVX && !(value & XCR0_SSE)) raise(EX_GP, 0)
  store<u64>(XCR0, value)
  store<u64>(RIP, nextIp(op))
}
