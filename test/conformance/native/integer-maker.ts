/**
 * Random integer instructions as 64-bit or 32-bit machine code, each with the registers and memory it needs to run without a fault
 * (but for DIV and IDIV, whose #DE is foreseen). Code and data have the same addresses on every target.
 */

import type { Random } from '../../random.js'
import { type CpuSnapshot, DATA_SIZE } from './native-cpu.js'

export const CF = 1
export const PF = 4
export const AF = 16
export const ZF = 64
export const SF = 128
export const OF = 0x800
export const ARITHMETIC = CF | PF | AF | ZF | SF | OF
export const DF = 0x400

export const RAX = 0
export const RCX = 1
export const RDX = 2
export const RSP = 4
export const RBP = 5
export const RSI = 6
export const RDI = 7

export type Size = 1 | 2 | 4 | 8

export interface IntegerCase {
  name: string
  code: Uint8Array
  /** Arithmetic flags that are defined, for the state it will run in. */
  flags: (s: CpuSnapshot) => number
  /** Puts what the instruction needs into a random state. */
  prepare: (r: Random, s: CpuSnapshot) => void
  /** Whether it is to raise #DE in this state. */
  divideError?: (s: CpuSnapshot) => boolean
}

const INTERESTING = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn,
  0xffffffffffffff80n,
  0xffffffffffff8000n,
  9n,
  0x99n,
]

/** A value with edges at every operand size. */
export function randomValue(r: Random): bigint {
  switch (r.below(4)) {
    case 0:
      return r.pick(INTERESTING)
    case 1:
      return BigInt.asUintN(64, r.pick(INTERESTING) + BigInt(r.below(5) - 2))
    case 2:
      return 1n << BigInt(r.below(64))
    default:
      return r.u64()
  }
}

export interface Operand {
  /** Register number; undefined for memory. */
  register?: number
  base?: number
  index?: number
  scale: number
  displacement: number
  displacementBytes: 0 | 1 | 4
  ripRelative?: boolean
  address32?: boolean
}

/** How an instruction is put together. */
export interface Form {
  name: string
  size: Size
  /** Opcode bytes after prefixes. */
  opcode: number[]
  /** ModRM.reg: a register, or the opcode's extension. */
  reg?: { register: number } | { extension: number }
  rm?: Operand
  immediate?: { value: bigint; bytes: number }
  /** The size takes no REX.W or 66 by itself (PUSH, MOVZX from bytes, ...). */
  prefixes?: number[]
  rexW?: boolean
  /** A byte register operand is in reg, in rm. */
  byteReg?: boolean
  byteRm?: boolean
  lockable?: boolean
  /** Register in the low bits of the opcode. */
  opcodeRegister?: number
}

/** Where code is: needed for RIP-relative operands. */
export interface Places {
  code: bigint
  data: bigint
}

export class CaseMaker {
  /** Registers whose value the instruction itself decides, so that addresses cannot. */
  private pinned = new Set<number>()

  /** Operands are registers only. */
  private registersOnly = false

  /** @param long 64-bit code, else 32-bit code. */
  constructor(
    private readonly r: Random,
    private readonly places: Places,
    readonly long = true,
  ) {}

  make(groups: readonly Group[]): IntegerCase {
    this.pinned = new Set()
    return this.r.pick(groups)(this, this.r)
  }

  /** Some instructions on registers in a row, whose flags are all defined: what one leaves the next finds. */
  sequence(groups: readonly Group[], length: number): IntegerCase {
    const codes: Uint8Array[] = []
    const names: string[] = []
    this.registersOnly = true
    while (codes.length < length) {
      this.pinned = new Set()
      const c = this.r.pick(groups)(this, this.r)
      codes.push(c.code)
      names.push(c.name)
    }
    this.registersOnly = false
    return {
      name: 'sequence',
      code: Uint8Array.from(codes.flatMap((code) => [...code])),
      flags: () => ARITHMETIC,
      prepare: () => {},
    }
  }

  pin(...registers: number[]): void {
    for (const n of registers) this.pinned.add(n)
  }

  register(): number {
    return this.r.below(this.long ? 16 : 8)
  }

  /** A register that nothing is to be stored in by accident: not RSP. */
  anyButSp(): number {
    let n = this.register()
    while (n === RSP) n = this.register()
    return n
  }

  free(): number {
    let n = this.anyButSp()
    while (this.pinned.has(n)) n = this.register()
    return n
  }

  operand(): Operand {
    return this.registersOnly || this.r.chance(2)
      ? { register: this.register(), scale: 0, displacement: 0, displacementBytes: 0 }
      : this.memory()
  }

  memory(): Operand {
    const r = this.r
    if (r.chance(12)) return { scale: 0, displacement: 0, displacementBytes: 4, ripRelative: true }
    const base = this.free()
    const displacementBytes = r.pick([0, 1, 4] as const)
    const displacement = displacementBytes === 0 ? 0 : displacementBytes === 1 ? r.below(256) - 128 : r.u32() | 0
    let index: number | undefined
    if (r.chance(2)) {
      index = this.register()
      if (index === RSP || index === base) index = undefined
    }
    // BP and R13 have no form without a displacement.
    const bytes = displacementBytes === 0 && (base & 7) === 5 ? 1 : displacementBytes
    return {
      base,
      index,
      scale: index === undefined ? 0 : r.below(4),
      displacement,
      displacementBytes: bytes,
      address32: this.long && r.chance(6),
    }
  }

