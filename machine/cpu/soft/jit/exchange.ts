/** XCHG, CMPXCHG and XADD. */
import * as at from '../layout.js'
import type { Emitters } from './emitter.js'
import { OP } from './wasm.js'

export const exchanges: Emitters = {
  xchg_E_G: (e, op, { size, memory }) => {
    const { code, frame } = e
    const kept = frame.temp('kept', frame.typeOf(size))
    e.modify(op, size, memory, (value) => {
      // The E operand may be the same register: its new value is taken before G changes.
      frame.get(op.reg, size)
      code.set(kept)
      code.get(value)
      frame.set(op.reg, size)
      return kept
    })
  },
  xchg_A_R: (e, op, { size }) => {
    if (op.rm === at.RAX) return (op.flags & at.OPF_REP) === 0
    const { code, frame } = e
    const kept = frame.temp('kept', frame.typeOf(size))
    frame.get(op.rm, size)
    code.set(kept)
    frame.get(at.RAX, size)
    frame.set(op.rm, size)
    code.get(kept)
    frame.set(at.RAX, size)
    return
  },
  xadd: (e, op, { size, memory }) => {
    const { code, frame } = e
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    e.modify(op, size, memory, (value) => {
      code.get(value).set(a)
      frame.get(op.reg, size)
      code.set(b)
      const sum = e.alu('ADD', size, a, b, local)
      code.get(a)
      frame.set(op.reg, size)
      return sum
    })
  },
  /** Where it fails, memory gets back what it had, and a register keeps the upper half that a write would clear. */
  cmpxchg: (e, op, { size, memory }) => {
    if (!memory) return false
    const { code, frame } = e
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    const stored = frame.temp('kept', frame.typeOf(size))
    const equal = size === 8 ? OP.i64Eq : OP.i32Eq
    e.modify(op, size, memory, (value) => {
      frame.get(at.RAX, size)
      code.set(a).get(value).set(b)
      e.alu('CMP', size, a, b, local)
      frame.get(op.reg, size)
      code.get(value).get(a).get(b).op(equal, OP.select).set(stored)
      code.get(a).get(b).op(equal, OP.i32Eqz).if()
      code.get(b)
      frame.set(at.RAX, size)
      code.end()
      return stored
    })
    return
  },
}
