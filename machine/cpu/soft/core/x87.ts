/**
 * x87 instructions that load, store, compute and compare (Intel SDM vol. 2; opcodes D8 to DF). Environment and state
 * are in x87-control.ts.
 */
import { setArithFlags, getCF, getPF, getZF } from './flags'
import {
  BIAS, C1, COMPARE_EQUAL, COMPARE_LESS, COMPARE_UNORDERED, DE, EXP_MAX, IE, INDEFINITE_SE, INDEFINITE_SIG, INTEGER_BIT,
  ROUND_DOWN, ROUND_NEAREST, ROUND_UP, ROUND_ZERO, ZE, add80, compare80, div80, flags, isDenormal, isInfinity, isNaN80,
  isUnsupported, isZero, mul80, nanDecided, nanOf, normalExp, normalSig, partial, quotientBits, raiseFlags, rem80,
  result, resultSe, resultSig, roundToIntegral80, rounding, scale80, sqrt80,
} from './float80'
import {
  bcdHigh, bcdLow, fromBcd, fromInteger, fromSmall, integerIndefinite, isDenormalSmall, toBcd, toInteger, toSmall, widen,
} from './float80-convert'
import { probeWrite, read, readEa, write, writeEa } from './memory'
import { OP_RM, architecturalSegment, ea, opSeg } from './op'
import { FLAG_CF, FLAG_PF, FLAG_ZF, FPU_DP, FPU_DS, FPU_STATUS, FPU_TOP, SEG_SELECTOR } from './state'
import {
  SW_C0, SW_C2, SW_C3, SW_SF, check, clearC1, commit, commitStore, isEmpty, note, noteMemory, overflow, pop, push, seOf,
  setCondition, setSt, sigOf, st, storeBlocked, tagOf, underflow,
} from './x87-state'
import {
  atan80, exp2m180, inTrigRange, sin80, tan80, yl2x80, yl2xp180,
} from './x87-transcendental'

@inline function stNumber(op: usize): u32 {
  return load<u16>(op, OP_RM)
}

// ---- loads ----

/** Pushes the result, or what a stack overflow leaves. A denormal is loaded even where its exception is unmasked. */
function pushLoaded(): void {
  if (!isEmpty(7)) {
    if (!overflow()) return
  } else if (!commit() && flags & IE) return
  push(resultSig, resultSe)
}

export function fld_m32(op: usize): void {
  check()
  const value = readEa<u32>(op)
  noteMemory(op)
  if (isEmpty(7)) fromSmall<u32>(value)
  pushLoaded()
}

export function fld_m64(op: usize): void {
  check()
  const value = readEa<u64>(op)
  noteMemory(op)
  if (isEmpty(7)) fromSmall<u64>(value)
  pushLoaded()
}

export function fld_m80(op: usize): void {
  check()
  const sig = readEa<u64>(op)
  const se = <u32>read<u16>(opSeg(op), ea(op) + 8)
  noteMemory(op)
  result(sig, se)
  pushLoaded()
}

export function fld_st(op: usize): void {
  check()
  note(op)
  const i = stNumber(op)
  if (isEmpty(i)) {
    if (underflow()) push(resultSig, resultSe)
  } else if (!isEmpty(7)) {
    if (overflow()) push(resultSig, resultSe)
  } else {
    const r = st(i)
    clearC1()
    push(sigOf(r), seOf(r))
  }
}

function loadInteger(op: usize, value: i64): void {
  noteMemory(op)
  fromInteger(value)
  pushLoaded()
}

export function fild_m16(op: usize): void {
  check()
  loadInteger(op, <i64>(<i16>readEa<u16>(op)))
}

export function fild_m32(op: usize): void {
  check()
  loadInteger(op, <i64>(<i32>readEa<u32>(op)))
}

export function fild_m64(op: usize): void {
  check()
  loadInteger(op, <i64>readEa<u64>(op))
}

