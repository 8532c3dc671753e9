/** x87 instructions that add, subtract, multiply, divide and compare (Intel SDM vol. 2; opcodes D8 to DF). */
import { setArithFlags } from '../integer/flags'
import {
  C1, DE, ZE, flags, isDenormal, isInfinity, isNaN80, isUnsupported, isZero, nanDecided, raiseFlags, resultSe,
  resultSig,
} from './float80'
import { COMPARE_EQUAL, COMPARE_LESS, COMPARE_UNORDERED, add80, compare80, div80, mul80 } from './float80-arithmetic'
import { fromInteger, isDenormalSmall, widen } from './float80-convert'
import { readEa } from '../memory/memory'
import { FLAG_CF, FLAG_PF, FLAG_ZF } from '../state'
import {
  SW_C0, SW_C2, SW_C3, check, commit, isEmpty, note, noteMemory, pop, seOf, setCondition, setSt, sigOf, st, stNumber,
  underflow,
} from './x87-state'

// ---- arithmetic ----

// As ModRM.reg has them.
export const FADD: u32 = 0
export const FMUL: u32 = 1
export const FSUB: u32 = 4
export const FSUBR: u32 = 5
export const FDIV: u32 = 6
export const FDIVR: u32 = 7

/** The operation of ST(0), a, and another operand, b. */
function compute(kind: u32, aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (kind == FADD) add80(aSig, aSe, bSig, bSe, 0)
  else if (kind == FMUL) mul80(aSig, aSe, bSig, bSe)
  else if (kind == FSUB) add80(aSig, aSe, bSig, bSe, 1)
  else if (kind == FSUBR) add80(bSig, bSe, aSig, aSe, 1)
  else if (kind == FDIV) div80(aSig, aSe, bSig, bSe)
  else div80(bSig, bSe, aSig, aSe)
}

/** ST(0) and the operand that conversion left as result; `denormal` says it was one in memory. */
function computeMemory(kind: u32, denormal: bool): void {
  if (isEmpty(0)) {
    if (underflow()) setSt(0, resultSig, resultSe)
    return
  }
  const r = st(0)
  compute(kind, sigOf(r), seOf(r), resultSig, resultSe)
  if (denormal && !nanDecided && !(flags & ZE)) raiseFlags(DE)
  if (commit()) setSt(0, resultSig, resultSe)
}

export function farith_m32(op: usize, kind: u32): void {
  check()
  const value = readEa<u32>(op)
  noteMemory(op)
  widen<u32>(value)
  computeMemory(kind, isDenormalSmall<u32>(value))
}

export function farith_m64(op: usize, kind: u32): void {
  check()
  const value = readEa<u64>(op)
  noteMemory(op)
  widen<u64>(value)
  computeMemory(kind, isDenormalSmall<u64>(value))
}

export function farith_mi16(op: usize, kind: u32): void {
  check()
  const value = <i64>(<i16>readEa<u16>(op))
  noteMemory(op)
  fromInteger(value)
  computeMemory(kind, false)
}

export function farith_mi32(op: usize, kind: u32): void {
  check()
  const value = <i64>(<i32>readEa<u32>(op))
  noteMemory(op)
  fromInteger(value)
  computeMemory(kind, false)
}

/** ST(0) and ST(i); the result goes to ST(`to`). */
@inline function computeRegisters(op: usize, kind: u32, i: u32, to: u32): bool {
  check()
  note(op)
  if (isEmpty(0) || isEmpty(i)) {
    if (!underflow()) return false
  } else {
    const a = st(0)
    const b = st(i)
    compute(kind, sigOf(a), seOf(a), sigOf(b), seOf(b))
    if (!commit()) return false
  }
  setSt(to, resultSig, resultSe)
  return true
}

export function farith_st0_sti(op: usize, kind: u32): void {
  computeRegisters(op, kind, stNumber(op), 0)
}

export function farith_sti_st0(op: usize, kind: u32): void {
  computeRegisters(op, kind, stNumber(op), stNumber(op))
}

export function farithp(op: usize, kind: u32): void {
  if (computeRegisters(op, kind, stNumber(op), stNumber(op))) pop()
}

// ---- comparisons ----

