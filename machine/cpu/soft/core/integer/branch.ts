/** Near branches. Each returns the op to go on with, or 0 to leave the loop. */
import { condition } from './condition'
import { addSp, peek, readEa, write } from '../memory/memory'
import { OP_ADDRESS_SHIFT, OP_IMM, OP_LINK_NEXT, OP_LINK_TAKEN, OP_RM } from '../execute/op'
import { checkTarget, follow, jumpTo } from '../execute/chain'
import { nextIp } from '../execute/progress'
import { MODE, MODE_CODE64, MODE_CS_LIMIT, RCX, REG_BLOCK_IP, RSP, SP_MASK, STACK_SEG } from '../state'
import { getZF } from './flags'

@inline function relativeTarget<T>(op: usize): u64 {
  return <u64>(<T>(load<u64>(REG_BLOCK_IP) + load<u64>(op, OP_IMM)))
}

/** Before SP or the count change: a branch that faults is restarted (OpenBSD moves CS's limit up in its #GP handler). */
@inline function checkFirst(target: u64): void {
  if (load<u32>(MODE) & (MODE_CS_LIMIT | MODE_CODE64)) checkTarget(target)
}

@inline export function jcc<T>(op: usize, cc: i32): usize {
  if (condition(cc)) return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
  return follow(op, OP_LINK_NEXT, nextIp(op))
}

@inline export function jmp_J<T>(op: usize): usize {
  return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
}

/** As on Intel's CPUs the return address is written before the target is looked at; RSP moves last. */
@inline function call<T>(op: usize, target: u64): void {
  write<T>(<usize>load<u32>(STACK_SEG), (load<u64>(RSP) - sizeof<T>()) & load<u64>(SP_MASK), <T>nextIp(op))
  checkFirst(target)
  addSp(0 - sizeof<T>())
}

@inline export function call_J<T>(op: usize): usize {
  const target = relativeTarget<T>(op)
  call<T>(op, target)
  return follow(op, OP_LINK_TAKEN, target)
}

@inline export function jmp_E<T>(op: usize, memory: bool): usize {
  return jumpTo(op, <u64>(memory ? readEa<T>(op) : load<T>(<usize>load<u16>(op, OP_RM))))
}

@inline export function call_E<T>(op: usize, memory: bool): usize {
  const target = <u64>(memory ? readEa<T>(op) : load<T>(<usize>load<u16>(op, OP_RM)))
  call<T>(op, target)
  return jumpTo(op, target)
}

@inline export function ret<T>(op: usize): usize {
  const target = <u64>peek<T>(0)
  checkFirst(target)
  addSp(sizeof<T>())
  return jumpTo(op, target)
}

export function ret_I<T>(op: usize): usize {
  const target = <u64>peek<T>(0)
  checkFirst(target)
  addSp(sizeof<T>() + <u64>load<u16>(op, OP_IMM))
  return jumpTo(op, target)
}

/** (E/R)CX by address size. */
@inline function counter(op: usize): u64 {
  return load<u64>(RCX) & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
}

/** LOOPNE 0, LOOPE 1, LOOP 2. */
export function loop<T>(op: usize, k: i32): usize {
  const shift = load<u8>(op, OP_ADDRESS_SHIFT)
  const n = (counter(op) - 1) & (u64.MAX_VALUE >> <u64>shift)
  const taken = n != 0 && (k == 2 || getZF() == (k == 1))
  const target = relativeTarget<T>(op)
  if (taken) checkFirst(target)
  if (shift == 48) store<u16>(RCX, <u16>n)
  else store<u64>(RCX, n)
  if (taken) return follow(op, OP_LINK_TAKEN, target)
  return follow(op, OP_LINK_NEXT, nextIp(op))
}

export function jcxz<T>(op: usize): usize {
  if (counter(op) == 0) return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
  return follow(op, OP_LINK_NEXT, nextIp(op))
}