export function fbld(op: usize): void {
  check()
  const low = readEa<u64>(op)
  const high = read<u16>(opSeg(op), ea(op) + 8)
  noteMemory(op)
  fromBcd(low, high)
  pushLoaded()
}

/** A constant whose last bit goes with the rounding mode: `nearest` is its significand to the nearest. */
function loadConstant(op: usize, se: u32, cut: u64, nearestUp: bool): void {
  check()
  note(op)
  const up = rounding == ROUND_UP || (rounding == ROUND_NEAREST && nearestUp)
  result(cut + u64(up), se)
  pushLoaded()
}

export function fld1(op: usize): void {
  check()
  note(op)
  result(INTEGER_BIT, <u32>BIAS)
  pushLoaded()
}

export function fldz(op: usize): void {
  check()
  note(op)
  result(0, 0)
  pushLoaded()
}

export function fldl2t(op: usize): void {
  loadConstant(op, 0x4000, 0xd49a784bcd1b8afe, false)
}

export function fldl2e(op: usize): void {
  loadConstant(op, 0x3fff, 0xb8aa3b295c17f0bb, true)
}

export function fldpi(op: usize): void {
  loadConstant(op, 0x4000, 0xc90fdaa22168c234, true)
}

export function fldlg2(op: usize): void {
  loadConstant(op, 0x3ffd, 0x9a209a84fbcff798, true)
}

export function fldln2(op: usize): void {
  loadConstant(op, 0x3ffe, 0xb17217f7d1cf79ab, true)
}

// ---- stores ----

/** FST and FSTP to a single or double. */
function storeSmall<T>(op: usize, popping: bool): void {
  check()
  note(op)
  let value: T
  if (isEmpty(0)) {
    raiseFlags(IE | SW_SF)
    value = toSmall<T>(INDEFINITE_SIG, INDEFINITE_SE)
  } else {
    const r = st(0)
    value = toSmall<T>(sigOf(r), seOf(r))
  }
  if (!storeBlocked()) writeEa<T>(op, value)
  noteOperand(op)
  if (commitStore() && popping) pop()
}

@inline function noteOperand(op: usize): void {
  store<u64>(FPU_DP, ea(op))
  store<u16>(FPU_DS, load<u16>(architecturalSegment(opSeg(op)), SEG_SELECTOR))
}

export function fst_m32(op: usize): void {
  storeSmall<u32>(op, false)
}

export function fstp_m32(op: usize): void {
  storeSmall<u32>(op, true)
}

export function fst_m64(op: usize): void {
  storeSmall<u64>(op, false)
}

export function fstp_m64(op: usize): void {
  storeSmall<u64>(op, true)
}

function writeTen(op: usize, low: u64, high: u16): void {
  const seg = opSeg(op)
  const offset = ea(op)
  probeWrite(seg, offset, 10)
  write<u64>(seg, offset, low)
  write<u16>(seg, offset + 8, high)
}

export function fstp_m80(op: usize): void {
  check()
  note(op)
  if (isEmpty(0)) {
    raiseFlags(IE | SW_SF)
    if (!storeBlocked()) writeTen(op, INDEFINITE_SIG, <u16>INDEFINITE_SE)
  } else {
    const r = st(0)
    writeTen(op, sigOf(r), <u16>seOf(r))
  }
  noteOperand(op)
  if (commitStore()) pop()
}

export function fbstp(op: usize): void {
  check()
  note(op)
  if (isEmpty(0)) {
    raiseFlags(IE | SW_SF)
    toBcd(INDEFINITE_SIG, INDEFINITE_SE)
  } else {
    const r = st(0)
    toBcd(sigOf(r), seOf(r))
  }
  if (!storeBlocked()) writeTen(op, bcdLow, bcdHigh)
  noteOperand(op)
  if (commitStore()) pop()
}

