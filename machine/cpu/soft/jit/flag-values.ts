/** Remembered flags, as what made them, and how they are computed from that. */
import * as at from '../layout.js'
import type { Frame } from './frame.js'
import { pushUpperHalf } from './product.js'
import { I32, LOAD, OP } from './wasm.js'

/** Operands and result are in locals, zero-extended where they are of 8 or 16 bits. */
export type Flags =
  | { kind: 'memory' }
  /** In memory or in the frame's locals for those that are parked: what is there says which. */
  | { kind: 'parked' }
  | { kind: 'add' | 'sub'; size: number; a: number; b: number; r: number; carryIn: boolean }
  | { kind: 'logic'; size: number; r: number }
  /** INC and DEC: the carry is that of `before`. */
  | { kind: 'inc' | 'dec'; size: number; r: number; before: Flags }
  /** The carry and overflow are known, AF is 0. */
  | { kind: 'set'; size: number; r: number; carry: number; overflow: number }
  /** IMUL of 64 bits: carry and overflow where the product of `a` and `b` does not fit in `r`. */
  | { kind: 'product'; size: number; a: number; b: number; r: number }
  /** The carry is changed, and the overflow where it is given. */
  | { kind: 'carry'; carry: number; overflow: number | undefined; before: Flags }

/** What is remembered: neither in memory nor parked. */
export type Remembered = Exclude<Flags, { kind: 'memory' | 'parked' }>

export const MEMORY = { kind: 'memory' } as const

/** Pushes flags as i32, 0 or 1; those of `now` where none are named. */
export class FlagValues {
  now: Flags = MEMORY

  constructor(protected readonly frame: Frame) {}

  private get code() {
    return this.frame.code
  }

  private topBit(size: number): void {
    if (size === 8) this.code.i64(63n).op(OP.i64ShrU, OP.i32Wrap)
    else
      this.code
        .i32(size * 8 - 1)
        .op(OP.i32ShrU)
        .i32(1)
        .op(OP.i32And)
  }

  /** Pushes the carries out of every bit: of a + b = r, or for a - b = r of r + b = a. */
  carries(f: Flags & { kind: 'add' | 'sub' }): void {
    const { code } = this
    const wide = f.size === 8
    const [x, z] = f.kind === 'add' ? [f.a, f.r] : [f.r, f.a]
    const [and, or, xor] = wide ? [OP.i64And, OP.i64Or, OP.i64Xor] : [OP.i32And, OP.i32Or, OP.i32Xor]
    code.get(x).get(f.b).op(and)
    code.get(x).get(f.b).op(or).get(z)
    if (wide) code.i64(-1n)
    else code.i32(-1)
    code.op(xor, and, or)
  }

  /** Pushes whether a product's upper half is more than its lower half's sign. */
  outgrown(f: Flags & { kind: 'product' }): void {
    pushUpperHalf(this.frame, f.a, f.b, true)
    this.code.get(f.r).i64(63n).op(OP.i64ShrS, OP.i64Ne)
  }

  /** What is parked goes to memory before anything is read of it. */
  private settled(f: Flags): Exclude<Flags, { kind: 'parked' }> {
    if (f.kind !== 'parked') return f
    this.frame.settleFlags()
    return MEMORY
  }

  carry(flags: Flags = this.now): void {
    const { code } = this
    const f = this.settled(flags)
    switch (f.kind) {
      case 'memory':
        this.frame.loadAt(LOAD.i32, at.LAZY_AUX)
        code.i32(31).op(OP.i32ShrU)
        return
      case 'add':
      case 'sub': {
        const less = f.size === 8 ? OP.i64LtU : OP.i32LtU
        if (f.carryIn) {
          this.carries(f)
          this.topBit(f.size)
        } else if (f.kind === 'sub') code.get(f.a).get(f.b).op(less)
        else code.get(f.r).get(f.a).op(less)
        return
      }
      case 'logic':
        code.i32(0)
        return
      case 'inc':
      case 'dec':
        this.carry(f.before)
        return
      case 'product':
        this.outgrown(f)
        return
      default:
        code.get(f.carry)
    }
  }

