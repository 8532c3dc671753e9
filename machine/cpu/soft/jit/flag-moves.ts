/** CLC to STD. */
import * as at from '../layout.js'
import { changeCarry, type Emitters } from './emitter.js'
import { LOAD, OP, STORE } from './wasm.js'

export const flagMoves: Emitters = {
  clc_stc: (e, _op, { constants }) => {
    const carry = e.flags.next()('c', 4)
    e.code.i32(constants[0] === 'true' ? 1 : 0).set(carry)
    changeCarry(e, carry)
  },
  cmc: (e) => {
    const carry = e.flags.next()('c', 4)
    e.flags.carry()
    e.code.op(OP.i32Eqz).set(carry)
    changeCarry(e, carry)
  },
  cld_std: (e, _op, { constants }) => {
    const { code, frame } = e
    frame.storeAt(STORE.i32, at.RFLAGS, () => {
      frame.loadAt(LOAD.i32, at.RFLAGS)
      if (constants[0] === 'true') code.i32(at.FLAG_DF).op(OP.i32Or)
      else code.i32(~at.FLAG_DF).op(OP.i32And)
    })
  },
}
