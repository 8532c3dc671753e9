/** CMPXCHG, XADD, CMPXCHG8B and CMPXCHG16B (Intel SDM vol. 2). */
import { ADD, alu, flagsSub } from './arithmetic'
import { raise, raiseNoError } from '../system/fault'
import { has } from '../system/features'
import { arithFlags, setArithFlags } from './flags'
import { F_CX16 } from '../generated/features'
import { linearOf, probeWrite, read, rmwBegin, rmwEnd, write } from '../memory/memory'
import { ea, opSeg } from '../execute/op'
import { regOf, rmOf, setReg } from '../execute/operand'
import { EX_GP, EX_UD, FLAG_ZF, RAX, RBX, RCX, RDX } from '../state'

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
  if (linearOf(seg, at, 16, true) & 15) raise(EX_GP, 0)
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
