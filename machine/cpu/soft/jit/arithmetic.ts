/** ADD to XOR, CMP, TEST, INC, DEC, NOT and NEG. */
import * as at from '../layout.js'
import { type Emit, type Emitter, type Emitters, pushOperand, REG, RM, type Source } from './emitter.js'
import type { Flags } from './flag-values.js'
import type { Action, Op } from './ops.js'
import { OP } from './wasm.js'

/** An ALU operation that writes memory or a register. */
function alu(destination: Source, source: Source): Emit {
  return (e, op, action) => {
    const [operation] = action.constants
    const { size, memory } = action
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    if (destination === RM) {
      e.modify(op, size, memory, (value) => {
        e.code.get(value).set(a)
        pushOperand(e, op, action, source)
        e.code.set(b)
        return e.alu(operation, size, a, b, local)
      })
      return
    }
    pushOperand(e, op, action, source)
    e.code.set(b)
    pushOperand(e, op, action, destination)
    e.code.set(a)
    e.code.get(e.alu(operation, size, a, b, local))
    e.frame.set(destination === REG ? op.reg : at.RAX, size)
  }
}

/** CMP and TEST. */
function compare(operation: string, first: Source, second: Source): Emit {
  return (e, op, action) => {
    const { size } = action
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    // What is in memory comes first: it may go wrong, and then the flags are as they were.
    const [early, late] = first === RM ? [a, b] : [b, a]
    pushOperand(e, op, action, first === RM ? first : second)
    e.code.set(early)
    pushOperand(e, op, action, first === RM ? second : first)
    e.code.set(late)
    e.alu(operation, size, a, b, local)
  }
}

function incDec(e: Emitter, op: Op, action: Action): void {
  const { size, memory } = action
  const dec = action.constants.at(-1) === 'true'
  const local = e.flags.next()
  const r = local('r', size)
  e.modify(op, size, memory, (value) => {
    const { code } = e
    code.get(value)
    e.constant(1n, size)
    if (size === 8) code.op(dec ? OP.i64Sub : OP.i64Add)
    else code.op(dec ? OP.i32Sub : OP.i32Add)
    e.keep(r, size)
    const before = e.flags.now
    // Of several in a row, the first knows the carry.
    const source: Flags = before.kind === 'inc' || before.kind === 'dec' ? before.before : before
    e.flags.now = { kind: dec ? 'dec' : 'inc', size, r, before: source }
    return r
  })
}

export const arithmetic: Emitters = {
  alu_E_G: alu('rm', 'reg'),
  alu_G_E: alu('reg', 'rm'),
  alu_E_I: alu('rm', 'immediate'),
  alu_A_I: alu('accumulator', 'immediate'),
  cmp_E_G: compare('CMP', 'rm', 'reg'),
  cmp_G_E: compare('CMP', 'reg', 'rm'),
  cmp_E_I: compare('CMP', 'rm', 'immediate'),
  cmp_A_I: compare('CMP', 'accumulator', 'immediate'),
  test_E_G: compare('AND', 'rm', 'reg'),
  test_E_I: compare('AND', 'rm', 'immediate'),
  test_A_I: compare('AND', 'accumulator', 'immediate'),
  inc_dec_E: incDec,
  inc_dec_R: incDec,
  not_E: (e, op, { size, memory }) => {
    const { code } = e
    const r = e.frame.temp('not', e.frame.typeOf(size))
    e.modify(op, size, memory, (value) => {
      code.get(value)
      e.constant(-1n, size === 8 ? 8 : 4)
      code.op(size === 8 ? OP.i64Xor : OP.i32Xor).set(r)
      return r
    })
  },
  neg_E: (e, op, { size, memory }) => {
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    e.modify(op, size, memory, (value) => {
      e.constant(0n, size)
      e.code.set(a).get(value).set(b)
      return e.alu('SUB', size, a, b, local)
    })
  },
}
