/**
 * Integer instructions: moves, arithmetic, logic, shifts, multiplication and division, bits, decimal adjustments.
 * (Intel SDM vol. 2.) Operand order in names is the manual's: `alu_E_G` has its destination in E.
 */
import { has } from './features'
import { F_CX16 } from './generated/features'
import { raise, raiseNoError } from './fault'
import {
  AUX_KEEP, arithFlags, getAF, getCF, getOF, getPF, getSF, getZF, setArithFlags, setCF, setLazy,
} from './flags'
import { addSp, peek, probeWrite, push, read, readEa, rmwBegin, rmwEnd, write, writeEa } from './memory'
import { pause } from './system'
import {
  OPF_REP, OP_ADDRESS_SHIFT, OP_BASE, OP_FLAGS, OP_IMM, OP_REG, OP_RM, ea, opSeg,
} from './op'
import {
  EX_DE, EX_GP, EX_UD, FLAG_DF, FLAG_ZF, LAZY_AUX, LAZY_RESULT, RAX, RBP, RBX, RCX,
  RDI, RDX, RFLAGS, RSI, RSP, SP_MASK, STACK_SEG,
} from './state'

export function invalidOpcode(): void {
  raiseNoError(EX_UD)
}

// ---- operand access ----

/** Writes a general register; 32-bit results clear the upper half. */
@inline export function setReg<T>(address: usize, value: T): void {
  if (sizeof<T>() == 4) store<u64>(address, <u64>value)
  else store<T>(address, value)
}

@inline function regOf(op: usize): usize {
  return <usize>load<u16>(op, OP_REG)
}

@inline function rmOf(op: usize): usize {
  return <usize>load<u16>(op, OP_RM)
}

/** The E operand's value. */
@inline function readE<T>(op: usize, memory: bool): T {
  if (memory) return readEa<T>(op)
  return load<T>(rmOf(op))
}

@inline function imm<T>(op: usize): T {
  return load<T>(op, OP_IMM)
}

/** Sign-extends a result to 64 bits. */
@inline export function extend<T>(value: T): i64 {
  if (sizeof<T>() == 1) return <i64>(<i8>value)
  if (sizeof<T>() == 2) return <i64>(<i16>value)
  if (sizeof<T>() == 4) return <i64>(<i32>value)
  return <i64>value
}

// ---- lazy flags of additions and subtractions ----

@inline function carries<T>(c: T): u32 {
  if (sizeof<T>() == 1) return ((<u32>c << 24) & 0xc0000000) | (<u32>c & 8)
  if (sizeof<T>() == 2) return ((<u32>c << 16) & 0xc0000000) | (<u32>c & 8)
  if (sizeof<T>() == 4) return <u32>c & AUX_KEEP
  return (<u32>(<u64>c >> 32) & 0xc0000000) | (<u32>c & 8)
}

@inline function flagsAdd<T>(a: T, b: T, r: T): void {
  store<i64>(LAZY_RESULT, extend<T>(r))
  store<u32>(LAZY_AUX, carries<T>(<T>((a & b) | ((a | b) & ~r))))
}

