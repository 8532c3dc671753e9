/** FMA3: products and sums rounded once (Intel SDM vol. 1, 14.5). T is u32 for single and u64 for double. */
import { beginSse, commitMxcsr, softMulAdd } from './float-sse'
import { VEX_RESULT, VEX_SOURCE, checkAvx, isWide, regH, setVector, vexFinishScalar, vexRead } from '../execute/vex'
import { regV } from './xmm'

// What happens to product and addend. In the alternating forms even and odd lanes differ.
export const FMA_NEGATE_ADDEND: u32 = 1
export const FMA_NEGATE_PRODUCT: u32 = 2
/** Even lanes subtract. */
export const FMA_ADD_SUB: u32 = 4
/** Odd lanes subtract. */
export const FMA_SUB_ADD: u32 = 8

/** The lane at `at`. `order` names the factors and the addend: 132, 213, 231, of destination, VEX.vvvv and ModRM.rm. */
@inline function lane<T>(first: usize, second: usize, at: usize, order: u32, kind: u32): void {
  const x = load<T>(first + at)
  const y = load<T>(second + at)
  const z = load<T>(VEX_SOURCE + at)
  const odd = (at & sizeof<T>()) != 0
  const subtracts = kind & FMA_ADD_SUB ? !odd : kind & FMA_SUB_ADD ? odd : (kind & FMA_NEGATE_ADDEND) != 0
  const a = order == 132 ? x : y
  const b = order == 213 ? x : z
  const c = order == 132 ? y : order == 213 ? z : x
  store<T>(VEX_RESULT + at, softMulAdd<T>(a, b, c, (kind & FMA_NEGATE_PRODUCT) != 0, subtracts))
}

export function fma_packed<T>(op: usize, order: u32, kind: u32): void {
  checkAvx()
  const size: u32 = isWide(op) ? 32 : 16
  vexRead(op, VEX_SOURCE, size)
  beginSse()
  for (let at: usize = 0; at < size; at += sizeof<T>()) lane<T>(regV(op), regH(op), at, order, kind)
  commitMxcsr()
  setVector(op, regV(op), VEX_RESULT)
}

export function fma_scalar<T>(op: usize, order: u32, kind: u32): void {
  checkAvx()
  vexRead(op, VEX_SOURCE, sizeof<T>())
  v128.store(VEX_RESULT, v128.load(regV(op)))
  beginSse()
  lane<T>(regV(op), regH(op), 0, order, kind)
  commitMxcsr()
  vexFinishScalar(op)
}