  /** Bytes of `form`; RIP-relative operands point at `target` in the data. */
  encode(form: Form, target: number): Uint8Array {
    const { size, reg, rm } = form
    const prefixes = [...(form.prefixes ?? [])]
    if (size === 2) prefixes.push(0x66)
    if (rm?.address32) prefixes.push(0x67)
    let rex = 0
    if (this.long && (form.rexW ?? size === 8)) rex |= 0x48
    const register = reg && 'register' in reg ? reg.register : undefined
    if (register !== undefined && register >= 8) rex |= 0x44
    if (rm?.register !== undefined && rm.register >= 8) rex |= 0x41
    if (rm?.base !== undefined && rm.base >= 8) rex |= 0x41
    if (rm?.index !== undefined && rm.index >= 8) rex |= 0x42
    if (form.opcodeRegister !== undefined && form.opcodeRegister >= 8) rex |= 0x41
    // A REX without bits makes SPL to DIL of AH to BH.
    const bytes = form.byteReg || form.byteRm
    if (this.long && !rex && (bytes ? this.r.chance(2) : this.r.chance(8))) rex = 0x40
    const opcode = [...form.opcode]
    if (form.opcodeRegister !== undefined) opcode[opcode.length - 1] += form.opcodeRegister & 7
    const out = [...prefixes, ...(rex ? [rex] : []), ...opcode]
    let fixup = -1
    if (rm) {
      const field = (register ?? (reg as { extension: number }).extension) & 7
      if (rm.register !== undefined) out.push(0xc0 | (field << 3) | (rm.register & 7))
      else if (rm.ripRelative) {
        out.push((field << 3) | 5, 0, 0, 0, 0)
        fixup = out.length - 4
      } else {
        const mod = { 0: 0, 1: 0x40, 4: 0x80 }[rm.displacementBytes]
        const base = (rm.base as number) & 7
        if (rm.index !== undefined || base === 4)
          out.push(mod | (field << 3) | 4, (rm.scale << 6) | (((rm.index ?? 4) & 7) << 3) | base)
        else out.push(mod | (field << 3) | base)
        for (let i = 0; i < rm.displacementBytes; i++) out.push((rm.displacement >> (i * 8)) & 0xff)
      }
    }
    if (form.immediate)
      for (let i = 0; i < form.immediate.bytes; i++) out.push(Number((form.immediate.value >> BigInt(i * 8)) & 0xffn))
    if (fixup >= 0) {
      const displacement =
        Number(this.places.data - (this.long ? this.places.code : 0n)) + target - (this.long ? out.length : 0)
      for (let i = 0; i < 4; i++) out[fixup + i] = (displacement >> (i * 8)) & 0xff
    }
    return Uint8Array.from(out)
  }

  /** Makes the memory operand's address `target` in the data by choosing its base. */
  point(s: CpuSnapshot, rm: Operand | undefined, target: number): void {
    if (rm?.base === undefined) return
    const indexed = rm.index === undefined ? 0n : s.gpr[rm.index] << BigInt(rm.scale)
    const value = BigInt.asUintN(
      this.long ? 64 : 32,
      this.places.data + BigInt(target) - indexed - BigInt(rm.displacement),
    )
    // Above a 32-bit address anything may stand.
    s.gpr[rm.base] = rm.address32 ? (value & 0xffffffffn) | (s.gpr[rm.base] & 0xffffffff00000000n) : value
  }

  /** A case of one instruction. */
  form(
    form: Form,
    more: Partial<IntegerCase> & { target?: number; setup?: (r: Random, s: CpuSnapshot) => void } = {},
  ): IntegerCase {
    const target = more.target ?? 64 + this.r.below(DATA_SIZE - 128)
    const code = this.encode(form, target)
    const prepare = (r: Random, s: CpuSnapshot): void => {
      more.setup?.(r, s)
      this.point(s, form.rm, target)
    }
    return { name: form.name, code, flags: more.flags ?? (() => ARITHMETIC), prepare, divideError: more.divideError }
  }

  get data(): bigint {
    return this.places.data
  }

  get code(): bigint {
    return this.places.code
  }
}

/** Makes a random case of a kind of instructions. */
export type Group = (m: CaseMaker, r: Random) => IntegerCase

export const anySize = (m: CaseMaker, r: Random): Size =>
  m.long ? r.pick([1, 2, 4, 8] as const) : r.pick([1, 2, 4] as const)
export const wideSize = (m: CaseMaker, r: Random): Size =>
  m.long ? r.pick([2, 4, 8] as const) : r.pick([2, 4] as const)
export const bit = (size: Size): number => (size === 1 ? 0 : 1)
export const immediateOf = (r: Random, size: Size): { value: bigint; bytes: number } => ({
  value: randomValue(r),
  bytes: Math.min(size, 4),
})

/** LOCK in front of some of the lockable ones. */
export const lock = (r: Random, rm: Operand): number[] => (rm.register === undefined && r.chance(8) ? [0xf0] : [])