@inline function flagsSub<T>(a: T, b: T, r: T): void {
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
@inline function alu<T>(k: i32, a: T, b: T): T {
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
@inline function incDec<T>(a: T, dec: bool): T {
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

// ---- moves ----

@inline export function mov_E_G<T>(op: usize, memory: bool): void {
  const v = load<T>(regOf(op))
  if (memory) writeEa<T>(op, v)
  else setReg<T>(rmOf(op), v)
}

@inline export function mov_G_E<T>(op: usize, memory: bool): void {
  setReg<T>(regOf(op), readE<T>(op, memory))
}

@inline export function mov_E_I<T>(op: usize, memory: bool): void {
  if (memory) writeEa<T>(op, imm<T>(op))
  else setReg<T>(rmOf(op), imm<T>(op))
}

@inline export function mov_R_I<T>(op: usize): void {
  setReg<T>(rmOf(op), imm<T>(op))
}

export function mov_A_O<T>(op: usize): void {
  setReg<T>(RAX, read<T>(opSeg(op), load<u64>(op, OP_IMM)))
}

export function mov_O_A<T>(op: usize): void {
  write<T>(opSeg(op), load<u64>(op, OP_IMM), load<T>(RAX))
}

@inline export function lea<T>(op: usize): void {
  setReg<T>(regOf(op), <T>ea(op))
}

@inline export function movzx<T, S>(op: usize, memory: bool): void {
  setReg<T>(regOf(op), <T>readE<S>(op, memory))
}

@inline export function movsx<T, S>(op: usize, memory: bool): void {
  setReg<T>(regOf(op), <T>extend<S>(readE<S>(op, memory)))
}

export function movsxd<T>(op: usize, memory: bool): void {
  if (sizeof<T>() == 2) setReg<T>(regOf(op), readE<T>(op, memory))
  else setReg<T>(regOf(op), <T>extend<u32>(readE<u32>(op, memory)))
}

export function xchg_E_G<T>(op: usize, memory: bool): void {
  const r = regOf(op)
  const v = load<T>(r)
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    const old = load<T>(p)
    store<T>(p, v)
    rmwEnd<T>(p)
    setReg<T>(r, old)
  } else {
    const d = rmOf(op)
    const old = load<T>(d)
    setReg<T>(d, v)
    setReg<T>(r, old)
  }
}

/** XCHG with the accumulator; 90 itself is NOP and must not clear the upper half of RAX, F3 90 is PAUSE. */
export function xchg_A_R<T>(op: usize): void {
  const d = rmOf(op)
  if (d == RAX) {
    if (load<u8>(op, OP_FLAGS) & OPF_REP) pause()
    return
  }
  const v = load<T>(d)
  setReg<T>(d, load<T>(RAX))
  setReg<T>(RAX, v)
}

export function bswap<T>(op: usize): void {
  const d = rmOf(op)
  if (sizeof<T>() == 2) store<u16>(d, 0)
  else setReg<T>(d, bswapValue<T>(load<T>(d)))
}

function bswapValue<T>(v: T): T {
  let r: u64 = 0
  for (let i: u32 = 0; i < sizeof<T>(); i++) r = (r << 8) | ((<u64>v >> (<u64>i * 8)) & 0xff)
  return <T>r
}

export function xlat(op: usize): void {
  const at = (load<u64>(RBX) + load<u8>(RAX)) & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
  store<u8>(RAX, read<u8>(opSeg(op), at))
}

export function nop(): void {}

// ---- stack ----

@inline export function push_R<T>(op: usize): void {
  push<T>(load<T>(rmOf(op)))
}

export function push_E<T>(op: usize, memory: bool): void {
  push<T>(readE<T>(op, memory))
}

export function push_I<T>(op: usize): void {
  push<T>(imm<T>(op))
}

@inline export function pop_R<T>(op: usize): void {
  const v = peek<T>(0)
  addSp(sizeof<T>())
  setReg<T>(rmOf(op), v)
}

export function pop_E<T>(op: usize, memory: bool): void {
  const v = peek<T>(0)
  if (memory) {
    // An address that uses (E)SP counts from after the pop.
    let at = ea(op)
    if (<usize>load<u16>(op, OP_BASE) == RSP)
      at = (at + sizeof<T>()) & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
    write<T>(opSeg(op), at, v)
    addSp(sizeof<T>())
  } else {
    addSp(sizeof<T>())
    setReg<T>(rmOf(op), v)
  }
}

export function pusha<T>(): void {
  const mask = load<u64>(SP_MASK)
  const seg = <usize>load<u32>(STACK_SEG)
  const sp = load<u64>(RSP)
  // The last slot first: a fault must find nothing pushed.
  for (let i: i32 = 7; i >= 0; i--) write<T>(seg, (sp - <u64>(i + 1) * sizeof<T>()) & mask, <T>load<u64>(RAX + (<usize>i << 3)))
  addSp(0 - 8 * sizeof<T>())
}

export function popa<T>(): void {
  // All reads before the first register changes.
  const di = peek<T>(0)
  const si = peek<T>(sizeof<T>())
  const bp = peek<T>(2 * sizeof<T>())
  const bx = peek<T>(4 * sizeof<T>())
  const dx = peek<T>(5 * sizeof<T>())
  const cx = peek<T>(6 * sizeof<T>())
  const ax = peek<T>(7 * sizeof<T>())
  setReg<T>(RDI, di)
  setReg<T>(RSI, si)
  setReg<T>(RBP, bp)
  setReg<T>(RBX, bx)
  setReg<T>(RDX, dx)
  setReg<T>(RCX, cx)
  setReg<T>(RAX, ax)
  addSp(8 * sizeof<T>())
}

export function enter<T>(op: usize): void {
  const bytes = <u64>load<u16>(op, OP_IMM)
  const level = <u32>load<u8>(op, OP_IMM + 2) & 31
  const seg = <usize>load<u32>(STACK_SEG)
  const mask = load<u64>(SP_MASK)
  let sp = load<u64>(RSP)
  sp -= sizeof<T>()
  write<T>(seg, sp & mask, load<T>(RBP))
  // FrameTemp is the whole stack pointer, on a 16-bit stack too.
  const frame = (load<u64>(RSP) & ~mask) | (sp & mask)
  if (level) {
    let bp = load<u64>(RBP)
    for (let i: u32 = 1; i < level; i++) {
      bp -= sizeof<T>()
      sp -= sizeof<T>()
      write<T>(seg, sp & mask, read<T>(seg, bp & mask))
    }
    sp -= sizeof<T>()
    write<T>(seg, sp & mask, <T>frame)
  }
  // The new top must be writable, though nothing is written there.
  probeWrite(seg, (sp - bytes) & mask, sizeof<T>())
  setReg<T>(RBP, <T>frame)
  store<u64>(RSP, (load<u64>(RSP) & ~mask) | ((sp - bytes) & mask))
}

export function leave_<T>(): void {
  const mask = load<u64>(SP_MASK)
  const bp = load<u64>(RBP) & mask
  const v = read<T>(<usize>load<u32>(STACK_SEG), bp)
  store<u64>(RSP, (load<u64>(RSP) & ~mask) | ((bp + sizeof<T>()) & mask))
  setReg<T>(RBP, v)
}

// ---- conditions ----

/** Condition codes of Jcc, SETcc and CMOVcc (Intel SDM vol. 2, B.1.4.7). */
@inline export function condition(cc: i32): bool {
  const base = cc >> 1
  let v: bool
  if (base == 0) v = getOF()
  else if (base == 1) v = getCF() != 0
  else if (base == 2) v = getZF()
  else if (base == 3) v = getCF() != 0 || getZF()
  else if (base == 4) v = getSF()
  else if (base == 5) v = getPF()
  else if (base == 6) v = getSF() != getOF()
  else v = getZF() || getSF() != getOF()
  return cc & 1 ? !v : v
}

export function setcc(op: usize, memory: bool, cc: i32): void {
  const v = <u8>conditionOf(cc)
  if (memory) writeEa<u8>(op, v)
  else store<u8>(rmOf(op), v)
}

/** condition() for a code that is not constant. */
function conditionOf(cc: i32): bool {
  switch (cc >> 1) {
    case 0:
      return condition(0) != (cc & 1)
    case 1:
      return condition(2) != (cc & 1)
    case 2:
      return condition(4) != (cc & 1)
    case 3:
      return condition(6) != (cc & 1)
    case 4:
      return condition(8) != (cc & 1)
    case 5:
      return condition(10) != (cc & 1)
    case 6:
      return condition(12) != (cc & 1)
    default:
      return condition(14) != (cc & 1)
  }
}

export function cmovcc<T>(op: usize, memory: bool, cc: i32): void {
  const v = readE<T>(op, memory)
  const d = regOf(op)
  // Without the condition a 32-bit CMOV still clears the upper half.
  setReg<T>(d, conditionOf(cc) ? v : load<T>(d))
}

// ---- shifts and rotates ----

@inline function setRotateFlags(cf: u32, overflow: u32): void {
  store<u32>(LAZY_AUX, (load<u32>(LAZY_AUX) & 0x3fffffff) | (cf << 31) | ((cf ^ overflow) << 30))
}

@inline function topBit<T>(v: T): u32 {
  return <u32>(<u64>v >> (sizeof<T>() * 8 - 1)) & 1
}

/** The shift group: 0 ROL 1 ROR 2 RCL 3 RCR 4 SHL 5 SHR 6 SAL 7 SAR. A count of 0 changes no flag. */
@inline function shift<T>(k: i32, a: T, countIn: u32): T {
  const bits: u32 = sizeof<T>() * 8
  const count = countIn & (sizeof<T>() == 8 ? 63 : 31)
  if (count == 0) return a
  let r: T
  if (k == 0 || k == 1) {
    const n = count & (bits - 1)
    if (k == 0) {
      r = n ? <T>((<u64>a << <u64>n) | (<u64>a >> <u64>(bits - n))) : a
      const cf = <u32>r & 1
      setRotateFlags(cf, cf ^ topBit<T>(r))
    } else {
      r = n ? <T>((<u64>a >> <u64>n) | (<u64>a << <u64>(bits - n))) : a
      const cf = topBit<T>(r)
      setRotateFlags(cf, cf ^ topBit<T>(<T>(r << 1)))
    }
    return r
  }
  if (k == 2 || k == 3) {
    // Through the carry: bits + 1 positions.
    const n = sizeof<T>() == 8 || sizeof<T>() == 4 ? count : count % (bits + 1)
    let cf = getCF()
    if (n == 0) {
      // All the way round: OF is still taken from the result, on the 80286 as on today's CPUs.
      setRotateFlags(cf, k == 2 ? cf ^ topBit<T>(a) : topBit<T>(a) ^ topBit<T>(<T>(a << 1)))
      return a
    }
    if (k == 2) {
      r = n == 1 ? <T>((<u64>a << 1) | cf) : <T>((n < bits ? <u64>a << <u64>n : 0) | (<u64>cf << <u64>(n - 1)) | (<u64>a >> <u64>(bits + 1 - n)))
      cf = <u32>(<u64>a >> <u64>(bits - n)) & 1
      setRotateFlags(cf, cf ^ topBit<T>(r))
    } else {
      r = n == 1
        ? <T>((<u64>a >> 1) | (<u64>cf << <u64>(bits - 1)))
        : <T>((n < bits ? <u64>a >> <u64>n : 0) | (<u64>cf << <u64>(bits - n)) | (<u64>a << <u64>(bits + 1 - n)))
      cf = <u32>(<u64>a >> <u64>(n - 1)) & 1
      setRotateFlags(cf, topBit<T>(r) ^ topBit<T>(<T>(r << 1)))
    }
    return r
  }
  let cf: u32
  let overflow: u32
  if (k == 4 || k == 6) {
    r = count < bits ? <T>(<u64>a << <u64>count) : <T>0
    cf = count <= bits ? <u32>(<u64>a >> <u64>(bits - count)) & 1 : 0
    overflow = cf ^ topBit<T>(r)
  } else if (k == 5) {
    r = count < bits ? <T>(<u64>a >> <u64>count) : <T>0
    cf = count <= bits ? <u32>(<u64>a >> <u64>(count - 1)) & 1 : 0
    overflow = topBit<T>(r) ^ topBit<T>(<T>(r << 1))
  } else {
    const s = extend<T>(a)
    r = <T>(s >> <i64>min<u32>(count, 63))
    cf = <u32>(s >> <i64>(min<u32>(count, 64) - 1)) & 1
    overflow = 0
  }
  setLazy(extend<T>(r), cf != 0, overflow != 0, false)
  return r
}

export function shift_E<T>(op: usize, memory: bool, k: i32, count: u32): void {
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, shiftBy<T>(k, load<T>(p), count))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, shiftBy<T>(k, load<T>(d), count))
  }
}

