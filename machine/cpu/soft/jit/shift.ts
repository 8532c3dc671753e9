/** Shifts and rotates. */
import * as at from '../layout.js'
import { changeCarry, type Emitter, type Emitters } from './emitter.js'
import type { Action, Op } from './ops.js'
import { I32, I64, OP } from './wasm.js'

/** Shifts and rotates by a number that is known: ROL ROR RCL RCR SHL SHR SAL SAR. */
function shiftBy(e: Emitter, op: Op, action: Action, countIn: number): unknown {
  const { size, memory } = action
  const kind = Number(action.constants[0])
  const bits = size * 8
  const count = countIn & (size === 8 ? 63 : 31)
  if (kind === 2 || kind === 3) return false
  if (count === 0) {
    if (memory) return false
    e.frame.get(op.rm, size)
    e.frame.set(op.rm, size)
    return
  }
  const { code } = e
  const wide = size === 8
  const local = e.flags.next()
  const r = local('r', size)
  const carry = local('c', 4)
  const overflow = local('o', 4)
  const number = (n: number) => {
    if (wide) code.i64(BigInt(n))
    else code.i32(n)
  }
  const [shl, shrU, shrS, or] = wide
    ? [OP.i64Shl, OP.i64ShrU, OP.i64ShrS, OP.i64Or]
    : [OP.i32Shl, OP.i32ShrU, OP.i32ShrS, OP.i32Or]
  /** Pushes bit `n` of a local as i32. */
  const bit = (value: number, n: number) => {
    code.get(value)
    if (n) {
      number(n)
      code.op(shrU)
    }
    if (wide) code.op(OP.i32Wrap)
    code.i32(1).op(OP.i32And)
  }
  e.modify(op, size, memory, (value) => {
    if (kind < 2) {
      const n = count & (bits - 1)
      code.get(value)
      if (size >= 4) {
        number(n)
        code.op(wide ? (kind ? OP.i64Rotr : OP.i64Rotl) : kind ? OP.i32Rotr : OP.i32Rotl)
      } else if (n) {
        number(n)
        code.op(kind ? shrU : shl).get(value)
        number(bits - n)
        code.op(kind ? shl : shrU, or)
      }
      e.keep(r, size)
      bit(r, kind ? bits - 1 : 0)
      code.set(carry)
      code.get(carry)
      bit(r, kind ? bits - 2 : bits - 1)
      code.op(OP.i32Xor).set(overflow)
      changeCarry(e, carry, overflow)
      return r
    }
    if (kind === 4 || kind === 6) {
      if (count < bits) {
        code.get(value)
        number(count)
        code.op(shl)
      } else number(0)
      e.keep(r, size)
      if (count <= bits) bit(value, bits - count)
      else code.i32(0)
      code.set(carry)
      code.get(carry)
      bit(r, bits - 1)
      code.op(OP.i32Xor).set(overflow)
    } else if (kind === 5) {
      if (count < bits) {
        code.get(value)
        number(count)
        code.op(shrU)
      } else number(0)
      e.keep(r, size)
      if (count <= bits) bit(value, count - 1)
      else code.i32(0)
      code.set(carry)
      bit(r, bits - 1)
      bit(r, bits - 2)
      code.op(OP.i32Xor).set(overflow)
    } else {
      const signed = e.frame.temp('signed', wide ? I64 : I32)
      code.get(value)
      if (size === 1) code.op(OP.i32Extend8)
      if (size === 2) code.op(OP.i32Extend16)
      code.tee(signed)
      number(count)
      code.op(shrS)
      e.keep(r, size)
      bit(signed, count - 1)
      code.set(carry)
      code.i32(0).set(overflow)
    }
    e.flags.now = { kind: 'set', size, r, carry, overflow }
    return r
  })
  return
}

