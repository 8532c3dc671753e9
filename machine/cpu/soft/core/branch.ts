/** Near branches. Each returns the op to go on with, or 0 to leave the loop. */
import { condition } from './integer'
import { addSp, peek, push, readEa } from './memory'
import { OP_ADDRESS_SHIFT, OP_IMM, OP_LINK_NEXT, OP_LINK_TAKEN, OP_RM } from './op'
import { follow, jumpTo, nextIp } from './run'
import { RCX, REG_BLOCK_IP } from './state'
import { getZF } from './flags'

@inline function relativeTarget<T>(op: usize): u64 {
  return <u64>(<T>(load<u64>(REG_BLOCK_IP) + load<u64>(op, OP_IMM)))
}

@inline export function jcc<T>(op: usize, cc: i32): usize {
  if (condition(cc)) return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
  return follow(op, OP_LINK_NEXT, nextIp(op))
}

@inline export function jmp_J<T>(op: usize): usize {
  return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
}

@inline export function call_J<T>(op: usize): usize {
  push<T>(<T>nextIp(op))
  return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
}

@inline export function jmp_E<T>(op: usize, memory: bool): usize {
  return jumpTo(op, <u64>(memory ? readEa<T>(op) : load<T>(<usize>load<u16>(op, OP_RM))))
}

@inline export function call_E<T>(op: usize, memory: bool): usize {
  const target = memory ? readEa<T>(op) : load<T>(<usize>load<u16>(op, OP_RM))
  push<T>(<T>nextIp(op))
  return jumpTo(op, <u64>target)
}

@inline export function ret<T>(op: usize): usize {
  const target = peek<T>(0)
  addSp(sizeof<T>())
  return jumpTo(op, <u64>target)
}

export function ret_I<T>(op: usize): usize {
  const target = peek<T>(0)
  addSp(sizeof<T>() + <u64>load<u16>(op, OP_IMM))
  return jumpTo(op, <u64>target)
}

/** (E/R)CX by address size. */
@inline function counter(op: usize): u64 {
  return load<u64>(RCX) & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
}

/** LOOPNE 0, LOOPE 1, LOOP 2. */
export function loop<T>(op: usize, k: i32): usize {
  const n = counter(op) - 1
  const shift = load<u8>(op, OP_ADDRESS_SHIFT)
  if (shift == 48) store<u16>(RCX, <u16>n)
  else store<u64>(RCX, shift == 32 ? n & 0xffffffff : n)
  const taken = counter(op) != 0 && (k == 2 || getZF() == (k == 1))
  if (taken) return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
  return follow(op, OP_LINK_NEXT, nextIp(op))
}

export function jcxz<T>(op: usize): usize {
  if (counter(op) == 0) return follow(op, OP_LINK_TAKEN, relativeTarget<T>(op))
  return follow(op, OP_LINK_NEXT, nextIp(op))
}
