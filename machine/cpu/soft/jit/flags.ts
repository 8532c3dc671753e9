/**
 * The arithmetic flags inside a block: not computed, but remembered as what made them, until somebody asks. Outside of a block,
 * and wherever the interpreter takes over, they are in memory as `core/integer/flags.ts` describes.
 */
import * as at from '../layout.js'
import type { Frame } from './frame.js'
import { pushUpperHalf } from './product.js'
import { I32, I64, LOAD, OP, STORE, type ValueType } from './wasm.js'

/** Operands and result are in locals, zero-extended where they are of 8 or 16 bits. */
export type Flags =
  | { kind: 'memory' }
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

const MEMORY: Flags = { kind: 'memory' }
/** Sets of locals; remembered flags refer to few of them at a time. */
const BANKS = 6

export class LazyFlags {
  now: Flags = MEMORY
  private readonly banks = new Map<string, number>()
  private readonly bankOf = new Map<number, number>()

  constructor(private readonly frame: Frame) {
    frame.flagsOut = () => this.write(this.now)
  }

  /** Between blocks they are in memory. */
  reset(): void {
    this.now = MEMORY
  }

  /** Into memory, and there they are. */
  flush(): void {
    this.write(this.now)
    this.now = MEMORY
  }

  /** A fresh set of locals for what comes next; what is remembered now keeps its own, or goes to memory where it is too involved. */
  next(): (name: string, size: number) => number {
    if (depth(this.now) >= BANKS - 2) this.flush()
    const busy = new Set(localsOf(this.now).map((local) => this.bankOf.get(local)))
    let bank = 0
    while (busy.has(bank)) bank++
    return (name, size) => this.local(name, size === 8 ? I64 : I32, bank)
  }

  private local(name: string, type: ValueType, bank: number): number {
    const key = `${name}${type}${bank}`
    let local = this.banks.get(key)
    if (local === undefined) {
      local = this.frame.code.local(type)
      this.banks.set(key, local)
      this.bankOf.set(local, bank)
    }
    return local
  }

  // ---- the flags of `flags` as i32, 0 or 1 ----

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
  private carries(f: Flags & { kind: 'add' | 'sub' }): void {
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
  private outgrown(f: Flags & { kind: 'product' }): void {
    pushUpperHalf(this.frame, f.a, f.b, true)
    this.code.get(f.r).i64(63n).op(OP.i64ShrS, OP.i64Ne)
  }

  carry(f: Flags = this.now): void {
    const { code } = this
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

  overflow(f: Flags = this.now): void {
    const { code } = this
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

  zero(f: Flags = this.now): void {
    const { code } = this
    if (f.kind === 'memory') {
      this.frame.loadAt(LOAD.i64, at.LAZY_RESULT)
      code.op(OP.i64Eqz)
    } else if (f.kind === 'carry') this.zero(f.before)
    else code.get(f.r).op(f.size === 8 ? OP.i64Eqz : OP.i32Eqz)
  }

  sign(f: Flags = this.now): void {
    const { code } = this
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

  parity(f: Flags = this.now): void {
    const { code } = this
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
    const f = this.now
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

  // ---- into memory ----

  /** Writes `f` to memory; `now` stays what it is. */
  write(f: Flags = this.now): void {
    const { code, frame } = this
    if (f.kind === 'memory') return
    if (f.kind === 'carry') {
      this.write(f.before)
      const aux = frame.temp('aux', I32)
      frame.loadAt(LOAD.i32, at.LAZY_AUX)
      code.set(aux)
      frame.storeAt(STORE.i32, at.LAZY_AUX, () => {
        code.get(aux).i32(0x3fffffff).op(OP.i32And).get(f.carry).i32(31).op(OP.i32Shl, OP.i32Or)
        // Bit 30 is the carry xor the overflow.
        code.get(f.carry)
        if (f.overflow === undefined) code.get(aux).get(aux).i32(1).op(OP.i32Shl, OP.i32Xor).i32(31).op(OP.i32ShrU)
        else code.get(f.overflow)
        code.op(OP.i32Xor).i32(30).op(OP.i32Shl, OP.i32Or)
      })
      return
    }
    const { size } = f
    const wide = size === 8
    const aux = frame.temp('newAux', I32)
    // The carries first: those of INC and DEC may still be in memory.
    switch (f.kind) {
      case 'logic':
        code.i32(0).set(aux)
        break
      case 'set':
        code
          .get(f.carry)
          .i32(31)
          .op(OP.i32Shl)
          .get(f.carry)
          .get(f.overflow)
          .op(OP.i32Xor)
          .i32(30)
          .op(OP.i32Shl, OP.i32Or)
        code.set(aux)
        break
      case 'product':
        // Both are carried out of and into the top bit, or neither is.
        this.outgrown(f)
        code.i32(31).op(OP.i32Shl).set(aux)
        break
      case 'inc':
      case 'dec': {
        const carry = frame.temp('keptCarry', I32)
        this.carry(f.before)
        code.set(carry)
        // Bit 3 is carried out of where the result's low four bits say so.
        code.get(f.r)
        if (wide) code.op(OP.i32Wrap)
        code
          .i32(15)
          .op(OP.i32And)
          .i32(f.kind === 'inc' ? 0 : 15)
          .op(OP.i32Eq)
          .i32(3)
          .op(OP.i32Shl)
        code.get(carry).i32(31).op(OP.i32Shl, OP.i32Or)
        code.get(carry)
        this.overflow(f)
        code.op(OP.i32Xor).i32(30).op(OP.i32Shl, OP.i32Or).set(aux)
        break
      }
      default: {
        this.carries(f)
        if (wide) {
          const all = frame.temp('carries', I64)
          code.tee(all).i64(32n).op(OP.i64ShrU, OP.i32Wrap).i32(-0x40000000).op(OP.i32And)
          code.get(all).op(OP.i32Wrap).i32(8).op(OP.i32And, OP.i32Or).set(aux)
        } else if (size === 4)
          code
            .i32(at.AUX_KEEP | 0)
            .op(OP.i32And)
            .set(aux)
        else {
          const all = frame.temp('carries', I32)
          code
            .tee(all)
            .i32(32 - size * 8)
            .op(OP.i32Shl)
            .i32(-0x40000000)
            .op(OP.i32And)
          code.get(all).i32(8).op(OP.i32And, OP.i32Or).set(aux)
        }
      }
    }
    frame.storeAt(STORE.i64, at.LAZY_RESULT, () => {
      code.get(f.r)
      if (size === 1) code.op(OP.i32Extend8)
      if (size === 2) code.op(OP.i32Extend16)
      if (!wide) code.op(OP.i64ExtendS)
    })
    frame.storeAt(STORE.i32, at.LAZY_AUX, () => code.get(aux))
  }
}

function depth(f: Flags): number {
  return 'before' in f ? 1 + depth(f.before) : 0
}

function localsOf(f: Flags): number[] {
  const own = Object.entries(f).flatMap(([name, value]) =>
    typeof value === 'number' && name !== 'size' ? [value] : [],
  )
  return 'before' in f ? [...own, ...localsOf(f.before)] : own
}