/** Rounds ST(0) to an integer of T's size, with the flags of a store. */
function integerOfTop<T>(): i64 {
  if (isEmpty(0)) {
    raiseFlags(IE | SW_SF)
    return integerIndefinite<T>()
  }
  const r = st(0)
  return toInteger<T>(sigOf(r), seOf(r), false)
}

function storeInteger<T>(op: usize, popping: bool): void {
  check()
  note(op)
  const value = integerOfTop<T>()
  if (!storeBlocked()) {
    if (sizeof<T>() == 2) writeEa<u16>(op, <u16>value)
    else if (sizeof<T>() == 4) writeEa<u32>(op, <u32>value)
    else writeEa<u64>(op, <u64>value)
  }
  noteOperand(op)
  if (commitStore() && popping) pop()
}

export function fist_m16(op: usize): void {
  storeInteger<i16>(op, false)
}

export function fistp_m16(op: usize): void {
  storeInteger<i16>(op, true)
}

export function fist_m32(op: usize): void {
  storeInteger<i32>(op, false)
}

export function fistp_m32(op: usize): void {
  storeInteger<i32>(op, true)
}

export function fistp_m64(op: usize): void {
  storeInteger<i64>(op, true)
}

function storeTop(op: usize, popping: bool): void {
  check()
  note(op)
  if (isEmpty(0)) {
    if (!underflow()) return
    setSt(stNumber(op), resultSig, resultSe)
  } else {
    const r = st(0)
    clearC1()
    setSt(stNumber(op), sigOf(r), seOf(r))
  }
  if (popping) pop()
}

export function fst_st(op: usize): void {
  storeTop(op, false)
}

export function fstp_st(op: usize): void {
  storeTop(op, true)
}

/** FSTP1 (undocumented): an empty ST(0) is popped without a fault and nothing is stored. */
export function fstpnce(op: usize): void {
  if (!isEmpty(0)) {
    storeTop(op, true)
    return
  }
  check()
  note(op)
  clearC1()
  pop()
}

// ---- moves within the stack ----

export function fxch(op: usize): void {
  check()
  note(op)
  const i = stNumber(op)
  if (isEmpty(0) || isEmpty(i)) {
    if (!underflow()) return
    if (isEmpty(0)) setSt(0, INDEFINITE_SIG, INDEFINITE_SE)
    if (isEmpty(i)) setSt(i, INDEFINITE_SIG, INDEFINITE_SE)
  } else clearC1()
  const a = st(0)
  const b = st(i)
  const sig = sigOf(a)
  const se = seOf(a)
  setSt(0, sigOf(b), seOf(b))
  setSt(i, sig, se)
}

function moveIf(op: usize, condition: bool): void {
  check()
  note(op)
  const i = stNumber(op)
  if (isEmpty(0) || isEmpty(i)) {
    if (underflow()) setSt(0, resultSig, resultSe)
    return
  }
  if (condition) {
    const r = st(i)
    setSt(0, sigOf(r), seOf(r))
  }
}

export function fcmovb(op: usize): void {
  moveIf(op, getCF() != 0)
}

export function fcmove(op: usize): void {
  moveIf(op, getZF())
}

export function fcmovbe(op: usize): void {
  moveIf(op, getCF() != 0 || getZF())
}

export function fcmovu(op: usize): void {
  moveIf(op, getPF())
}

export function fcmovnb(op: usize): void {
  moveIf(op, getCF() == 0)
}

export function fcmovne(op: usize): void {
  moveIf(op, !getZF())
}

export function fcmovnbe(op: usize): void {
  moveIf(op, getCF() == 0 && !getZF())
}

export function fcmovnu(op: usize): void {
  moveIf(op, !getPF())
}

export function fdecstp(op: usize): void {
  check()
  note(op)
  clearC1()
  store<u32>(FPU_TOP, (load<u32>(FPU_TOP) - 1) & 7)
}

export function fincstp(op: usize): void {
  check()
  note(op)
  clearC1()
  store<u32>(FPU_TOP, (load<u32>(FPU_TOP) + 1) & 7)
}

