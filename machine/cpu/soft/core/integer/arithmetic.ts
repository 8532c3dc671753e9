/**
 * Addition, subtraction, comparison and logic (Intel SDM vol. 2). Operand order in names is the manual's: `alu_E_G` has
 * its destination in E.
 */
import { AUX_KEEP, getCF } from './flags'
import { rmwBegin, rmwEnd } from '../memory/memory'
import { ea, opSeg } from '../execute/op'
import { extend, imm, readE, regOf, rmOf, setReg } from '../execute/operand'
import { LAZY_AUX, LAZY_RESULT, RAX } from '../state'

// ---- lazy flags of additions and subtractions ----

@inline function carries<T>(c: T): u32 {
  if (sizeof<T>() == 1) return ((<u32>c << 24) & 0xc0000000) | (<u32>c & 8)
  if (sizeof<T>() == 2) return ((<u32>c << 16) & 0xc0000000) | (<u32>c & 8)
  if (sizeof<T>() == 4) return <u32>c & AUX_KEEP
  return (<u32>(<u64>c >> 32) & 0xc0000000) | (<u32>c & 8)
}

@inline export function flagsAdd<T>(a: T, b: T, r: T): void {
  store<i64>(LAZY_RESULT, extend<T>(r))
  store<u32>(LAZY_AUX, carries<T>(<T>((a & b) | ((a | b) & ~r))))
}

@inline export function flagsSub<T>(a: T, b: T, r: T): void {
  store<i64>(LAZY_RESULT, extend<T>(r))
  store<u32>(LAZY_AUX, carries<T>(<T>((~a & b) | ((~a | b) & r))))
}

/** The flags of a - b. */
@inline export function cmpSub<T>(a: T, b: T): void {
  flagsSub<T>(a, b, <T>(a - b))
}

@inline function flagsLogic<T>(r: T): void {
  store<i64>(LAZY_RESULT, extend<T>(r))
  store<u32>(LAZY_AUX, 0)
}

export const ADD: i32 = 0
export const OR: i32 = 1
export const ADC: i32 = 2
export const SBB: i32 = 3
export const AND: i32 = 4
export const SUB: i32 = 5
export const XOR: i32 = 6

/** Result and flags of one of the eight ALU operations (all but CMP write their result). */
@inline export function alu<T>(k: i32, a: T, b: T): T {
  let r: T
  if (k == ADD) {
    r = <T>(a + b)
    flagsAdd<T>(a, b, r)
  } else if (k == ADC) {
    r = <T>(a + b + <T>getCF())
    flagsAdd<T>(a, b, r)
  } else if (k == SUB) {
    r = <T>(a - b)
    flagsSub<T>(a, b, r)
  } else if (k == SBB) {
    r = <T>(a - b - <T>getCF())
    flagsSub<T>(a, b, r)
  } else {
    if (k == OR) r = <T>(a | b)
    else if (k == AND) r = <T>(a & b)
    else r = <T>(a ^ b)
    flagsLogic<T>(r)
  }
  return r
}

@inline export function alu_E_G<T>(op: usize, memory: bool, k: i32): void {
  const b = load<T>(regOf(op))
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    // ADC and SBB read CF, which the (possible) write back cannot disturb: it cannot fault.
    store<T>(p, alu<T>(k, load<T>(p), b))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, alu<T>(k, load<T>(d), b))
  }
}

@inline export function alu_G_E<T>(op: usize, memory: bool, k: i32): void {
  const b = readE<T>(op, memory)
  const d = regOf(op)
  setReg<T>(d, alu<T>(k, load<T>(d), b))
}

@inline export function alu_E_I<T>(op: usize, memory: bool, k: i32): void {
  const b = imm<T>(op)
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, alu<T>(k, load<T>(p), b))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, alu<T>(k, load<T>(d), b))
  }
}

@inline export function alu_A_I<T>(op: usize, k: i32): void {
  setReg<T>(RAX, alu<T>(k, load<T>(RAX), imm<T>(op)))
}

@inline export function cmp_E_G<T>(op: usize, memory: bool): void {
  const a = readE<T>(op, memory)
  const b = load<T>(regOf(op))
  flagsSub<T>(a, b, <T>(a - b))
}

@inline export function cmp_G_E<T>(op: usize, memory: bool): void {
  const b = readE<T>(op, memory)
  const a = load<T>(regOf(op))
  flagsSub<T>(a, b, <T>(a - b))
}

@inline export function cmp_E_I<T>(op: usize, memory: bool): void {
  const a = readE<T>(op, memory)
  const b = imm<T>(op)
  flagsSub<T>(a, b, <T>(a - b))
}

@inline export function cmp_A_I<T>(op: usize): void {
  const a = load<T>(RAX)
  const b = imm<T>(op)
  flagsSub<T>(a, b, <T>(a - b))
}

@inline export function test_E_G<T>(op: usize, memory: bool): void {
  flagsLogic<T>(<T>(readE<T>(op, memory) & load<T>(regOf(op))))
}

@inline export function test_E_I<T>(op: usize, memory: bool): void {
  flagsLogic<T>(<T>(readE<T>(op, memory) & imm<T>(op)))
}

@inline export function test_A_I<T>(op: usize): void {
  flagsLogic<T>(<T>(load<T>(RAX) & imm<T>(op)))
}

/** INC and DEC leave CF alone. */
@inline export function incDec<T>(a: T, dec: bool): T {
  const carry = getCF()
  let r: T
  if (dec) {
    r = <T>(a - 1)
    flagsSub<T>(a, <T>1, r)
  } else {
    r = <T>(a + 1)
    flagsAdd<T>(a, <T>1, r)
  }
  const aux = load<u32>(LAZY_AUX)
  const overflow = (aux ^ (aux << 1)) >> 31
  store<u32>(LAZY_AUX, (aux & 8) | (carry << 31) | ((carry ^ overflow) << 30))
  return r
}

@inline export function inc_dec_E<T>(op: usize, memory: bool, dec: bool): void {
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, incDec<T>(load<T>(p), dec))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, incDec<T>(load<T>(d), dec))
  }
}

@inline export function inc_dec_R<T>(op: usize, dec: bool): void {
  const d = rmOf(op)
  setReg<T>(d, incDec<T>(load<T>(d), dec))
}

export function not_E<T>(op: usize, memory: bool): void {
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, <T>~load<T>(p))
    rmwEnd<T>(p)
  } else setReg<T>(rmOf(op), <T>~load<T>(rmOf(op)))
}

export function neg_E<T>(op: usize, memory: bool): void {
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, alu<T>(SUB, <T>0, load<T>(p)))
    rmwEnd<T>(p)
  } else setReg<T>(rmOf(op), alu<T>(SUB, <T>0, load<T>(rmOf(op))))
}
