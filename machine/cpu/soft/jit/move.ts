/** Moves, the stack, and what conditions set. */
import * as at from '../layout.js'
import { type Emitters, extendTo } from './emitter.js'
import { I32, OP } from './wasm.js'

export const moves: Emitters = {
  mov_E_G: (e, op, { size, memory }) => {
    const { frame } = e
    if (memory) {
      frame.storeTo(frame.operand(op, size, true), size, () => frame.get(op.reg, size))
      return
    }
    frame.get(op.reg, size)
    frame.set(op.rm, size)
  },
  mov_G_E: (e, op, { size, memory }) => {
    e.readE(op, size, memory)
    e.frame.set(op.reg, size)
  },
  mov_E_I: (e, op, { size, memory }) => {
    const { frame } = e
    if (memory) {
      frame.storeTo(frame.operand(op, size, true), size, () => e.constant(op.immediate, size))
      return
    }
    e.constant(op.immediate, size)
    frame.set(op.rm, size)
  },
  mov_R_I: (e, op, { size }) => {
    e.constant(op.immediate, size)
    e.frame.set(op.rm, size)
  },
  mov_A_O: (e, op, { size }) => {
    e.frame.wordConst(op.immediate)
    e.frame.loadFrom(e.frame.place(op.segment, size, false), size)
    e.frame.set(at.RAX, size)
  },
  mov_O_A: (e, op, { size }) => {
    const { frame } = e
    frame.wordConst(op.immediate)
    frame.storeTo(frame.place(op.segment, size, true), size, () => frame.get(at.RAX, size))
  },
  lea: (e, op, { size }) => {
    e.frame.offset(op)
    if (e.frame.long && size < 8) e.code.op(OP.i32Wrap)
    e.frame.set(op.reg, size)
  },
  movzx: (e, op, { size, from, memory }) => {
    e.readE(op, from, memory)
    extendTo(e, from, size, false)
    e.frame.set(op.reg, size)
  },
  movsx: (e, op, { size, from, memory }) => {
    e.readE(op, from, memory)
    extendTo(e, from, size, true)
    e.frame.set(op.reg, size)
  },
  movsxd: (e, op, { size, memory }) => {
    e.readE(op, size === 2 ? 2 : 4, memory)
    if (size === 8) e.code.op(OP.i64ExtendS)
    e.frame.set(op.reg, size)
  },
  nop: () => {},
  push_R: (e, op, { size }) => {
    const value = e.frame.temp('value', e.frame.typeOf(size))
    e.frame.get(op.rm, size)
    e.code.set(value)
    e.push(size, () => e.code.get(value))
  },
  push_I: (e, op, { size }) => {
    e.push(size, () => e.constant(op.immediate, size))
  },
  push_E: (e, op, { size, memory }) => {
    const value = e.frame.temp('value', e.frame.typeOf(size))
    e.readE(op, size, memory)
    e.code.set(value)
    e.push(size, () => e.code.get(value))
  },
  pop_R: (e, op, { size }) => {
    const { code, frame } = e
    const value = frame.temp('value', frame.typeOf(size))
    e.peek(size)
    code.set(value)
    e.addSp(size)
    code.get(value)
    frame.set(op.rm, size)
  },
  pop_E: (e, op, action) => (action.memory ? false : moves.pop_R(e, op, action)),
  leave_: (e, _op, { size }) => {
    const { code, frame } = e
    const bp = e.framePointer()
    const value = frame.temp('value', frame.typeOf(size))
    frame.loadFrom(e.stackPlace(bp, size), size)
    code.set(value)
    e.spFrom(bp, size)
    code.get(value)
    frame.set(at.RBP, size)
  },
  setcc: (e, op, { memory, constants }) => {
    const { code, frame } = e
    const value = frame.temp('condition', I32)
    e.flags.condition(Number(constants[0]))
    code.set(value)
    if (memory) {
      frame.storeTo(frame.operand(op, 1, true), 1, () => code.get(value))
      return
    }
    code.get(value)
    frame.set(op.rm, 1)
  },
  cmovcc: (e, op, { size, memory, constants }) => {
    const { code, frame } = e
    e.readE(op, size, memory)
    frame.get(op.reg, size)
    e.flags.condition(Number(constants[0]))
    code.op(OP.select)
    frame.set(op.reg, size)
  },
}
