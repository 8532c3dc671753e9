/** String instructions that are not repeated. */
import * as at from '../layout.js'
import type { Emitter, Emitters } from './emitter.js'
import type { Op } from './ops.js'
import { LOAD, OP } from './wasm.js'

/** A string instruction without a prefix that repeats it: what follows it is the next instruction. */
export function isOnce({ action, flags }: Op): boolean {
  return /^(movs|stos|lods|cmps|scas)$/.test(action.name) && !(flags & (at.OPF_REP | at.OPF_REPNE))
}

/** Pushes an index register, cut to the address size. */
function pushIndex({ code, frame }: Emitter, op: Op, register: number): void {
  frame.whole((register - at.GPR) >> 3)
  if (op.addressSize === 16) {
    frame.wordConst(0xffff)
    code.op(frame.long ? OP.i64And : OP.i32And)
  } else if (op.addressSize === 32 && frame.long) code.op(OP.i32Wrap, OP.i64ExtendU)
}

/** An index goes on by the operand's size, back where the direction flag says so. */
function advance(e: Emitter, op: Op, register: number, size: number): void {
  const { code, frame } = e
  const width = op.addressSize / 8
  frame.get(register, width)
  frame.loadAt(width === 8 ? LOAD.i64 : LOAD.i32, at.RFLAGS)
  const [and, shift, or, add] =
    width === 8 ? [OP.i64And, OP.i64ShrU, OP.i64Sub, OP.i64Add] : [OP.i32And, OP.i32ShrU, OP.i32Sub, OP.i32Add]
  // size, less twice the size where DF (bit 10) is set.
  const bits = 10 - Math.log2(size * 2)
  e.constant(BigInt(at.FLAG_DF), Math.max(width, 4))
  code.op(and)
  e.constant(BigInt(bits), Math.max(width, 4))
  code.op(shift, or)
  e.constant(BigInt(size), Math.max(width, 4))
  code.op(add)
  frame.set(register, width)
}

const target = (e: Emitter): number => (e.frame.long ? at.FLAT : at.ES)

function source(e: Emitter, op: Op, size: number): number {
  pushIndex(e, op, at.RSI)
  return e.frame.place(op.segment, size, false)
}

/** The place at (E/R)DI, in locals of its own. */
function destination(e: Emitter, op: Op, size: number, write: boolean): number {
  pushIndex(e, op, at.RDI)
  return e.frame.place(target(e), size, write, 'destination')
}

export const strings: Emitters = {
  movs: (e, op, { size }) => {
    if (!isOnce(op)) return false
    const from = source(e, op, size)
    const to = destination(e, op, size, true)
    e.frame.storeTo(to, size, () => e.frame.loadFrom(from, size))
    advance(e, op, at.RSI, size)
    advance(e, op, at.RDI, size)
    return
  },
  stos: (e, op, { size }) => {
    if (!isOnce(op)) return false
    e.frame.storeTo(destination(e, op, size, true), size, () => e.frame.get(at.RAX, size))
    advance(e, op, at.RDI, size)
    return
  },
  lods: (e, op, { size }) => {
    if (!isOnce(op)) return false
    e.frame.loadFrom(source(e, op, size), size)
    e.frame.set(at.RAX, size)
    advance(e, op, at.RSI, size)
    return
  },
  cmps: (e, op, { size }) => {
    if (!isOnce(op)) return false
    const from = source(e, op, size)
    const to = destination(e, op, size, false)
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    e.frame.loadFrom(from, size)
    e.code.set(a)
    e.frame.loadFrom(to, size)
    e.code.set(b)
    e.alu('CMP', size, a, b, local)
    advance(e, op, at.RSI, size)
    advance(e, op, at.RDI, size)
    return
  },
  scas: (e, op, { size }) => {
    if (!isOnce(op)) return false
    const to = destination(e, op, size, false)
    const local = e.flags.next()
    const a = local('a', size)
    const b = local('b', size)
    e.frame.get(at.RAX, size)
    e.code.set(a)
    e.frame.loadFrom(to, size)
    e.code.set(b)
    e.alu('CMP', size, a, b, local)
    advance(e, op, at.RDI, size)
    return
  },
}
