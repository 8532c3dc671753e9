/** Multiplication, division and the widening of the accumulator. */
import * as at from '../layout.js'
import { type Emitter, type Emitters, extendTo } from './emitter.js'
import type { Action, Op } from './ops.js'
import { pushUpperHalf } from './product.js'
import { I64, OP } from './wasm.js'

/** IMUL with two operands, which `push` leaves with their signs in 64 bits: leaves the product, cut to the size. */
function multiply(e: Emitter, size: number, push: () => void): void {
  const { code, frame } = e
  const local = e.flags.next()
  const r = local('r', size)
  if (size === 8) {
    const a = local('a', 8)
    const b = local('b', 8)
    push()
    code.set(b).tee(a).get(b).op(OP.i64Mul).set(r)
    e.flags.now = { kind: 'product', size, a, b, r }
  } else {
    const product = frame.temp('product', I64)
    push()
    code.op(OP.i64Mul).tee(product).op(OP.i32Wrap)
    e.keep(r, size)
    const carry = local('c', 4)
    code.get(product).get(r)
    if (size === 2) code.op(OP.i32Extend16)
    code.op(OP.i64ExtendS, OP.i64Ne).set(carry)
    e.flags.now = { kind: 'set', size, r, carry, overflow: carry }
  }
  code.get(r)
}

function signedWide(e: Emitter, size: number): void {
  if (size === 2) e.code.op(OP.i32Extend16)
  if (size < 8) e.code.op(OP.i64ExtendS)
}

/** MUL and IMUL with the accumulator. */
function multiplyAccumulator(e: Emitter, op: Op, { size, memory }: Action, signed: boolean): unknown {
  if (size < 4) return false
  const { code, frame } = e
  const local = e.flags.next()
  const r = local('r', size)
  const carry = local('c', 4)
  if (size === 8) {
    const a = frame.temp('factorA', I64)
    const b = frame.temp('factorB', I64)
    const high = frame.temp('product', I64)
    e.readE(op, 8, memory)
    code.set(b)
    frame.get(at.RAX, 8)
    code.tee(a).get(b).op(OP.i64Mul).set(r)
    pushUpperHalf(frame, a, b, signed)
    code.set(high).get(high)
    if (signed) code.get(r).i64(63n).op(OP.i64ShrS, OP.i64Ne)
    else code.op(OP.i64Eqz, OP.i32Eqz)
    code.set(carry).get(high)
    frame.set(at.RDX, 8)
  } else {
    const product = frame.temp('product', I64)
    const extend = signed ? OP.i64ExtendS : OP.i64ExtendU
    e.readE(op, 4, memory)
    code.op(extend)
    frame.get(at.RAX, 4)
    code.op(extend, OP.i64Mul).tee(product).op(OP.i32Wrap).set(r)
    code.get(product)
    if (signed) code.get(r).op(OP.i64ExtendS, OP.i64Ne)
    else code.i64(32n).op(OP.i64ShrU, OP.i64Eqz, OP.i32Eqz)
    code.set(carry).get(product).i64(32n).op(OP.i64ShrU, OP.i32Wrap)
    frame.set(at.RDX, 4)
  }
  code.get(r)
  frame.set(at.RAX, size)
  e.flags.now = { kind: 'set', size, r, carry, overflow: carry }
  return
}

/** DIV and IDIV of EDX:EAX, which 64 bits hold, and of RDX:RAX where RDX only extends RAX. */
function divide(e: Emitter, op: Op, { size, memory }: Action, signed: boolean): unknown {
  if (size < 4) return false
  const { code, frame } = e
  const divisor = frame.temp('divisor', I64)
  const dividend = frame.temp('dividend', I64)
  const quotient = frame.temp('quotient', I64)
  const [extend, division, remainder] = signed
    ? [OP.i64ExtendS, OP.i64DivS, OP.i64RemS]
    : [OP.i64ExtendU, OP.i64DivU, OP.i64RemU]
  e.readE(op, size, memory)
  if (size === 4) code.op(extend)
  code.tee(divisor).op(OP.i64Eqz)
  frame.handOverIf()
  if (size === 4) {
    frame.get(at.RDX, 4)
    code.op(OP.i64ExtendU).i64(32n).op(OP.i64Shl)
    frame.get(at.RAX, 4)
    code.op(OP.i64ExtendU, OP.i64Or).set(dividend)
  } else {
    frame.get(at.RAX, 8)
    code.set(dividend)
    frame.get(at.RDX, 8)
    if (signed) code.get(dividend).i64(63n).op(OP.i64ShrS, OP.i64Ne)
    else code.op(OP.i64Eqz, OP.i32Eqz)
    frame.handOverIf()
  }
  if (signed) {
    // The one quotient that WebAssembly traps on.
    code
      .get(divisor)
      .i64(-1n)
      .op(OP.i64Eq)
      .get(dividend)
      .i64(-(1n << 63n))
      .op(OP.i64Eq, OP.i32And)
    frame.handOverIf()
  }
  code.get(dividend).get(divisor).op(division).set(quotient)
  if (size === 4) {
    code.get(quotient)
    if (signed) code.get(quotient).op(OP.i64Extend32, OP.i64Ne)
    else code.i64(32n).op(OP.i64ShrU, OP.i64Eqz, OP.i32Eqz)
    frame.handOverIf()
  }
  const result = (push: () => void, register: number) => {
    push()
    if (size === 4) code.op(OP.i32Wrap)
    frame.set(register, size)
  }
  result(() => code.get(quotient), at.RAX)
  result(() => code.get(dividend).get(divisor).op(remainder), at.RDX)
  return
}

export const multiplication: Emitters = {
  imul_G_E: (e, op, { size, memory }) => {
    multiply(e, size, () => {
      e.readE(op, size, memory)
      signedWide(e, size)
      e.frame.get(op.reg, size)
      signedWide(e, size)
    })
    e.frame.set(op.reg, size)
  },
  imul_G_E_I: (e, op, { size, memory }) => {
    multiply(e, size, () => {
      e.readE(op, size, memory)
      signedWide(e, size)
      e.code.i64(BigInt.asIntN(size * 8, op.immediate))
    })
    e.frame.set(op.reg, size)
  },
  mul_E: (e, op, action) => multiplyAccumulator(e, op, action, false),
  imul_E: (e, op, action) => multiplyAccumulator(e, op, action, true),
  div_E: (e, op, action) => divide(e, op, action, false),
  idiv_E: (e, op, action) => divide(e, op, action, true),
  cbw: (e, _op, { size }) => {
    const half = size / 2
    e.frame.get(at.RAX, half)
    extendTo(e, half, size, true)
    e.frame.set(at.RAX, size)
  },
  cwd: (e, _op, { size }) => {
    const { code, frame } = e
    frame.get(at.RAX, size)
    if (size === 2) code.op(OP.i32Extend16)
    if (size === 8) code.i64(63n).op(OP.i64ShrS)
    else code.i32(31).op(OP.i32ShrS)
    frame.set(at.RDX, size)
  },
}
