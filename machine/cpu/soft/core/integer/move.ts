/** MOV, LEA, MOVZX, MOVSX, XCHG, BSWAP, XLAT and NOP (Intel SDM vol. 2). Operand order in names is the manual's. */
import { read, rmwBegin, rmwEnd, write, writeEa } from '../memory/memory'
import { OPF_REP, OP_ADDRESS_SHIFT, OP_FLAGS, OP_IMM, ea, opSeg } from '../execute/op'
import { extend, imm, readE, regOf, rmOf, setReg } from '../execute/operand'
import { RAX, RBX } from '../state'
import { pause } from '../system/system'

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