function shiftBy<T>(k: i32, a: T, count: u32): T {
  switch (k) {
    case 0:
      return shift<T>(0, a, count)
    case 1:
      return shift<T>(1, a, count)
    case 2:
      return shift<T>(2, a, count)
    case 3:
      return shift<T>(3, a, count)
    case 4:
    case 6:
      return shift<T>(4, a, count)
    case 5:
      return shift<T>(5, a, count)
    default:
      return shift<T>(7, a, count)
  }
}

@inline export function shift_E_I<T>(op: usize, memory: bool, k: i32): void {
  if (memory) shift_E<T>(op, true, k, load<u8>(op, OP_IMM))
  else {
    const d = rmOf(op)
    setReg<T>(d, shift<T>(k, load<T>(d), load<u8>(op, OP_IMM)))
  }
}

@inline export function shift_E_1<T>(op: usize, memory: bool, k: i32): void {
  if (memory) shift_E<T>(op, true, k, 1)
  else {
    const d = rmOf(op)
    setReg<T>(d, shift<T>(k, load<T>(d), 1))
  }
}

@inline export function shift_E_CL<T>(op: usize, memory: bool, k: i32): void {
  shift_E<T>(op, memory, k, load<u8>(RCX))
}

/** SHLD and SHRD. A count above the operand size (16-bit only) rotates the pair, as Intel's CPUs do. */
function doubleShift<T>(a: T, b: T, countIn: u32, right: bool): T {
  const bits: u32 = sizeof<T>() * 8
  const count = countIn & (sizeof<T>() == 8 ? 63 : 31)
  if (!count) return a
  let r: T
  let cf: u32
  if (sizeof<T>() == 2) {
    // 16 bits of a, then b, then a again.
    const n = <u64>count
    if (right) {
      const wide = <u64>a | (<u64>b << 16) | (<u64>a << 32)
      r = <T>(wide >> n)
      cf = <u32>(wide >> (n - 1)) & 1
    } else {
      const wide = (<u64>a << 32) | (<u64>b << 16) | <u64>a
      r = <T>(wide >> (32 - n))
      cf = <u32>(wide >> (48 - n)) & 1
    }
  } else if (right) {
    r = <T>((<u64>a >> <u64>count) | (<u64>b << <u64>(bits - count)))
    cf = <u32>(<u64>a >> <u64>(count - 1)) & 1
  } else {
    r = <T>((<u64>a << <u64>count) | (<u64>b >> <u64>(bits - count)))
    cf = <u32>(<u64>a >> <u64>(bits - count)) & 1
  }
  const overflow = topBit<T>(r) ^ topBit<T>(a)
  setLazy(extend<T>(r), cf != 0, overflow != 0, false)
  return r
}

