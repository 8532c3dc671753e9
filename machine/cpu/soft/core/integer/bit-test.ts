/** BT, BTS, BTR, BTC, BSF and BSR (Intel SDM vol. 2). */
import { setCF, setLazy } from './flags'
import { read, readEa, rmwBegin, rmwEnd } from '../memory/memory'
import { OP_ADDRESS_SHIFT, OP_IMM, ea, opSeg } from '../execute/op'
import { extend, readE, regOf, rmOf, setReg } from '../execute/operand'

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