export function ffree(op: usize): void {
  check()
  note(op)
  clearC1()
  store<u8>(tagOf(stNumber(op)), 0)
}

/** Undocumented: FFREE and a pop. */
export function ffreep(op: usize): void {
  ffree(op)
  pop()
}

export function fnop(op: usize): void {
  check()
  note(op)
}

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

/** Starts an instruction with the one operand ST(0); false when it is empty (and all is done). */
@inline function topOperand(op: usize): bool {
  check()
  note(op)
  if (!isEmpty(0)) return true
  if (underflow()) setSt(0, resultSig, resultSe)
  return false
}

@inline function finishTop(): void {
  if (commit()) setSt(0, resultSig, resultSe)
}

export function fchs(op: usize): void {
  if (!topOperand(op)) return
  const r = st(0)
  clearC1()
  store<u16>(r, <u16>(seOf(r) ^ 0x8000), 8)
}

export function fabs(op: usize): void {
  if (!topOperand(op)) return
  const r = st(0)
  clearC1()
  store<u16>(r, <u16>(seOf(r) & 0x7fff), 8)
}

export function fsqrt(op: usize): void {
  if (!topOperand(op)) return
  const r = st(0)
  sqrt80(sigOf(r), seOf(r))
  finishTop()
}

export function frndint(op: usize): void {
  if (!topOperand(op)) return
  const r = st(0)
  roundToIntegral80(sigOf(r), seOf(r))
  finishTop()
}

export function f2xm1(op: usize): void {
  if (!topOperand(op)) return
  const r = st(0)
  exp2m180(sigOf(r), seOf(r))
  finishTop()
}

export function fscale(op: usize): void {
  check()
  note(op)
  if (isEmpty(0) || isEmpty(1)) {
    if (underflow()) setSt(0, resultSig, resultSe)
    return
  }
  const a = st(0)
  const b = st(1)
  scale80(sigOf(a), seOf(a), sigOf(b), seOf(b))
  finishTop()
}

function remainder(op: usize, nearest: bool): void {
  check()
  note(op)
  clearC2()
  if (isEmpty(0) || isEmpty(1)) {
    if (underflow()) setSt(0, resultSig, resultSe)
    return
  }
  const a = st(0)
  const b = st(1)
  rem80(sigOf(a), seOf(a), sigOf(b), seOf(b), nearest)
  if (!commit()) return
  setSt(0, resultSig, resultSe)
  // A NaN leaves C0 and C3.
  if (flags & IE || nanDecided) return
  let bits: u32 = 0
  if (partial) bits = SW_C2
  else {
    if (quotientBits & 1) bits |= C1
    if (quotientBits & 2) bits |= SW_C3
    if (quotientBits & 4) bits |= SW_C0
  }
  setCondition(bits)
}

export function fprem(op: usize): void {
  remainder(op, false)
}

export function fprem1(op: usize): void {
  remainder(op, true)
}

export function fxtract(op: usize): void {
  check()
  note(op)
  if (isEmpty(0)) {
    if (underflow()) {
      setSt(0, resultSig, resultSe)
      push(resultSig, resultSe)
    }
    return
  }
  if (!isEmpty(7)) {
    if (overflow()) {
      setSt(0, resultSig, resultSe)
      push(resultSig, resultSe)
    }
    return
  }
  const r = st(0)
  const sig = sigOf(r)
  const se = seOf(r)
  if (nanOf(sig, se)) {
    if (commit()) {
      setSt(0, resultSig, resultSe)
      push(resultSig, resultSe)
    }
    return
  }
  if (isInfinity(sig, se)) {
    clearC1()
    setSt(0, INTEGER_BIT, EXP_MAX)
    push(sig, se)
    return
  }
  if (isZero(sig, se)) {
    raiseFlags(ZE)
    if (!commit()) return
    setSt(0, INTEGER_BIT, 0x8000 | EXP_MAX)
    push(sig, se)
    return
  }
  if (isDenormal(sig, se)) raiseFlags(DE)
  if (!commit()) return
  fromInteger(<i64>(normalExp(sig, se) - BIAS))
  setSt(0, resultSig, resultSe)
  push(normalSig(sig), (se & 0x8000) | <u32>BIAS)
}

