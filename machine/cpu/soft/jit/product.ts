/** The upper half of products of 64 bits, which WebAssembly does not have. */
import type { Frame } from './frame.js'
import { I64, OP } from './wasm.js'

/** Pushes the upper 64 bits of the product of two i64 locals. */
export function pushUpperHalf(frame: Frame, a: number, b: number, signed: boolean): void {
  const { code } = frame
  const names = ['lowA', 'highA', 'lowB', 'highB', 'middle', 'middle2']
  const [lowA, highA, lowB, highB, middle, middle2] = names.map((name) => frame.temp(name, I64))
  const low = (value: number) => code.get(value).i64(0xffffffffn).op(OP.i64And)
  const high = (value: number) => code.get(value).i64(32n).op(OP.i64ShrU)
  low(a).set(lowA)
  high(a).set(highA)
  low(b).set(lowB)
  high(b).set(highB)
  code.get(highA).get(lowB).op(OP.i64Mul)
  code.get(lowA).get(lowB).op(OP.i64Mul).i64(32n).op(OP.i64ShrU, OP.i64Add).set(middle)
  code.get(lowA).get(highB).op(OP.i64Mul)
  low(middle).op(OP.i64Add).set(middle2)
  code.get(highA).get(highB).op(OP.i64Mul)
  high(middle).op(OP.i64Add)
  high(middle2).op(OP.i64Add)
  if (!signed) return
  code.get(a).i64(63n).op(OP.i64ShrS).get(b).op(OP.i64And, OP.i64Sub)
  code.get(b).i64(63n).op(OP.i64ShrS).get(a).op(OP.i64And, OP.i64Sub)
}
