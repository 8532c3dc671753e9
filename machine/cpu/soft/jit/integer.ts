/**
 * The integer instructions that regions execute themselves, by the names of their handlers in the core. An emitter that
 * returns false has written nothing: the interpreter's handler is called instead.
 *
 * A handler's order holds here, too: whatever can go wrong (a TLB without the page, a segment's end) comes before the first
 * change of a register or of memory, since the interpreter then executes the whole instruction.
 * The file is longer than others, because it is one table of emitters by name.
 */
import * as at from '../layout.js'
import { type Flags, LazyFlags } from './flags.js'
import type { Frame } from './frame.js'
import type { Action, Op } from './ops.js'
import { I32, I64, LOAD, OP, STORE } from './wasm.js'

/** False where it has written nothing. */
type Emit = (e: Emitter, op: Op, action: Action) => unknown

export class Emitter {
  readonly flags: LazyFlags
  /** Nobody sees the flags that the present op leaves. */
  flagsDead = false

  constructor(readonly frame: Frame) {
    this.flags = new LazyFlags(frame)
  }

  get code() {
    return this.frame.code
  }

  // ---- operands ----

  /** Pushes `value` in an operand's type. */
  constant(value: bigint, size: number): void {
    if (size === 8) this.code.i64(value)
    else this.code.i32(Number(BigInt.asIntN(32, size === 4 ? value : BigInt.asUintN(size * 8, value))))
  }

  /** Pushes the E operand. */
  readE(op: Op, size: number, memory: boolean): void {
    const { frame } = this
    if (!memory) {
      frame.get(op.rm, size)
      return
    }
    frame.offset(op)
    frame.loadFrom(frame.place(op.segment, size, false), size)
  }

  /** Pops a value of 8 or 16 bits into its local zero-extended; others as they are. */
  keep(local: number, size: number): void {
    if (size < 4) this.code.i32(size === 1 ? 0xff : 0xffff).op(OP.i32And)
    this.code.set(local)
  }

  // ---- the ALU ----

  /** From `a` and `b` in locals to the result's local, with its flags. */
  alu(operation: string, size: number, a: number, b: number, local: (name: string, size: number) => number): number {
    const { code, flags } = this
    const r = local('r', size)
    const wide = size === 8
    const before = flags.now
    const carryIn = operation === 'ADC' || operation === 'SBB'
    code.get(a).get(b)
    switch (operation) {
      case 'ADD':
      case 'ADC':
        code.op(wide ? OP.i64Add : OP.i32Add)
        break
      case 'SUB':
      case 'SBB':
      case 'CMP':
        code.op(wide ? OP.i64Sub : OP.i32Sub)
        break
      case 'AND':
        code.op(wide ? OP.i64And : OP.i32And)
        break
      case 'OR':
        code.op(wide ? OP.i64Or : OP.i32Or)
        break
      default:
        code.op(wide ? OP.i64Xor : OP.i32Xor)
    }
    if (carryIn) {
      flags.carry(before)
      if (wide) code.op(OP.i64ExtendU)
      if (operation === 'ADC') code.op(wide ? OP.i64Add : OP.i32Add)
      else code.op(wide ? OP.i64Sub : OP.i32Sub)
    }
    this.keep(r, size)
    if (operation === 'ADD' || operation === 'ADC') flags.now = { kind: 'add', size, a, b, r, carryIn }
    else if (operation === 'SUB' || operation === 'SBB' || operation === 'CMP')
      flags.now = { kind: 'sub', size, a, b, r, carryIn }
    else flags.now = { kind: 'logic', size, r }
    return r
  }

  /**
   * destination = f(destination): `push` leaves the result of what is in the local. In memory the place is found first, and
   * nothing can go wrong after that.
   */
  modify(op: Op, size: number, memory: boolean, change: (value: number) => number): void {
    const { code, frame } = this
    const value = frame.temp('value', frame.typeOf(size))
    if (memory) {
      frame.offset(op)
      const place = frame.place(op.segment, size, true)
      frame.loadFrom(place, size)
      code.set(value)
      const result = change(value)
      frame.storeTo(place, size, () => code.get(result))
    } else {
      frame.get(op.rm, size)
      code.set(value)
      const result = change(value)
      code.get(result)
      frame.set(op.rm, size)
    }
  }