export function shld_shrd<T>(op: usize, memory: bool, right: bool, byCL: bool): void {
  const count: u32 = byCL ? load<u8>(RCX) : load<u8>(op, OP_IMM)
  const b = load<T>(regOf(op))
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    store<T>(p, doubleShift<T>(load<T>(p), b, count, right))
    rmwEnd<T>(p)
  } else {
    const d = rmOf(op)
    setReg<T>(d, doubleShift<T>(load<T>(d), b, count, right))
  }
}

// ---- multiplication and division ----

/** Upper half of an unsigned 64 × 64 product. */
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff
  const ah = a >> 32
  const bl = b & 0xffffffff
  const bh = b >> 32
  const low = al * bl
  const mid = ah * bl + (low >> 32)
  const mid2 = al * bh + (mid & 0xffffffff)
  return ah * bh + (mid >> 32) + (mid2 >> 32)
}

function mulHighSigned(a: i64, b: i64): i64 {
  return <i64>mulHigh(<u64>a, <u64>b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)
}

export function mul_E<T>(op: usize, memory: bool): void {
  const b = <u64>readE<T>(op, memory)
  const a = <u64>load<T>(RAX)
  const low = a * b
  let high: u64
  if (sizeof<T>() == 8) high = mulHigh(a, b)
  else high = low >> (sizeof<T>() * 8)
  if (sizeof<T>() == 1) store<u16>(RAX, <u16>low)
  else {
    setReg<T>(RAX, <T>low)
    setReg<T>(RDX, <T>high)
  }
  const over = <T>high != 0
  setLazy(extend<T>(<T>low), over, over, false)
}

