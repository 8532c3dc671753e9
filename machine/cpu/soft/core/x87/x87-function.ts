/** x87 instructions that compute functions of ST(0), or of ST(0) and ST(1) (Intel SDM vol. 2; opcodes D8 to DF). */
import { normalExp, normalSig } from '../vector/float-core'
import {
  BIAS, C1, DE, EXP_MAX, IE, INTEGER_BIT, ZE, flags, isDenormal, isInfinity, isNaN80, isUnsupported, isZero,
  nanDecided, nanOf, raiseFlags, resultSe, resultSig,
} from './float80'
import { partial, quotientBits, rem80, roundToIntegral80, scale80, sqrt80 } from './float80-arithmetic'
import { fromInteger } from './float80-convert'
import { FPU_STATUS } from '../state'
import {
  SW_C0, SW_C2, SW_C3, check, clearC1, commit, isEmpty, note, overflow, pop, push, seOf, setCondition, setSt, sigOf,
  st, underflow,
} from './x87-state'
import { atan80, exp2m180, inTrigRange, sin80, tan80, yl2x80, yl2xp180 } from './x87-transcendental'

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
