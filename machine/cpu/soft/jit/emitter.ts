/**
 * What the emitters of instructions share: operands, the ALU with its flags, the stack.
 *
 * A handler's order holds in them, too: whatever can go wrong (a TLB without the page, a segment's end) comes before the first
 * change of a register or of memory, since the interpreter then executes the whole instruction.
 */
import * as at from '../layout.js'
import { LazyFlags } from './flags.js'
import type { Frame } from './frame.js'
import type { Action, Op } from './ops.js'
import { LOAD, OP } from './wasm.js'

/** Emits one instruction; false where it has written nothing, and the interpreter's handler is to be called. */
export type Emit = (e: Emitter, op: Op, action: Action) => unknown
/** By the names of the handlers in the core. */
export interface Emitters {
  readonly [name: string]: Emit
}

/** RSP's number. */
const STACK = 4

export class Emitter {
  readonly flags: LazyFlags
  /** Nobody sees the flags that the present op leaves. */
  flagsDead = false
  /** What the present block has asked for already: whether SSE and AVX are switched on. */
  readonly checked = new Set<'sse' | 'avx'>()

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

  /** Pushes the E operand; `away` pushes what is added to its address. */
  readE(op: Op, size: number, memory: boolean, away?: () => void): void {
    const { frame } = this
    if (!memory) {
      frame.get(op.rm, size)
      return
    }
    frame.loadFrom(frame.operand(op, size, false, away), size)
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
  modify(op: Op, size: number, memory: boolean, change: (value: number) => number, away?: () => void): void {
    const { code, frame } = this
    const value = frame.temp('value', frame.typeOf(size))
    if (memory) {
      const place = frame.operand(op, size, true, away)
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
    frame.whole(STACK)
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
      frame.whole(STACK)
      frame.loadAt(LOAD.i32, at.SP_MASK)
      code.i32(-1).op(OP.i32Xor, OP.i32And).get(sp).op(OP.i32Or)
    } else code.get(sp)
    frame.setWhole(STACK)
  }

  private get stackSegment(): number {
    return this.frame.long ? at.FLAT_SS : at.SS
  }

  push(size: number, value: () => void): void {
    const { code, frame } = this
    const near = frame.near(STACK, -size, size, true)
    if (near) {
      frame.storeTo(near, size, value)
      this.addSp(-size)
      return
    }
    const sp = this.stackOffset(-size)
    code.get(sp)
    const place = frame.place(this.stackSegment, size, true, 'stack')
    frame.storeTo(place, size, value)
    frame.move(STACK, -size, () => this.setSp(sp))
  }

  /** Pushes the stack's top; `addSp` is to follow. */
  peek(size: number): void {
    const { code, frame } = this
    const near = frame.near(STACK, 0, size, false)
    if (near) {
      frame.loadFrom(near, size)
      return
    }
    code.get(this.stackOffset(0))
    frame.loadFrom(frame.place(this.stackSegment, size, false, 'stack'), size)
  }

  addSp(bytes: number): void {
    this.frame.move(STACK, bytes, () => this.setSp(this.stackOffset(bytes)))
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
}

export const REG = 'reg'
export const RM = 'rm'
export const ACCUMULATOR = 'accumulator'
export type Source = 'reg' | 'rm' | 'accumulator' | 'immediate'

export function pushOperand(e: Emitter, op: Op, action: Action, source: Source): void {
  const { size, memory } = action
  if (source === REG) e.frame.get(op.reg, size)
  else if (source === RM) e.readE(op, size, memory)
  else if (source === ACCUMULATOR) e.frame.get(at.RAX, size)
  else e.constant(op.immediate, size)
}

/** A change of the carry alone, or with the overflow. */
export function changeCarry(e: Emitter, carry: number, overflow?: number): void {
  const before = e.flags.now
  if (before.kind === 'carry')
    e.flags.now = { kind: 'carry', carry, overflow: overflow ?? before.overflow, before: before.before }
  else e.flags.now = { kind: 'carry', carry, overflow, before }
}

export function extendTo(e: Emitter, from: number, to: number, signed: boolean): void {
  const { code } = e
  if (signed && from === 1) code.op(OP.i32Extend8)
  if (signed && from === 2) code.op(OP.i32Extend16)
  if (to === 8 && from < 8) code.op(signed ? OP.i64ExtendS : OP.i64ExtendU)
}