  // ---- the stack ----

  /** Pushes the stack pointer's offset after `change` bytes, cut to the stack's width, and leaves it in a local. */
  private stackOffset(change: number): number {
    const { code, frame } = this
    const sp = frame.temp('sp', frame.word)
    frame.whole(4)
    if (change) {
      frame.wordConst(change)
      frame.wordAdd()
    }
    if (!frame.flat) {
      frame.loadAt(LOAD.i32, at.SP_MASK)
      code.op(OP.i32And)
    }
    code.set(sp)
    return sp
  }

  /** RSP to `sp`, which is cut to the stack's width already. */
  private setSp(sp: number): void {
    const { code, frame } = this
    if (!frame.flat) {
      frame.whole(4)
      frame.loadAt(LOAD.i32, at.SP_MASK)
      code.i32(-1).op(OP.i32Xor, OP.i32And).get(sp).op(OP.i32Or)
    } else code.get(sp)
    frame.setWhole(4)
  }

  private get stackSegment(): number {
    return this.frame.long ? at.FLAT_SS : at.SS
  }

  push(size: number, value: () => void): void {
    const { code, frame } = this
    const sp = this.stackOffset(-size)
    code.get(sp)
    const place = frame.place(this.stackSegment, size, true, 'stack')
    frame.storeTo(place, size, value)
    this.setSp(sp)
  }

  /** Pushes the stack's top; `addSp` is to follow. */
  peek(size: number): void {
    const { code, frame } = this
    code.get(this.stackOffset(0))
    frame.loadFrom(frame.place(this.stackSegment, size, false, 'stack'), size)
  }

  addSp(bytes: number): void {
    this.setSp(this.stackOffset(bytes))
  }

  /** RSP to the value of a local plus `bytes`. */
  spFrom(local: number, bytes: number): void {
    const { code, frame } = this
    const sp = frame.temp('sp', frame.word)
    code.get(local)
    frame.wordConst(bytes)
    frame.wordAdd()
    if (!frame.flat) {
      frame.loadAt(LOAD.i32, at.SP_MASK)
      code.op(OP.i32And)
    }
    code.set(sp)
    this.setSp(sp)
  }

  /** Where LEAVE finds the frame: RBP, cut to the stack's width, in a local. */
  framePointer(): number {
    const { code, frame } = this
    const local = frame.temp('bp', frame.word)
    frame.whole(5)
    if (!frame.flat) {
      frame.loadAt(LOAD.i32, at.SP_MASK)
      code.op(OP.i32And)
    }
    code.set(local)
    return local
  }

  stackPlace(local: number, size: number): number {
    this.code.get(local)
    return this.frame.place(this.stackSegment, size, false, 'stack')
  }

  /** What the op does, or false where the interpreter's handler is to be called. */
  emit(op: Op): boolean {
    const { action } = op
    const emit = EMITTERS[action.name]
    if (!emit) return false
    // In 32 bits of registers there are none of 64.
    if (action.size === 8 && !this.frame.long) return false
    return emit(this, op, action) !== false
  }
}

const REG = 'reg'
const RM = 'rm'
const ACCUMULATOR = 'accumulator'
type Source = 'reg' | 'rm' | 'accumulator' | 'immediate'

function pushOperand(e: Emitter, op: Op, action: Action, source: Source): void {
  const { size, memory } = action
  if (source === REG) e.frame.get(op.reg, size)
  else if (source === RM) e.readE(op, size, memory)
  else if (source === ACCUMULATOR) e.frame.get(at.RAX, size)
  else e.constant(op.immediate, size)
}

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

/** A change of the carry alone, or with the overflow. */
function changeCarry(e: Emitter, carry: number, overflow?: number): void {
  const before = e.flags.now
  if (before.kind === 'carry')
    e.flags.now = { kind: 'carry', carry, overflow: overflow ?? before.overflow, before: before.before }
  else e.flags.now = { kind: 'carry', carry, overflow, before }
}

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
  } else e.flags.reset()
  code.get(r)
  frame.set(op.rm, size)
  return
}