export function imul_E<T>(op: usize, memory: bool): void {
  const b = extend<T>(readE<T>(op, memory))
  const a = extend<T>(load<T>(RAX))
  const low = a * b
  let over: bool
  if (sizeof<T>() == 1) {
    store<u16>(RAX, <u16>low)
    over = low != extend<T>(<T>low)
  } else if (sizeof<T>() == 8) {
    const high = mulHighSigned(a, b)
    store<i64>(RAX, low)
    store<i64>(RDX, high)
    over = high != low >> 63
  } else {
    setReg<T>(RAX, <T>low)
    setReg<T>(RDX, <T>(low >> (sizeof<T>() * 8)))
    over = low != extend<T>(<T>low)
  }
  setLazy(extend<T>(<T>low), over, over, false)
}

@inline function imul2<T>(a: T, b: T): T {
  const x = extend<T>(a)
  const y = extend<T>(b)
  const low = x * y
  const over = sizeof<T>() == 8 ? mulHighSigned(x, y) != low >> 63 : low != extend<T>(<T>low)
  setLazy(extend<T>(<T>low), over, over, false)
  return <T>low
}

export function imul_G_E<T>(op: usize, memory: bool): void {
  const b = readE<T>(op, memory)
  setReg<T>(regOf(op), imul2<T>(load<T>(regOf(op)), b))
}

