/** BT and its kind, BSF, BSR and BSWAP. */
import { changeCarry, type Emitter, type Emitters } from './emitter.js'
import type { Action, Op } from './ops.js'
import { I32, I64, OP } from './wasm.js'

/** BT, BTS, BTR, BTC. */
function bitOf(e: Emitter, op: Op, { size, memory, constants }: Action, index: 'register' | 'immediate'): void {
  const kind = Number(constants[0])
  const { code, frame } = e
  const wide = size === 8
  const local = e.flags.next()
  const carry = local('c', 4)
  const count = frame.temp('count', frame.typeOf(size))
  if (index === 'register') frame.get(op.reg, size)
  else e.constant(op.immediate & 0xffn, size)
  e.constant(BigInt(size * 8 - 1), size)
  code.op(wide ? OP.i64And : OP.i32And).set(count)
  const carryFrom = (value: number) => {
    code
      .get(value)
      .get(count)
      .op(wide ? OP.i64ShrU : OP.i32ShrU)
    if (wide) code.op(OP.i32Wrap)
    code.i32(1).op(OP.i32And).set(carry)
  }
  // A register counts bits from a memory operand on, forwards and backwards.
  const away = memory && index === 'register' ? () => pushBytesAway(e, op, size) : undefined
  if (kind === 0) {
    const value = frame.temp('value', frame.typeOf(size))
    e.readE(op, size, memory, away)
    code.set(value)
    carryFrom(value)
  } else {
    const result = frame.temp('bits', frame.typeOf(size))
    e.modify(
      op,
      size,
      memory,
      (value) => {
        carryFrom(value)
        code.get(value)
        e.constant(1n, size)
        code.get(count).op(wide ? OP.i64Shl : OP.i32Shl)
        if (kind === 1) code.op(wide ? OP.i64Or : OP.i32Or)
        else if (kind === 3) code.op(wide ? OP.i64Xor : OP.i32Xor)
        else {
          e.constant(-1n, size === 8 ? 8 : 4)
          code.op(wide ? OP.i64Xor : OP.i32Xor, wide ? OP.i64And : OP.i32And)
        }
        e.keep(result, size)
        return result
      },
      away,
    )
  }
  changeCarry(e, carry)
}

/** Pushes how far the operand is away from where the address says, in an address' type. */
function pushBytesAway(e: Emitter, op: Op, size: number): void {
  const { code, frame } = e
  frame.get(op.reg, size)
  if (size === 2) code.op(OP.i32Extend16)
  if (size < 8 && frame.long) code.op(OP.i64ExtendS)
  const [shift, shiftBack] = frame.long ? [OP.i64ShrS, OP.i64Shl] : [OP.i32ShrS, OP.i32Shl]
  frame.wordConst(size === 8 ? 6 : size === 4 ? 5 : 4)
  code.op(shift)
  frame.wordConst(size === 8 ? 3 : size === 4 ? 2 : 1)
  code.op(shiftBack)
}

function scan(e: Emitter, op: Op, action: Action, reverse: boolean): unknown {
  const { size, memory } = action
  if (size < 4) return false
  const { code, frame } = e
  const wide = size === 8
  const local = e.flags.next()
  const value = frame.temp('value', frame.typeOf(size))
  const found = local('r', 4)
  const none = local('c', 4)
  e.readE(op, size, memory)
  code
    .tee(value)
    .op(wide ? OP.i64Eqz : OP.i32Eqz, OP.i32Eqz)
    .set(found)
  code.i32(0).set(none)
  // A source of 0 leaves the destination as it is.
  code.get(found).if()
  if (reverse) e.constant(BigInt(size * 8 - 1), size)
  code.get(value).op(reverse ? (wide ? OP.i64Clz : OP.i32Clz) : wide ? OP.i64Ctz : OP.i32Ctz)
  if (reverse) code.op(wide ? OP.i64Sub : OP.i32Sub)
  frame.set(op.reg, size)
  code.end()
  // The handler's flags: a result of 1 or 0, no carries.
  e.flags.now = { kind: 'set', size: 4, r: found, carry: none, overflow: none }
  return
}

export const bitOperations: Emitters = {
  bit_E_G: (e, op, action) => bitOf(e, op, action, 'register'),
  bit_E_I: (e, op, action) => bitOf(e, op, action, 'immediate'),
  bsf: (e, op, action) => scan(e, op, action, false),
  bsr: (e, op, action) => scan(e, op, action, true),
  bswap: (e, op, { size }) => {
    if (size < 4) return false
    const { code, frame } = e
    if (size === 8) {
      const value = frame.temp('value', I64)
      frame.get(op.rm, 8)
      code.set(value)
      for (const [bits, mask] of [
        [8n, 0x00ff00ff00ff00ffn],
        [16n, 0x0000ffff0000ffffn],
      ]) {
        code.get(value).i64(bits).op(OP.i64ShrU).i64(mask).op(OP.i64And)
        code.get(value).i64(mask).op(OP.i64And).i64(bits).op(OP.i64Shl, OP.i64Or).set(value)
      }
      code.get(value).i64(32n).op(OP.i64Rotl)
      frame.set(op.rm, 8)
      return
    }
    const value = frame.temp('value', I32)
    frame.get(op.rm, 4)
    code.tee(value).i32(8).op(OP.i32Rotl).i32(0x00ff00ff).op(OP.i32And)
    code.get(value).i32(8).op(OP.i32Rotr).i32(-0xff0100).op(OP.i32And, OP.i32Or)
    frame.set(op.rm, 4)
    return
  },
}