// ---- transcendental functions ----

/** True when ST(0) is beyond 2^63, which C2 tells; the register stays, and C0 and C3. */
function outOfRange(sig: u64, se: u32): bool {
  if (inTrigRange(sig, se) || isUnsupported(sig, se) || isNaN80(sig, se) || isInfinity(sig, se)) return false
  clearC1()
  store<u16>(FPU_STATUS, <u16>(load<u16>(FPU_STATUS) | SW_C2))
  return true
}

@inline function clearC2(): void {
  store<u16>(FPU_STATUS, <u16>(load<u16>(FPU_STATUS) & ~SW_C2))
}

function sineOrCosine(op: usize, cosine: u32): void {
  check()
  clearC2()
  if (!topOperand(op)) return
  const r = st(0)
  if (outOfRange(sigOf(r), seOf(r))) return
  sin80(sigOf(r), seOf(r), cosine)
  finishTop()
}

export function fsin(op: usize): void {
  sineOrCosine(op, 0)
}

export function fcos(op: usize): void {
  sineOrCosine(op, 1)
}

/** FPTAN and FSINCOS: two results. False when all is done. */
function topAndRoom(op: usize): bool {
  check()
  note(op)
  clearC2()
  const empty = isEmpty(0)
  if (empty || !isEmpty(7)) {
    if (empty ? underflow() : overflow()) {
      setSt(0, resultSig, resultSe)
      push(resultSig, resultSe)
    }
    return false
  }
  const r = st(0)
  return !outOfRange(sigOf(r), seOf(r))
}

export function fptan(op: usize): void {
  if (!topAndRoom(op)) return
  const r = st(0)
  tan80(sigOf(r), seOf(r))
  if (!commit()) return
  setSt(0, resultSig, resultSe)
  // A NaN is pushed twice, else 1 on top of the tangent.
  if (nanDecided || flags & IE) push(resultSig, resultSe)
  else push(INTEGER_BIT, <u32>BIAS)
}

export function fsincos(op: usize): void {
  if (!topAndRoom(op)) return
  const r = st(0)
  const sig = sigOf(r)
  const se = seOf(r)
  sin80(sig, se, 1)
  const cosSig = resultSig
  const cosSe = resultSe
  sin80(sig, se, 0)
  if (!commit()) return
  setSt(0, resultSig, resultSe)
  push(cosSig, cosSe)
}

/** Starts an instruction on ST(1) and ST(0) that leaves one result; false when one is empty (and all is done). */
function twoOperands(op: usize): bool {
  check()
  note(op)
  if (!isEmpty(0) && !isEmpty(1)) return true
  if (underflow()) {
    setSt(1, resultSig, resultSe)
    pop()
  }
  return false
}

@inline function finishTwo(): void {
  if (!commit()) return
  setSt(1, resultSig, resultSe)
  pop()
}

export function fpatan(op: usize): void {
  if (!twoOperands(op)) return
  const x = st(0)
  const y = st(1)
  atan80(sigOf(y), seOf(y), sigOf(x), seOf(x))
  finishTwo()
}

export function fyl2x(op: usize): void {
  if (!twoOperands(op)) return
  const x = st(0)
  const y = st(1)
  yl2x80(sigOf(y), seOf(y), sigOf(x), seOf(x))
  finishTwo()
}

export function fyl2xp1(op: usize): void {
  if (!twoOperands(op)) return
  const x = st(0)
  const y = st(1)
  yl2xp180(sigOf(y), seOf(y), sigOf(x), seOf(x))
  finishTwo()
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