export function imul_G_E_I<T>(op: usize, memory: bool): void {
  setReg<T>(regOf(op), imul2<T>(readE<T>(op, memory), imm<T>(op)))
}

/** Remainder of the last divide128. */
let remainder128: u64 = 0

/** (high:low) / divisor where high < divisor. */
function divide128(high: u64, low: u64, divisor: u64): u64 {
  let rest = high
  let quotient: u64 = 0
  for (let i: i32 = 63; i >= 0; i--) {
    const carry = rest >> 63
    rest = (rest << 1) | ((low >> <u64>i) & 1)
    if (carry || rest >= divisor) {
      rest -= divisor
      quotient |= <u64>1 << <u64>i
    }
  }
  remainder128 = rest
  return quotient
}

export function div_E<T>(op: usize, memory: bool): void {
  const d = <u64>readE<T>(op, memory)
  if (d == 0) raiseNoError(EX_DE)
  if (sizeof<T>() == 8) {
    const high = load<u64>(RDX)
    if (high >= d) raiseNoError(EX_DE)
    const q = divide128(high, load<u64>(RAX), d)
    store<u64>(RAX, q)
    store<u64>(RDX, remainder128)
    return
  }
  const n = sizeof<T>() == 1 ? <u64>load<u16>(RAX) : (<u64>load<T>(RDX) << (sizeof<T>() * 8)) | <u64>load<T>(RAX)
  const q = n / d
  if (q >> (sizeof<T>() * 8)) raiseNoError(EX_DE)
  const r = n % d
  if (sizeof<T>() == 1) store<u16>(RAX, <u16>(q | (r << 8)))
  else {
    setReg<T>(RAX, <T>q)
    setReg<T>(RDX, <T>r)
  }
}

export function idiv_E<T>(op: usize, memory: bool): void {
  const d = extend<T>(readE<T>(op, memory))
  if (d == 0) raiseNoError(EX_DE)
  if (sizeof<T>() == 8) {
    let high = load<u64>(RDX)
    let low = load<u64>(RAX)
    const negative = <i64>high < 0
    if (negative) {
      low = 0 - low
      high = ~high + <u64>(low == 0)
    }
    const magnitude = d < 0 ? 0 - <u64>d : <u64>d
    if (high >= magnitude) raiseNoError(EX_DE)
    const q = divide128(high, low, magnitude)
    const minus = negative != d < 0
    if (minus ? q > 0x8000000000000000 : q > 0x7fffffffffffffff) raiseNoError(EX_DE)
    store<u64>(RAX, minus ? 0 - q : q)
    store<u64>(RDX, negative ? 0 - remainder128 : remainder128)
    return
  }
  const n = sizeof<T>() == 1
    ? <i64>(<i16>load<u16>(RAX))
    : sizeof<T>() == 2
      ? <i64>(<i32>((<u32>load<u16>(RDX) << 16) | load<u16>(RAX)))
      : <i64>((<u64>load<u32>(RDX) << 32) | load<u32>(RAX))
  // The one quotient that wasm itself would trap on.
  if (n == i64.MIN_VALUE && d == -1) raiseNoError(EX_DE)
  const q = n / d
  if (q != extend<T>(<T>q)) raiseNoError(EX_DE)
  const r = n % d
  if (sizeof<T>() == 1) store<u16>(RAX, (<u16>(<u8>q)) | ((<u16>(<u8>r)) << 8))
  else {
    setReg<T>(RAX, <T>q)
    setReg<T>(RDX, <T>r)
  }
}

/** CBW, CWDE, CDQE. */
export function cbw<T>(): void {
  if (sizeof<T>() == 2) store<u16>(RAX, <u16>(<i16>(<i8>load<u8>(RAX))))
  else if (sizeof<T>() == 4) store<u64>(RAX, <u64>(<u32>(<i32>(<i16>load<u16>(RAX)))))
  else store<i64>(RAX, <i64>(<i32>load<u32>(RAX)))
}

/** CWD, CDQ, CQO. */
export function cwd<T>(): void {
  setReg<T>(RDX, <T>(extend<T>(load<T>(RAX)) >> 63))
}

// ---- bits ----

