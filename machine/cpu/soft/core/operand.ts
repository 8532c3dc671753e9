/** Operands that system instructions have in common. */
import { ea, OP_RM, opSeg } from './op'
import { read, write } from './memory'

/** A general register: 16 bits leave the rest, 32 bits clear the upper half. */
@inline export function setGpr<T>(address: usize, value: T): void {
  if (sizeof<T>() == 2) store<u16>(address, <u16>value)
  else store<u64>(address, <u64>value)
}

/** The 16-bit operand Ew. */
@inline export function operand16(op: usize, memory: bool): u32 {
  return memory ? <u32>read<u16>(opSeg(op), ea(op)) : <u32>load<u16>(<usize>load<u16>(op, OP_RM))
}

/** A selector or the like: zero-extended to a register, 16 bits to memory. */
@inline export function storeWord<T>(op: usize, memory: bool, value: u32): void {
  if (memory) write<u16>(opSeg(op), ea(op), <u16>value)
  else setGpr<T>(<usize>load<u16>(op, OP_RM), <T>value)
}