function conditionOf(order: i32): u32 {
  if (order == COMPARE_UNORDERED) return SW_C3 | SW_C2 | SW_C0
  if (order == COMPARE_EQUAL) return SW_C3
  return order == COMPARE_LESS ? SW_C0 : 0
}

/** Sets the condition codes; true when the instruction may pop. */
function finishCompare(order: i32): bool {
  if (!commit()) {
    setCondition(conditionOf(order))
    return false
  }
  setCondition(conditionOf(order))
  return true
}

function compareEmpty(): bool {
  const may = underflow()
  setCondition(conditionOf(COMPARE_UNORDERED))
  return may
}

/** Compares ST(0) with the operand that conversion left as result. */
function compareMemory(denormal: bool): bool {
  if (isEmpty(0)) return compareEmpty()
  const r = st(0)
  const order = compare80(sigOf(r), seOf(r), resultSig, resultSe, false)
  if (denormal && !nanDecided) raiseFlags(DE)
  return finishCompare(order)
}

export function fcom_m32(op: usize, popping: bool): void {
  check()
  const value = readEa<u32>(op)
  noteMemory(op)
  widen<u32>(value)
  if (compareMemory(isDenormalSmall<u32>(value)) && popping) pop()
}

export function fcom_m64(op: usize, popping: bool): void {
  check()
  const value = readEa<u64>(op)
  noteMemory(op)
  widen<u64>(value)
  if (compareMemory(isDenormalSmall<u64>(value)) && popping) pop()
}

export function fcom_mi16(op: usize, popping: bool): void {
  check()
  const value = <i64>(<i16>readEa<u16>(op))
  noteMemory(op)
  fromInteger(value)
  if (compareMemory(false) && popping) pop()
}

export function fcom_mi32(op: usize, popping: bool): void {
  check()
  const value = <i64>(<i32>readEa<u32>(op))
  noteMemory(op)
  fromInteger(value)
  if (compareMemory(false) && popping) pop()
}

function compareRegisters(op: usize, i: u32, quiet: bool): bool {
  check()
  note(op)
  if (isEmpty(0) || isEmpty(i)) return compareEmpty()
  const a = st(0)
  const b = st(i)
  return finishCompare(compare80(sigOf(a), seOf(a), sigOf(b), seOf(b), quiet))
}

export function fcom_st(op: usize, pops: u32): void {
  if (!compareRegisters(op, stNumber(op), false)) return
  if (pops) pop()
  if (pops == 2) pop()
}

export function fucom_st(op: usize, pops: u32): void {
  if (!compareRegisters(op, stNumber(op), true)) return
  if (pops) pop()
  if (pops == 2) pop()
}

export function ftst(op: usize): void {
  check()
  note(op)
  if (isEmpty(0)) {
    compareEmpty()
    return
  }
  const r = st(0)
  finishCompare(compare80(sigOf(r), seOf(r), 0, 0, false))
}

/** FCOMI and FUCOMI: the order goes to ZF, PF and CF. */
export function fcomi(op: usize, quiet: bool, popping: bool): void {
  check()
  note(op)
  const i = stNumber(op)
  let order = COMPARE_UNORDERED
  let may: bool
  if (isEmpty(0) || isEmpty(i)) may = underflow()
  else {
    const a = st(0)
    const b = st(i)
    order = compare80(sigOf(a), seOf(a), sigOf(b), seOf(b), quiet)
    may = commit()
  }
  if (order == COMPARE_UNORDERED) setArithFlags(FLAG_ZF | FLAG_PF | FLAG_CF)
  else setArithFlags(order == COMPARE_EQUAL ? FLAG_ZF : order == COMPARE_LESS ? FLAG_CF : 0)
  if (may && popping) pop()
}

export function fxam(op: usize): void {
  check()
  note(op)
  const r = st(0)
  const sig = sigOf(r)
  const se = seOf(r)
  let bits: u32 = se >> 15 ? C1 : 0
  if (isEmpty(0)) bits |= SW_C3 | SW_C0
  else if (isZero(sig, se)) bits |= SW_C3
  else if (isDenormal(sig, se)) bits |= SW_C3 | SW_C2
  else if (isUnsupported(sig, se)) bits |= 0
  else if (isInfinity(sig, se)) bits |= SW_C2 | SW_C0
  else if (isNaN80(sig, se)) bits |= SW_C0
  else bits |= SW_C2
  setCondition(bits)
}
