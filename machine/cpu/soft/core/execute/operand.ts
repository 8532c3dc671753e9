/** Access to operands. */
import { ea, OP_IMM, OP_REG, OP_RM, opSeg } from './op'
import { read, readEa, write } from '../memory/memory'

/** Writes a general register; 32-bit results clear the upper half. */
@inline export function setReg<T>(address: usize, value: T): void {
  if (sizeof<T>() == 4) store<u64>(address, <u64>value)
  else store<T>(address, value)
}

@inline export function regOf(op: usize): usize {
  return <usize>load<u16>(op, OP_REG)
}

@inline export function rmOf(op: usize): usize {
  return <usize>load<u16>(op, OP_RM)
}

/** The E operand's value. */
@inline export function readE<T>(op: usize, memory: bool): T {
  if (memory) return readEa<T>(op)
  return load<T>(rmOf(op))
}

@inline export function imm<T>(op: usize): T {
  return load<T>(op, OP_IMM)
}

/** Sign-extends a result to 64 bits. */
@inline export function extend<T>(value: T): i64 {
  if (sizeof<T>() == 1) return <i64>(<i8>value)
  if (sizeof<T>() == 2) return <i64>(<i16>value)
  if (sizeof<T>() == 4) return <i64>(<i32>value)
  return <i64>value
}

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