  overflow(flags: Flags = this.now): void {
    const { code } = this
    const f = this.settled(flags)
    switch (f.kind) {
      case 'memory': {
        const aux = this.frame.temp('aux', I32)
        this.frame.loadAt(LOAD.i32, at.LAZY_AUX)
        code.tee(aux).get(aux).i32(1).op(OP.i32Shl, OP.i32Xor).i32(31).op(OP.i32ShrU)
        return
      }
      case 'add':
      case 'sub': {
        const [xor, and] = f.size === 8 ? [OP.i64Xor, OP.i64And] : [OP.i32Xor, OP.i32And]
        code.get(f.a).get(f.r).op(xor)
        if (f.kind === 'add') code.get(f.b).get(f.r).op(xor)
        else code.get(f.a).get(f.b).op(xor)
        code.op(and)
        this.topBit(f.size)
        return
      }
      case 'logic':
        code.i32(0)
        return
      case 'inc':
      case 'dec': {
        code.get(f.r)
        const top = 1n << BigInt(f.size * 8 - 1)
        const edge = f.kind === 'inc' ? top : top - 1n
        if (f.size === 8) code.i64(edge).op(OP.i64Eq)
        else code.i32(Number(BigInt.asIntN(32, edge))).op(OP.i32Eq)
        return
      }
      case 'set':
        code.get(f.overflow)
        return
      case 'product':
        this.outgrown(f)
        return
      default:
        if (f.overflow === undefined) this.overflow(f.before)
        else code.get(f.overflow)
    }
  }

  zero(flags: Flags = this.now): void {
    const { code } = this
    const f = this.settled(flags)
    if (f.kind === 'memory') {
      this.frame.loadAt(LOAD.i64, at.LAZY_RESULT)
      code.op(OP.i64Eqz)
    } else if (f.kind === 'carry') this.zero(f.before)
    else code.get(f.r).op(f.size === 8 ? OP.i64Eqz : OP.i32Eqz)
  }

  sign(flags: Flags = this.now): void {
    const { code } = this
    const f = this.settled(flags)
    if (f.kind === 'memory') {
      this.frame.loadAt(LOAD.i64, at.LAZY_RESULT)
      code.i64(63n).op(OP.i64ShrU, OP.i32Wrap)
      this.frame.loadAt(LOAD.i32, at.LAZY_AUX)
      code.op(OP.i32Xor).i32(1).op(OP.i32And)
    } else if (f.kind === 'carry') this.sign(f.before)
    else {
      code.get(f.r)
      this.topBit(f.size)
    }
  }

  parity(flags: Flags = this.now): void {
    const { code } = this
    const f = this.settled(flags)
    if (f.kind === 'carry') {
      this.parity(f.before)
      return
    }
    if (f.kind === 'memory') {
      this.frame.loadAt(LOAD.i32, at.LAZY_RESULT)
      this.frame.loadAt(LOAD.i32, at.LAZY_AUX)
      code.i32(8).op(OP.i32ShrU, OP.i32Xor)
    } else {
      code.get(f.r)
      if (f.size === 8) code.op(OP.i32Wrap)
    }
    code.i32(0xff).op(OP.i32And, OP.i32Popcnt).i32(1).op(OP.i32And, OP.i32Eqz)
  }

  /** Pushes a value with its sign, in 32 bits but where it has 64. */
  private signed(local: number, size: number): void {
    this.code.get(local)
    if (size === 1) this.code.op(OP.i32Extend8)
    if (size === 2) this.code.op(OP.i32Extend16)
  }

  /** Pushes condition `cc` of Jcc, SETcc and CMOVcc: 0 or 1. */
  condition(cc: number): void {
    const { code } = this
    const f = this.settled(this.now)
    this.now = f
    const base = cc >> 1
    const plainSub = f.kind === 'sub' && !f.carryIn
    const zeroResult = f.kind === 'logic'
    if (base === 0) this.overflow()
    else if (base === 1) this.carry()
    else if (base === 2) {
      if (plainSub)
        code
          .get(f.a)
          .get(f.b)
          .op(f.size === 8 ? OP.i64Eq : OP.i32Eq)
      else this.zero()
    } else if (base === 3) {
      if (plainSub)
        code
          .get(f.a)
          .get(f.b)
          .op(f.size === 8 ? OP.i64LeU : OP.i32LeU)
      else {
        this.carry()
        this.zero()
        code.op(OP.i32Or)
      }
    } else if (base === 4) this.sign()
    else if (base === 5) this.parity()
    else if (plainSub) {
      this.signed(f.a, f.size)
      this.signed(f.b, f.size)
      code.op(base === 6 ? (f.size === 8 ? OP.i64LtS : OP.i32LtS) : f.size === 8 ? OP.i64LeS : OP.i32LeS)
    } else if (zeroResult) {
      this.signed(f.r, f.size)
      if (f.size === 8) code.i64(0n)
      else code.i32(0)
      code.op(base === 6 ? (f.size === 8 ? OP.i64LtS : OP.i32LtS) : f.size === 8 ? OP.i64LeS : OP.i32LeS)
    } else {
      this.sign()
      this.overflow()
      code.op(OP.i32Xor)
      if (base === 7) {
        this.zero()
        code.op(OP.i32Or)
      }
    }
    if (cc & 1) code.op(OP.i32Eqz)
  }
}
