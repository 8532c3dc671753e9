/** PUSH, POP, PUSHA, POPA, ENTER and LEAVE (Intel SDM vol. 2). */
import { addSp, peek, probeWrite, push, read, write } from '../memory/memory'
import { OP_ADDRESS_SHIFT, OP_BASE, OP_IMM, ea, opSeg } from '../execute/op'
import { imm, readE, rmOf, setReg } from '../execute/operand'
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, SP_MASK, STACK_SEG } from '../state'

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
  // A fault is that of the first push that fails: RSP is as it was, what was written lies below.
  for (let i: i32 = 0; i < 8; i++) write<T>(seg, (sp - <u64>(i + 1) * sizeof<T>()) & mask, <T>load<u64>(RAX + (<usize>i << 3)))
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
