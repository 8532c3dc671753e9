/** x87 instructions that load, store and move (Intel SDM vol. 2; opcodes D8 to DF). */
import { getCF, getPF, getZF } from '../integer/flags'
import {
  BIAS, IE, INDEFINITE_SE, INDEFINITE_SIG, INTEGER_BIT, ROUND_NEAREST, ROUND_UP, flags, raiseFlags, result, resultSe,
  resultSig, rounding, useControlWord,
} from './float80'
import {
  bcdHigh, bcdLow, fromBcd, fromInteger, fromSmall, integerIndefinite, toBcd, toInteger, toSmall,
} from './float80-convert'
import { probeWrite, read, readEa, write, writeEa } from '../memory/memory'
import { architecturalSegment, ea, opSeg } from '../execute/op'
import { FPU_CONTROL, FPU_DP, FPU_DS, FPU_TOP, SEG_SELECTOR } from '../state'
import {
  SW_SF, check, clearC1, commit, commitStore, isEmpty, note, noteMemory, notePlace, overflow, pop, push, seOf, setSt, sigOf, st,
  storeBlocked, tagOf, stNumber, underflow,
} from './x87-state'

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
  useControlWord(load<u16>(FPU_CONTROL))
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

/** Where the store did not fault: until then the pointers are the last instruction's. */
@inline function noteOperand(op: usize): void {
  notePlace()
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
  useControlWord(load<u16>(FPU_CONTROL))
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
  useControlWord(load<u16>(FPU_CONTROL))
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
function integerOfTop<T>(truncate: bool): i64 {
  if (isEmpty(0)) {
    raiseFlags(IE | SW_SF)
    return integerIndefinite<T>()
  }
  const r = st(0)
  return toInteger<T>(sigOf(r), seOf(r), truncate)
}

function storeInteger<T>(op: usize, popping: bool, truncate: bool = false): void {
  check()
  useControlWord(load<u16>(FPU_CONTROL))
  const value = integerOfTop<T>(truncate)
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

export function fisttp_m16(op: usize): void {
  storeInteger<i16>(op, true, true)
}

export function fisttp_m32(op: usize): void {
  storeInteger<i32>(op, true, true)
}

export function fisttp_m64(op: usize): void {
  storeInteger<i64>(op, true, true)
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