/** By CL, a register of 32 or 64 bits. The flags change where the count is not 0. */
function shiftByCl(e: Emitter, op: Op, action: Action): unknown {
  const { size, memory } = action
  const kind = Number(action.constants[0])
  if (memory || size < 4 || kind === 2 || kind === 3) return false
  if (kind < 2 && !e.flagsDead) return false
  const { code, frame } = e
  const wide = size === 8
  const count = frame.temp('count', frame.typeOf(size))
  const value = frame.temp('value', frame.typeOf(size))
  const r = frame.temp('shifted', frame.typeOf(size))
  const [shl, shrU, shrS] = wide ? [OP.i64Shl, OP.i64ShrU, OP.i64ShrS] : [OP.i32Shl, OP.i32ShrU, OP.i32ShrS]
  const rotate = wide ? (kind ? OP.i64Rotr : OP.i64Rotl) : kind ? OP.i32Rotr : OP.i32Rotl
  if (!e.flagsDead) e.flags.flush()
  frame.get(at.RCX, size)
  e.constant(wide ? 63n : 31n, size)
  code.op(wide ? OP.i64And : OP.i32And).set(count)
  frame.get(op.rm, size)
  code
    .tee(value)
    .get(count)
    .op(kind < 2 ? rotate : kind === 7 ? shrS : kind === 5 ? shrU : shl)
  code.set(r)
  if (!e.flagsDead) {
    code
      .get(count)
      .op(wide ? OP.i64Eqz : OP.i32Eqz, OP.i32Eqz)
      .if()
    const local = e.flags.next()
    const carry = local('c', 4)
    const overflow = local('o', 4)
    // The last bit that went out.
    code.get(value)
    if (kind === 4 || kind === 6) {
      e.constant(BigInt(size * 8), size)
      code.get(count).op(wide ? OP.i64Sub : OP.i32Sub)
    } else {
      code.get(count)
      e.constant(1n, size)
      code.op(wide ? OP.i64Sub : OP.i32Sub)
    }
    code.op(shrU)
    if (wide) code.op(OP.i32Wrap)
    code.i32(1).op(OP.i32And).set(carry)
    const bit = (n: number) => {
      code.get(r)
      e.constant(BigInt(n), size)
      code.op(shrU)
      if (wide) code.op(OP.i32Wrap)
      code.i32(1).op(OP.i32And)
    }
    if (kind === 7) code.i32(0)
    else if (kind === 5) {
      bit(size * 8 - 1)
      bit(size * 8 - 2)
      code.op(OP.i32Xor)
    } else {
      code.get(carry)
      bit(size * 8 - 1)
      code.op(OP.i32Xor)
    }
    code.set(overflow)
    e.flags.write({ kind: 'set', size, r, carry, overflow })
    code.end()
  } else e.flags.reset(false)
  code.get(r)
  frame.set(op.rm, size)
  return
}

export const shifts: Emitters = {
  shift_E_I: (e, op, action) => shiftBy(e, op, action, Number(op.immediate & 0xffn)),
  shift_E_1: (e, op, action) => shiftBy(e, op, action, 1),
  shift_E_CL: shiftByCl,
  shld_shrd: (e, op, action) => {
    const { size, memory } = action
    const right = action.constants[0] === 'true'
    const count = Number(op.immediate) & (size === 8 ? 63 : 31)
    if (memory || size < 4 || action.constants[1] === 'true' || count === 0) return false
    const { code, frame } = e
    const wide = size === 8
    const [shl, shrU, or, xor] = wide
      ? [OP.i64Shl, OP.i64ShrU, OP.i64Or, OP.i64Xor]
      : [OP.i32Shl, OP.i32ShrU, OP.i32Or, OP.i32Xor]
    const local = e.flags.next()
    const r = local('r', size)
    const carry = local('c', 4)
    const overflow = local('o', 4)
    const bits = size * 8
    e.modify(op, size, false, (value) => {
      code.get(value)
      e.constant(BigInt(count), size)
      code.op(right ? shrU : shl)
      frame.get(op.reg, size)
      e.constant(BigInt(bits - count), size)
      code.op(right ? shl : shrU, or).set(r)
      code.get(value)
      e.constant(BigInt(right ? count - 1 : bits - count), size)
      code.op(shrU)
      if (wide) code.op(OP.i32Wrap)
      code.i32(1).op(OP.i32And).set(carry)
      code.get(r).get(value).op(xor)
      e.constant(BigInt(bits - 1), size)
      code.op(shrU)
      if (wide) code.op(OP.i32Wrap)
      code.set(overflow)
      e.flags.now = { kind: 'set', size, r, carry, overflow }
      return r
    })
  },
}