/** BT, BTS, BTR, BTC: 0 to 3. */
@inline function bitResult<T>(k: i32, v: T, mask: T): T {
  if (k == 1) return <T>(v | mask)
  if (k == 2) return <T>(v & ~mask)
  if (k == 3) return <T>(v ^ mask)
  return v
}

export function bit_E_G<T>(op: usize, memory: bool, k: i32): void {
  const n = load<T>(regOf(op))
  const mask = <T>(<u64>1 << (<u64>n & (sizeof<T>() * 8 - 1)))
  if (memory) {
    // The bit offset is signed and reaches beyond the operand.
    const away = (extend<T>(n) >> (sizeof<T>() == 8 ? 6 : sizeof<T>() == 4 ? 5 : 4)) * sizeof<T>()
    const at = (ea(op) + <u64>away) & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
    if (k == 0) {
      setCF((read<T>(opSeg(op), at) & mask) != 0)
      return
    }
    const p = rmwBegin<T>(opSeg(op), at)
    const v = load<T>(p)
    store<T>(p, bitResult<T>(k, v, mask))
    rmwEnd<T>(p)
    setCF((v & mask) != 0)
  } else {
    const d = rmOf(op)
    const v = load<T>(d)
    if (k) setReg<T>(d, bitResult<T>(k, v, mask))
    setCF((v & mask) != 0)
  }
}

export function bit_E_I<T>(op: usize, memory: bool, k: i32): void {
  const mask = <T>(<u64>1 << (<u64>load<u8>(op, OP_IMM) & (sizeof<T>() * 8 - 1)))
  if (memory) {
    if (k == 0) {
      setCF((readEa<T>(op) & mask) != 0)
      return
    }
    const p = rmwBegin<T>(opSeg(op), ea(op))
    const v = load<T>(p)
    store<T>(p, bitResult<T>(k, v, mask))
    rmwEnd<T>(p)
    setCF((v & mask) != 0)
  } else {
    const d = rmOf(op)
    const v = load<T>(d)
    if (k) setReg<T>(d, bitResult<T>(k, v, mask))
    setCF((v & mask) != 0)
  }
}

/** BSF and BSR leave the destination alone on a zero source, as every CPU does. */
export function bsf<T>(op: usize, memory: bool): void {
  const v = <u64>readE<T>(op, memory)
  if (v) setReg<T>(regOf(op), <T>ctz<u64>(v))
  setLazy(v ? 1 : 0, false, false, false)
}

export function bsr<T>(op: usize, memory: bool): void {
  const v = <u64>readE<T>(op, memory)
  if (v) setReg<T>(regOf(op), <T>(63 - clz<u64>(v)))
  setLazy(v ? 1 : 0, false, false, false)
}

export function cmpxchg<T>(op: usize, memory: bool): void {
  const a = load<T>(RAX)
  const b = load<T>(regOf(op))
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    const v = load<T>(p)
    if (a == v) store<T>(p, b)
    rmwEnd<T>(p)
    if (a != v) setReg<T>(RAX, v)
    flagsSub<T>(a, v, <T>(a - v))
  } else {
    const d = rmOf(op)
    const v = load<T>(d)
    if (a == v) setReg<T>(d, b)
    else setReg<T>(RAX, v)
    flagsSub<T>(a, v, <T>(a - v))
  }
}

export function xadd<T>(op: usize, memory: bool): void {
  const r = regOf(op)
  const b = load<T>(r)
  if (memory) {
    const p = rmwBegin<T>(opSeg(op), ea(op))
    const a = load<T>(p)
    store<T>(p, alu<T>(ADD, a, b))
    rmwEnd<T>(p)
    setReg<T>(r, a)
  } else {
    const d = rmOf(op)
    const a = load<T>(d)
    const sum = alu<T>(ADD, a, b)
    setReg<T>(r, a)
    setReg<T>(d, sum)
  }
}

/** CMPXCHG8B, and CMPXCHG16B with REX.W. */
export function cmpxchg8_16b<T>(op: usize): void {
  if (sizeof<T>() == 8) {
    if (!has(F_CX16)) raiseNoError(EX_UD)
    cmpxchg16b(op)
  } else cmpxchg8b(op)
}

@inline function setZF(zero: bool): void {
  setArithFlags((arithFlags() & ~FLAG_ZF) | (zero ? FLAG_ZF : 0))
}