/** IMUL with two operands: `low` of x * y, both in locals with their signs in 64 bits where they are of 32 and less. */
function multiply(e: Emitter, size: number, push: () => void): boolean {
  const { code, frame } = e
  const local = e.flags.next()
  const r = local('r', size)
  if (size === 8) {
    push()
    code.op(OP.i64Mul).set(r)
    e.flags.reset()
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
  return true
}

function signedWide(e: Emitter, size: number): void {
  if (size === 2) e.code.op(OP.i32Extend16)
  if (size < 8) e.code.op(OP.i64ExtendS)
}

function extendTo(e: Emitter, from: number, to: number, signed: boolean): void {
  const { code } = e
  if (signed && from === 1) code.op(OP.i32Extend8)
  if (signed && from === 2) code.op(OP.i32Extend16)
  if (to === 8 && from < 8) code.op(signed ? OP.i64ExtendS : OP.i64ExtendU)
}

/** BT, BTS, BTR, BTC of a register. */
function bitOf(e: Emitter, op: Op, action: Action, index: 'register' | 'immediate'): unknown {
  const { size, memory } = action
  const kind = Number(action.constants[0])
  if (memory && (index === 'register' || kind !== 0)) return false
  const { code, frame } = e
  const wide = size === 8
  const local = e.flags.next()
  const carry = local('c', 4)
  const value = frame.temp('value', frame.typeOf(size))
  const count = frame.temp('count', frame.typeOf(size))
  e.readE(op, size, memory)
  code.set(value)
  if (index === 'register') frame.get(op.reg, size)
  else e.constant(op.immediate & 0xffn, size)
  e.constant(BigInt(size * 8 - 1), size)
  code.op(wide ? OP.i64And : OP.i32And).set(count)
  code
    .get(value)
    .get(count)
    .op(wide ? OP.i64ShrU : OP.i32ShrU)
  if (wide) code.op(OP.i32Wrap)
  code.i32(1).op(OP.i32And).set(carry)
  if (kind) {
    code.get(value)
    e.constant(1n, size)
    code.get(count).op(wide ? OP.i64Shl : OP.i32Shl)
    if (kind === 1) code.op(wide ? OP.i64Or : OP.i32Or)
    else if (kind === 3) code.op(wide ? OP.i64Xor : OP.i32Xor)
    else {
      e.constant(-1n, size === 8 ? 8 : 4)
      code.op(wide ? OP.i64Xor : OP.i32Xor, wide ? OP.i64And : OP.i32And)
    }
    frame.set(op.rm, size)
  }
  changeCarry(e, carry)
  return
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

/** The unsigned division of EDX:EAX, which 64 bits hold. */
function divide(e: Emitter, op: Op, action: Action): unknown {
  const { size, memory } = action
  if (size !== 4) return false
  const { code, frame } = e
  const divisor = frame.temp('divisor', I64)
  const dividend = frame.temp('dividend', I64)
  const quotient = frame.temp('quotient', I64)
  e.readE(op, size, memory)
  code.op(OP.i64ExtendU).tee(divisor).op(OP.i64Eqz)
  frame.handOverIf()
  frame.get(at.RDX, 4)
  code.op(OP.i64ExtendU).i64(32n).op(OP.i64Shl)
  frame.get(at.RAX, 4)
  code.op(OP.i64ExtendU, OP.i64Or).tee(dividend).get(divisor).op(OP.i64DivU).tee(quotient)
  code.i64(32n).op(OP.i64ShrU, OP.i64Eqz, OP.i32Eqz)
  frame.handOverIf()
  code.get(quotient).op(OP.i32Wrap)
  frame.set(at.RAX, 4)
  code.get(dividend).get(divisor).op(OP.i64RemU, OP.i32Wrap)
  frame.set(at.RDX, 4)
  return
}

const EMITTERS: { [name: string]: Emit } = {
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
  mov_E_G: (e, op, { size, memory }) => {
    const { frame } = e
    if (memory) {
      frame.offset(op)
      frame.storeTo(frame.place(op.segment, size, true), size, () => frame.get(op.reg, size))
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
      frame.offset(op)
      frame.storeTo(frame.place(op.segment, size, true), size, () => e.constant(op.immediate, size))
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
  },
  bswap: (e, op, { size }) => {
    if (size !== 4) return false
    const { code, frame } = e
    const value = frame.temp('value', I32)
    frame.get(op.rm, 4)
    code.tee(value).i32(8).op(OP.i32Rotl).i32(0x00ff00ff).op(OP.i32And)
    code.get(value).i32(8).op(OP.i32Rotr).i32(-0xff0100).op(OP.i32And, OP.i32Or)
    frame.set(op.rm, 4)
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
  pop_E: (e, op, action) => (action.memory ? false : EMITTERS.pop_R(e, op, action)),
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
  shift_E_I: (e, op, action) => shiftBy(e, op, action, Number(op.immediate & 0xffn)),
  shift_E_1: (e, op, action) => shiftBy(e, op, action, 1),
  shift_E_CL: shiftByCl,
  imul_G_E: (e, op, { size, memory }) => {
    if (size === 8 && !e.flagsDead) return false
    multiply(e, size, () => {
      e.readE(op, size, memory)
      signedWide(e, size)
      e.frame.get(op.reg, size)
      signedWide(e, size)
    })
    e.frame.set(op.reg, size)
  },
  imul_G_E_I: (e, op, { size, memory }) => {
    if (size === 8 && !e.flagsDead) return false
    multiply(e, size, () => {
      e.readE(op, size, memory)
      signedWide(e, size)
      e.code.i64(BigInt.asIntN(size * 8, op.immediate))
    })
    e.frame.set(op.reg, size)
  },
  mul_E: (e, op, { size, memory }) => {
    if (size !== 4) return false
    const { code, frame } = e
    const local = e.flags.next()
    const r = local('r', 4)
    const carry = local('c', 4)
    const product = frame.temp('product', I64)
    e.readE(op, 4, memory)
    code.op(OP.i64ExtendU)
    frame.get(at.RAX, 4)
    code.op(OP.i64ExtendU, OP.i64Mul).tee(product).op(OP.i32Wrap).tee(r)
    frame.set(at.RAX, 4)
    code.get(product).i64(32n).op(OP.i64ShrU, OP.i32Wrap).tee(carry)
    frame.set(at.RDX, 4)
    code.get(carry).op(OP.i32Eqz, OP.i32Eqz).set(carry)
    e.flags.now = { kind: 'set', size: 4, r, carry, overflow: carry }
  },
  div_E: divide,
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
  setcc: (e, op, { memory, constants }) => {
    const { code, frame } = e
    const value = frame.temp('condition', I32)
    e.flags.condition(Number(constants[0]))
    code.set(value)
    if (memory) {
      frame.offset(op)
      frame.storeTo(frame.place(op.segment, 1, true), 1, () => code.get(value))
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
  bit_E_G: (e, op, action) => bitOf(e, op, action, 'register'),
  bit_E_I: (e, op, action) => bitOf(e, op, action, 'immediate'),
  bsf: (e, op, action) => scan(e, op, action, false),
  bsr: (e, op, action) => scan(e, op, action, true),
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

const FLAGS_WHOLE = new Set(['alu_E_G', 'alu_G_E', 'alu_E_I', 'alu_A_I', 'cmp_E_G', 'cmp_G_E', 'cmp_E_I', 'cmp_A_I'])
for (const name of ['test_E_G', 'test_E_I', 'test_A_I', 'neg_E', 'imul_G_E', 'imul_G_E_I', 'mul_E'])
  FLAGS_WHOLE.add(name)
const FLAGS_NONE = new Set(['mov_E_G', 'mov_G_E', 'mov_E_I', 'mov_R_I', 'lea', 'movzx', 'movsx', 'movsxd'])
for (const name of ['not_E', 'bswap', 'nop', 'cbw', 'cwd']) FLAGS_NONE.add(name)

/** Whether nobody sees the flags that the op before `rest` leaves: not the interpreter either, should it take over. */
export function flagsUnseen(rest: readonly Op[]): boolean {
  for (const { action } of rest) {
    if (action.memory) return false
    if (FLAGS_WHOLE.has(action.name)) {
      return action.constants[0] !== 'ADC' && action.constants[0] !== 'SBB' && EMITTERS[action.name] !== undefined
    }
    if (!FLAGS_NONE.has(action.name)) return false
  }
  return false
}