/** CMPXCHG8B. */
function cmpxchg8b(op: usize): void {
  const p = rmwBegin<u64>(opSeg(op), ea(op))
  const v = load<u64>(p)
  const equal = v == ((<u64>load<u32>(RDX) << 32) | load<u32>(RAX))
  if (equal) store<u64>(p, (<u64>load<u32>(RCX) << 32) | load<u32>(RBX))
  rmwEnd<u64>(p)
  if (!equal) {
    store<u64>(RAX, v & 0xffffffff)
    store<u64>(RDX, v >> 32)
  }
  setZF(equal)
}

/** CMPXCHG16B: its operand must be aligned. */
function cmpxchg16b(op: usize): void {
  const seg = opSeg(op)
  const at = ea(op)
  if (at & 15) raise(EX_GP, 0)
  probeWrite(seg, at, 16)
  const low = read<u64>(seg, at)
  const high = read<u64>(seg, at + 8)
  const equal = low == load<u64>(RAX) && high == load<u64>(RDX)
  write<u64>(seg, at, equal ? load<u64>(RBX) : low)
  write<u64>(seg, at + 8, equal ? load<u64>(RCX) : high)
  if (!equal) {
    store<u64>(RAX, low)
    store<u64>(RDX, high)
  }
  setZF(equal)
}

// ---- flags ----

export function cmc(): void {
  setCF(getCF() == 0)
}

export function clc_stc(carry: bool): void {
  setCF(carry)
}

export function cld_std(set: bool): void {
  const flags = load<u32>(RFLAGS)
  store<u32>(RFLAGS, set ? flags | FLAG_DF : flags & ~FLAG_DF)
}

export function lahf(): void {
  store<u8>(RAX + 1, <u8>((arithFlags() & 0xd5) | 2))
}

export function sahf(): void {
  setArithFlags((<u32>load<u8>(RAX + 1) & 0xd5) | (arithFlags() & 0x800))
}

/** SALC (D6, undocumented): AL = CF ? FFh : 0. */
export function salc(): void {
  store<u8>(RAX, getCF() ? 0xff : 0)
}

// ---- decimal ----

function szp(v: u8, cf: bool, af: bool, overflow: bool): void {
  setLazy(<i64>(<i8>v), cf, overflow, af)
}

export function daa(): void {
  const old = load<u8>(RAX)
  const oldCF = getCF() != 0
  let al = old
  let cf = false
  const low = (old & 15) > 9 || getAF() != 0
  if (low) {
    al += 6
    cf = oldCF || old > 0xf9
  }
  if (old > 0x99 || oldCF) {
    al += 0x60
    cf = true
  }
  store<u8>(RAX, al)
  szp(al, cf, low, false)
}

export function das(): void {
  const old = load<u8>(RAX)
  const oldCF = getCF() != 0
  let al = old
  let cf = false
  const low = (old & 15) > 9 || getAF() != 0
  if (low) {
    cf = oldCF || old < 6
    al -= 6
  }
  if (old > 0x99 || oldCF) {
    al -= 0x60
    cf = true
  }
  store<u8>(RAX, al)
  szp(al, cf, low, false)
}

export function aaa(): void {
  const adjust = (load<u8>(RAX) & 15) > 9 || getAF() != 0
  if (adjust) store<u16>(RAX, load<u16>(RAX) + 0x106)
  store<u8>(RAX, load<u8>(RAX) & 15)
  szp(load<u8>(RAX), adjust, adjust, false)
}

export function aas(): void {
  const adjust = (load<u8>(RAX) & 15) > 9 || getAF() != 0
  if (adjust) store<u16>(RAX, load<u16>(RAX) - 0x106)
  store<u8>(RAX, load<u8>(RAX) & 15)
  szp(load<u8>(RAX), adjust, adjust, false)
}

export function aam(op: usize): void {
  const base = load<u8>(op, OP_IMM)
  if (!base) raiseNoError(EX_DE)
  const al = load<u8>(RAX)
  store<u8>(RAX + 1, al / base)
  store<u8>(RAX, al % base)
  szp(al % base, false, false, false)
}

export function aad(op: usize): void {
  const al = <u8>(load<u8>(RAX) + load<u8>(RAX + 1) * load<u8>(op, OP_IMM))
  store<u16>(RAX, al)
  szp(al, false, false, false)
}
