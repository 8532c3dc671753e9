/**
 * Random integer instructions as 64-bit or 32-bit machine code, each with the registers and memory it needs to run without a fault
 * (but for DIV and IDIV, whose #DE is foreseen). Code and data have the same addresses on every target.
 */
import { type CpuSnapshot, DATA_SIZE } from './native-cpu.js'
import type { Random } from './random-state.js'

export const CF = 1
export const PF = 4
export const AF = 16
export const ZF = 64
export const SF = 128
export const OF = 0x800
export const ARITHMETIC = CF | PF | AF | ZF | SF | OF
const DF = 0x400

const RAX = 0
const RCX = 1
const RDX = 2
const RSP = 4
const RBP = 5
const RSI = 6
const RDI = 7

type Size = 1 | 2 | 4 | 8

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

interface Operand {
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
interface Form {
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

  make(): IntegerCase {
    this.pinned = new Set()
    return this.r.pick(this.long ? GROUPS : GROUPS_32)(this, this.r)
  }

  /** Some instructions on registers in a row, whose flags are all defined: what one leaves the next finds. */
  sequence(length: number): IntegerCase {
    const codes: Uint8Array[] = []
    const names: string[] = []
    this.registersOnly = true
    while (codes.length < length) {
      this.pinned = new Set()
      const c = this.r.pick(SEQUENCE_GROUPS)(this, this.r)
      codes.push(c.code)
      names.push(c.name)
    }
    this.registersOnly = false
    return { name: 'sequence', code: Uint8Array.from(codes.flatMap((code) => [...code])), flags: () => ARITHMETIC, prepare: () => {} }
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
      const displacement = Number(this.places.data - (this.long ? this.places.code : 0n)) + target - (this.long ? out.length : 0)
      for (let i = 0; i < 4; i++) out[fixup + i] = (displacement >> (i * 8)) & 0xff
    }
    return Uint8Array.from(out)
  }

  /** Makes the memory operand's address `target` in the data by choosing its base. */
  point(s: CpuSnapshot, rm: Operand | undefined, target: number): void {
    if (rm?.base === undefined) return
    const indexed = rm.index === undefined ? 0n : s.gpr[rm.index] << BigInt(rm.scale)
    const value = BigInt.asUintN(this.long ? 64 : 32, this.places.data + BigInt(target) - indexed - BigInt(rm.displacement))
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

type Group = (m: CaseMaker, r: Random) => IntegerCase

const anySize = (m: CaseMaker, r: Random): Size => (m.long ? r.pick([1, 2, 4, 8] as const) : r.pick([1, 2, 4] as const))
const wideSize = (m: CaseMaker, r: Random): Size => (m.long ? r.pick([2, 4, 8] as const) : r.pick([2, 4] as const))
const bit = (size: Size): number => (size === 1 ? 0 : 1)
const immediateOf = (r: Random, size: Size): { value: bigint; bytes: number } => ({
  value: randomValue(r),
  bytes: Math.min(size, 4),
})

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp']
const SHIFTS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar']
const logicFlags = (k: number): number => (k === 1 || k === 4 || k === 6 ? ARITHMETIC & ~AF : ARITHMETIC)

/** LOCK in front of some of the lockable ones. */
const lock = (r: Random, rm: Operand): number[] => (rm.register === undefined && r.chance(8) ? [0xf0] : [])

const aluTwo: Group = (m, r) => {
  const k = r.below(8)
  const size = anySize(m, r)
  const toReg = r.chance(2)
  const rm = m.operand()
  const form: Form = {
    name: `${ALU[k]} ${toReg ? 'G,E' : 'E,G'} ${size}`,
    size,
    opcode: [k * 8 + (toReg ? 2 : 0) + bit(size)],
    reg: { register: m.register() },
    rm,
    byteReg: size === 1,
    byteRm: size === 1 && rm.register !== undefined,
    prefixes: toReg || k === 7 ? [] : lock(r, rm),
  }
  return m.form(form, { flags: () => logicFlags(k) })
}

const aluImmediate: Group = (m, r) => {
  const k = r.below(8)
  const size = anySize(m, r)
  const short = size !== 1 && r.chance(2)
  const rm = m.operand()
  const flags = (): number => logicFlags(k)
  if (r.chance(6))
    return m.form(
      { name: `${ALU[k]} A,I ${size}`, size, opcode: [k * 8 + 4 + bit(size)], immediate: immediateOf(r, size) },
      { flags },
    )
  return m.form(
    {
      name: `${ALU[k]} E,I ${size}`,
      size,
      opcode: [size === 1 ? 0x80 : short ? 0x83 : 0x81],
      reg: { extension: k },
      rm,
      byteRm: size === 1 && rm.register !== undefined,
      immediate: short ? { value: BigInt(r.below(256)), bytes: 1 } : immediateOf(r, size),
      prefixes: k === 7 ? [] : lock(r, rm),
    },
    { flags },
  )
}

/** A shift count with those around the operand size made likely. */
const shiftCount = (r: Random): number =>
  r.pick([0, 1, 1, 2, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, r.below(256)])

function shiftFlags(k: number, size: Size, count: number): number {
  const n = count & (size === 8 ? 63 : 31)
  if (n === 0) return ARITHMETIC
  let flags = ARITHMETIC
  if (n !== 1) flags &= ~OF
  if (k >= 4) {
    flags &= ~AF
    if (n > size * 8 && k !== 7) flags &= ~CF
  }
  return flags
}

const shift: Group = (m, r) => {
  const k = r.below(8)
  const size = anySize(m, r)
  const by = r.pick(['1', 'imm', 'cl'] as const)
  if (by === 'cl') m.pin(RCX)
  const rm = m.operand()
  const count = by === '1' ? 1 : shiftCount(r)
  return m.form(
    {
      name: `${SHIFTS[k]} E,${by} ${size}`,
      size,
      opcode: [{ '1': 0xd0, imm: 0xc0, cl: 0xd2 }[by] + bit(size)],
      reg: { extension: k },
      rm,
      byteRm: size === 1 && rm.register !== undefined,
      immediate: by === 'imm' ? { value: BigInt(count), bytes: 1 } : undefined,
    },
    {
      setup: (r2, s) => {
        if (by === 'cl') s.gpr[RCX] = (s.gpr[RCX] & ~0xffn) | BigInt(shiftCount(r2))
      },
      flags: (s) => shiftFlags(k, size, by === 'cl' ? Number(s.gpr[RCX] & 0xffn) : count),
    },
  )
}

const doubleShift: Group = (m, r) => {
  const size = wideSize(m, r)
  const right = r.chance(2)
  const byCl = r.chance(2)
  if (byCl) m.pin(RCX)
  // More than 16 bits of a word: the result is undefined.
  const count = size === 2 ? r.below(17) : shiftCount(r)
  const flagsOf = (n: number): number => (n === 0 ? ARITHMETIC : ARITHMETIC & ~AF & (n === 1 ? ~0 : ~OF))
  const mask = size === 8 ? 63 : 31
  return m.form(
    {
      name: `${right ? 'shrd' : 'shld'} ${byCl ? 'cl' : 'imm'} ${size}`,
      size,
      opcode: [0x0f, (right ? 0xac : 0xa4) + (byCl ? 1 : 0)],
      reg: { register: m.register() },
      rm: m.operand(),
      immediate: byCl ? undefined : { value: BigInt(count), bytes: 1 },
    },
    {
      setup: (r2, s) => {
        if (byCl)
          s.gpr[RCX] = (s.gpr[RCX] & ~0xffn) | BigInt(size === 2 ? r2.below(17) + 32 * r2.below(8) : shiftCount(r2))
      },
      flags: (s) => flagsOf((byCl ? Number(s.gpr[RCX] & 0xffn) : count) & mask),
    },
  )
}

const unary: Group = (m, r) => {
  const size = anySize(m, r)
  const [name, opcode, extension] = r.pick([
    ['inc', 0xfe, 0],
    ['dec', 0xfe, 1],
    ['not', 0xf6, 2],
    ['neg', 0xf6, 3],
  ] as const)
  const rm = m.operand()
  return m.form({
    name: `${name} ${size}`,
    size,
    opcode: [opcode + bit(size)],
    reg: { extension },
    rm,
    byteRm: size === 1 && rm.register !== undefined,
    prefixes: lock(r, rm),
  })
}

const multiply: Group = (m, r) => {
  const flags = (): number => CF | OF
  if (r.chance(2)) {
    const size = anySize(m, r)
    const extension = 4 + r.below(2)
    const rm = m.operand()
    return m.form(
      {
        name: `${extension === 4 ? 'mul' : 'imul'} ${size}`,
        size,
        opcode: [0xf6 + bit(size)],
        reg: { extension },
        rm,
        byteRm: size === 1 && rm.register !== undefined,
      },
      { flags },
    )
  }
  const size = wideSize(m, r)
  const [opcode, immediate] = r.pick([
    [[0x0f, 0xaf], undefined],
    [[0x69], immediateOf(r, size)],
    [[0x6b], { value: BigInt(r.below(256)), bytes: 1 }],
  ] as [number[], { value: bigint; bytes: number } | undefined][])
  return m.form(
    {
      name: `imul G,E${immediate ? ',I' : ''} ${size}`,
      size,
      opcode,
      reg: { register: m.register() },
      rm: m.operand(),
      immediate,
    },
    { flags },
  )
}

const divide: Group = (m, r) => {
  const size = anySize(m, r)
  const signed = r.chance(2)
  m.pin(RAX, RDX)
  const target = 64 + r.below(800)
  const bits = size * 8
  let rm = m.operand()
  while (rm.register === RSP || (size === 1 && rm.register === RAX + 4)) rm = m.operand()
  const form: Form = {
    name: `${signed ? 'idiv' : 'div'} ${size}`,
    size,
    opcode: [0xf6 + bit(size)],
    reg: { extension: signed ? 7 : 6 },
    rm,
    byteRm: size === 1 && rm.register !== undefined,
  }
  const made = m.form(form, { target })
  // Whether a byte operand 4 to 7 is a high byte shows in the code.
  const high =
    size === 1 && rm.register !== undefined && rm.register >= 4 && rm.register < 8 && (made.code[0] & 0xf0) !== 0x40
  const cut = (v: bigint, n: number): bigint => (signed ? BigInt.asIntN(n, v) : BigInt.asUintN(n, v))
  const divisorOf = (s: CpuSnapshot): bigint => {
    if (rm.register !== undefined) return cut(high ? s.gpr[rm.register - 4] >> 8n : s.gpr[rm.register], bits)
    let v = 0n
    for (let i = size - 1; i >= 0; i--) v = (v << 8n) | BigInt(s.data[target + i])
    return cut(v, bits)
  }
  const dividendOf = (s: CpuSnapshot): bigint => {
    if (size === 1) return cut(s.gpr[RAX], 16)
    return cut((BigInt.asUintN(bits, s.gpr[RDX]) << BigInt(bits)) | BigInt.asUintN(bits, s.gpr[RAX]), bits * 2)
  }
  return {
    ...made,
    flags: () => 0,
    divideError: (s) => {
      const d = divisorOf(s)
      if (d === 0n) return true
      const q = dividendOf(s) / d
      return q !== cut(q, bits)
    },
    prepare: (r2, s) => {
      // Mostly a quotient that fits: quotient x divisor + remainder, made the other way round.
      if (r2.below(4)) {
        const d = divisorOf(s)
        const q = cut(randomValue(r2), bits)
        const magnitude = d < 0n ? -d : d
        let rest = magnitude ? r2.u64() % magnitude : 0n
        let n = q * d
        if (n < 0n || (n === 0n && signed && r2.chance(2))) rest = -rest
        n += rest
        if (size === 1) s.gpr[RAX] = (s.gpr[RAX] & ~0xffffn) | BigInt.asUintN(16, n)
        else {
          const keep = size === 2 ? ~0xffffn : 0n
          s.gpr[RAX] = BigInt.asUintN(64, (s.gpr[RAX] & keep) | BigInt.asUintN(bits, n))
          s.gpr[RDX] = BigInt.asUintN(64, (s.gpr[RDX] & keep) | BigInt.asUintN(bits, n >> BigInt(bits)))
        }
      }
      m.point(s, rm, target)
    },
  }
}

const bits: Group = (m, r) => {
  const k = r.below(4)
  const size = wideSize(m, r)
  const flags = (): number => CF | ZF
  const name = ['bt', 'bts', 'btr', 'btc'][k]
  const rm = m.operand()
  if (r.chance(2))
    return m.form(
      {
        name: `${name} E,I ${size}`,
        size,
        opcode: [0x0f, 0xba],
        reg: { extension: 4 + k },
        rm,
        immediate: { value: BigInt(r.below(256)), bytes: 1 },
        prefixes: k ? lock(r, rm) : [],
      },
      { flags },
    )
  const register = m.register()
  if (rm.register === undefined && (rm.base === register || rm.index === register)) return bits(m, r)
  return m.form(
    {
      name: `${name} E,G ${size}`,
      size,
      opcode: [0x0f, 0xa3 + k * 8],
      reg: { register },
      rm,
      prefixes: k ? lock(r, rm) : [],
    },
    {
      flags,
      target: 400 + r.below(200),
      setup: (r2, s) => {
        // The bit offset is signed and as wide as the operand.
        const offset = BigInt(r2.below(6000) - 3000)
        if (rm.register === undefined)
          s.gpr[register] = BigInt.asUintN(
            64,
            size === 8 ? offset : (s.gpr[register] << BigInt(size * 8)) | BigInt.asUintN(size * 8, offset),
          )
      },
    },
  )
}

const scan: Group = (m, r) => {
  const size = wideSize(m, r)
  const rm = m.operand()
  const right = r.chance(2)
  const register = m.register()
  return m.form(
    { name: `${right ? 'bsr' : 'bsf'} ${size}`, size, opcode: [0x0f, right ? 0xbd : 0xbc], reg: { register }, rm },
    {
      flags: () => ZF,
      setup: (r2, s) => {
        if (r2.chance(4)) s.data.fill(0)
        else if (r2.chance(3)) s.data.fill(0).fill(1 << r2.below(8), r2.below(DATA_SIZE))
      },
    },
  )
}

const compareExchange: Group = (m, r) => {
  if (r.chance(4)) {
    const wide = m.long && r.chance(2)
    m.pin(RAX, RDX, 3, RCX)
    const rm = m.memory()
    // The index would be pinned too if it were one of them; CMPXCHG16B wants alignment.
    const target = 64 + 16 * r.below(50)
    return m.form(
      {
        name: wide ? 'cmpxchg16b' : 'cmpxchg8b',
        size: wide ? 8 : 4,
        opcode: [0x0f, 0xc7],
        reg: { extension: 1 },
        rm,
        prefixes: lock(r, rm),
      },
      {
        target,
        setup: (r2, s) => {
          if (r2.chance(2)) return
          const v = new DataView(s.data.buffer, s.data.byteOffset)
          s.gpr[RAX] = wide ? v.getBigUint64(target, true) : BigInt(v.getUint32(target, true)) | (m.long ? r2.u64() << 32n : 0n)
          s.gpr[RDX] = wide ? v.getBigUint64(target + 8, true) : BigInt(v.getUint32(target + 4, true))
        },
      },
    )
  }
  const size = anySize(m, r)
  m.pin(RAX)
  const rm = m.operand()
  const target = 64 + r.below(800)
  const byteRm = size === 1 && rm.register !== undefined
  return m.form(
    {
      name: `cmpxchg ${size}`,
      size,
      opcode: [0x0f, 0xb0 + bit(size)],
      reg: { register: m.register() },
      rm,
      byteReg: size === 1,
      byteRm,
      prefixes: lock(r, rm),
    },
    {
      target,
      setup: (r2, s) => {
        if (r2.chance(2)) return
        s.gpr[RAX] =
          rm.register === undefined
            ? new DataView(s.data.buffer, s.data.byteOffset).getBigUint64(target, true)
            : s.gpr[rm.register]
      },
    },
  )
}

const exchange: Group = (m, r) => {
  const size = anySize(m, r)
  const add = r.chance(2)
  const rm = m.operand()
  if (r.chance(5) && size !== 1)
    return m.form({ name: `xchg A,R ${size}`, size, opcode: [0x90], opcodeRegister: m.register() })
  return m.form({
    name: `${add ? 'xadd' : 'xchg'} ${size}`,
    size,
    opcode: add ? [0x0f, 0xc0 + bit(size)] : [0x86 + bit(size)],
    reg: { register: m.register() },
    rm,
    byteReg: size === 1,
    byteRm: size === 1 && rm.register !== undefined,
    prefixes: lock(r, rm),
  })
}

const moves: Group = (m, r) => {
  const rm = m.operand()
  const reg = { register: m.register() }
  const wide = wideSize(m, r)
  const size = anySize(m, r)
  const byteRm = rm.register !== undefined
  switch (m.long ? r.below(9) : r.pick([0, 1, 2, 3, 5, 6, 7, 8])) {
    case 0:
      return m.form({ name: `movzx b ${wide}`, size: wide, opcode: [0x0f, 0xb6], reg, rm, byteRm })
    case 1:
      return m.form({ name: `movzx w ${wide}`, size: wide, opcode: [0x0f, 0xb7], reg, rm })
    case 2:
      return m.form({ name: `movsx b ${wide}`, size: wide, opcode: [0x0f, 0xbe], reg, rm, byteRm })
    case 3:
      return m.form({ name: `movsx w ${wide}`, size: wide, opcode: [0x0f, 0xbf], reg, rm })
    case 4:
      return m.form({ name: `movsxd ${wide}`, size: wide, opcode: [0x63], reg, rm })
    case 5:
      return m.form({
        name: `mov E,G ${size}`,
        size,
        opcode: [0x88 + bit(size)],
        reg,
        rm,
        byteReg: size === 1,
        byteRm: size === 1 && byteRm,
      })
    case 6:
      return m.form({
        name: `mov G,E ${size}`,
        size,
        opcode: [0x8a + bit(size)],
        reg,
        rm,
        byteReg: size === 1,
        byteRm: size === 1 && byteRm,
      })
    case 7:
      return m.form({
        name: `mov E,I ${size}`,
        size,
        opcode: [0xc6 + bit(size)],
        reg: { extension: 0 },
        rm,
        byteRm: size === 1 && byteRm,
        immediate: immediateOf(r, size),
      })
    default:
      return m.form({
        name: `mov R,I ${size}`,
        size,
        opcode: [size === 1 ? 0xb0 : 0xb8],
        opcodeRegister: m.register(),
        byteReg: size === 1,
        immediate: { value: r.u64(), bytes: size },
      })
  }
}

const conditions: Group = (m, r) => {
  const cc = r.below(16)
  const rm = m.operand()
  if (r.chance(2))
    return m.form({
      name: `setcc ${cc}`,
      size: 1,
      opcode: [0x0f, 0x90 + cc],
      reg: { extension: r.below(8) },
      rm,
      byteRm: rm.register !== undefined,
    })
  const size = wideSize(m, r)
  return m.form({ name: `cmovcc ${cc} ${size}`, size, opcode: [0x0f, 0x40 + cc], reg: { register: m.register() }, rm })
}

const lea: Group = (m, r) => {
  const rm = m.memory()
  const size = wideSize(m, r)
  // No access: any address will do.
  const made = m.form({ name: `lea ${size}`, size, opcode: [0x8d], reg: { register: m.register() }, rm })
  return r.chance(3) ? made : { ...made, prepare: () => {} }
}

const test: Group = (m, r) => {
  const size = anySize(m, r)
  const rm = m.operand()
  const flags = (): number => ARITHMETIC & ~AF
  const byteRm = size === 1 && rm.register !== undefined
  switch (r.below(3)) {
    case 0:
      return m.form(
        {
          name: `test E,G ${size}`,
          size,
          opcode: [0x84 + bit(size)],
          reg: { register: m.register() },
          rm,
          byteReg: size === 1,
          byteRm,
        },
        { flags },
      )
    case 1:
      return m.form(
        {
          name: `test E,I ${size}`,
          size,
          opcode: [0xf6 + bit(size)],
          reg: { extension: r.below(2) },
          rm,
          byteRm,
          immediate: immediateOf(r, size),
        },
        { flags },
      )
    default:
      return m.form(
        { name: `test A,I ${size}`, size, opcode: [0xa8 + bit(size)], immediate: immediateOf(r, size) },
        { flags },
      )
  }
}

const single: Group = (m, r) => {
  const [name, ...code] = r.pick([
    ...((m.long ? [['cdqe', 0x48, 0x98], ['cqo', 0x48, 0x99], ['nop rex.w', 0x48, 0x90]] : []) as [string, ...number[]][]),
    ['cbw', 0x66, 0x98],
    ['cwde', 0x98],
    ['cwd', 0x66, 0x99],
    ['cdq', 0x99],
    ['lahf', 0x9f],
    ['sahf', 0x9e],
    ['clc', 0xf8],
    ['stc', 0xf9],
    ['cmc', 0xf5],
    ['cld', 0xfc],
    ['std', 0xfd],
    ['nop', 0x90],
    ['pause', 0xf3, 0x90],
    ['nop modrm', 0x0f, 0x1f, 0xc0],
  ] as [string, ...number[]][])
  return m.form({ name, size: 4, opcode: code })
}

const bswap: Group = (m, r) => {
  const size = m.long ? r.pick([4, 8] as const) : 4
  return m.form({ name: `bswap ${size}`, size, opcode: [0x0f, 0xc8], opcodeRegister: m.register() })
}

/** SP into the middle of the data, aligned or not. */
const stackAt = (m: CaseMaker, s: CpuSnapshot, at: number): void => {
  s.gpr[RSP] = m.data + BigInt(at)
}

const stack: Group = (m, r) => {
  const size = m.long ? r.pick([2, 8] as const) : r.pick([2, 4] as const)
  m.pin(RSP)
  const at = 400 + r.below(100)
  const setup = (_: Random, s: CpuSnapshot): void => stackAt(m, s, at)
  // 64 bits need no REX.W here.
  const rexW = size === 8 && r.chance(3)
  switch (r.below(9)) {
    case 0:
      return m.form({ name: `push R ${size}`, size, rexW, opcode: [0x50], opcodeRegister: m.register() }, { setup })
    case 1:
      return m.form({ name: `pop R ${size}`, size, rexW, opcode: [0x58], opcodeRegister: m.register() }, { setup })
    case 2:
      return m.form(
        { name: `push E ${size}`, size, rexW, opcode: [0xff], reg: { extension: 6 }, rm: m.operand() },
        { setup },
      )
    case 3:
      return m.form(
        { name: `pop E ${size}`, size, rexW, opcode: [0x8f], reg: { extension: 0 }, rm: m.operand() },
        { setup },
      )
    case 4:
      return m.form(
        {
          name: `pop [rsp+d] ${size}`,
          size,
          rexW,
          opcode: [0x8f, 0x84, 0x24],
          immediate: { value: BigInt(r.below(64)), bytes: 4 },
        },
        { setup },
      )
    case 5:
      return m.form(
        {
          name: `push I ${size}`,
          size,
          rexW,
          opcode: r.chance(2)
            ? [0x6a, r.below(256)]
            : [0x68, ...Array.from({ length: size === 2 ? 2 : 4 }, () => r.below(256))],
        },
        { setup },
      )
    case 6:
      return m.form({ name: `pushf ${size}`, size, rexW, opcode: [0x9c] }, { setup })
    case 7:
      return m.form(
        { name: `popf ${size}`, size, rexW, opcode: [0x9d] },
        {
          setup: (r2, s) => {
            stackAt(m, s, at)
            new DataView(s.data.buffer, s.data.byteOffset).setBigUint64(
              at,
              BigInt((r2.u32() & (ARITHMETIC | DF)) | 0x202),
              true,
            )
          },
        },
      )
    default: {
      const leave = r.chance(2)
      if (leave)
        return m.form(
          { name: `leave ${size}`, size, rexW, opcode: [0xc9] },
          {
            setup: (r2, s) => {
              s.gpr[RBP] = m.data + BigInt(200 + r2.below(600))
            },
          },
        )
      return m.form(
        { name: `enter ${size}`, size, rexW, opcode: [0xc8, r.below(64), 0, r.pick([0, 0, 1, 2, 3, 31, 32, 33])] },
        {
          setup: (r2, s) => {
            stackAt(m, s, at)
            s.gpr[RBP] = m.data + BigInt(500 + r2.below(100))
          },
        },
      )
    }
  }
}

const branches: Group = (m, r) => {
  // Over LEA RAX, [RAX+1] (and NOP) or not: four bytes.
  const skipped = m.long ? [0x48, 0x8d, 0x40, 0x01] : [0x8d, 0x40, 0x01, 0x90]
  const cc = r.below(16)
  const at = 400 + r.below(100)
  switch (r.below(6)) {
    case 0:
      return m.form({ name: `jcc short ${cc}`, size: 4, opcode: [0x70 + cc, 4, ...skipped] })
    case 1:
      return m.form({ name: `jcc near ${cc}`, size: 4, opcode: [0x0f, 0x80 + cc, 4, 0, 0, 0, ...skipped] })
    case 2: {
      const k = r.below(4)
      return m.form(
        { name: `loop ${k}`, size: 4, prefixes: r.chance(2) ? [0x67] : [], opcode: [0xe0 + k, 4, ...skipped] },
        {
          setup: (r2, s) => {
            if (r2.chance(2)) s.gpr[RCX] = r2.pick(m.long ? [0n, 1n, 2n, 0x100000000n, 0x100000001n] : [0n, 1n, 2n, 0x10000n, 0x10001n])
          },
        },
      )
    }
    case 3:
      m.pin(RSP)
      return m.form(
        { name: 'call', size: 4, opcode: [0xe8, 4, 0, 0, 0, ...skipped] },
        { setup: (_, s) => stackAt(m, s, at) },
      )
    case 4: {
      m.pin(RSP)
      const immediate = r.chance(2)
      const code = immediate ? [0xc2, r.below(64), 0] : [0xc3]
      return {
        name: 'ret',
        code: Uint8Array.from([...code, ...skipped]),
        flags: () => ARITHMETIC,
        prepare: (r2, s) => {
          stackAt(m, s, at)
          const target = m.code + BigInt(code.length + (r2.chance(2) ? 4 : 0))
          new DataView(s.data.buffer, s.data.byteOffset).setBigUint64(at, target, true)
        },
      }
    }
    default: {
      m.pin(RSP)
      const register = m.free()
      const call = r.chance(2)
      const code = [...(register >= 8 ? [0x41] : []), 0xff, (call ? 0xd0 : 0xe0) | (register & 7)]
      return {
        name: `${call ? 'call' : 'jmp'} R`,
        code: Uint8Array.from([...code, ...skipped]),
        flags: () => ARITHMETIC,
        prepare: (r2, s) => {
          stackAt(m, s, at)
          s.gpr[register] = m.code + BigInt(code.length + (r2.chance(2) ? 4 : 0))
        },
      }
    }
  }
}

const strings: Group = (m, r) => {
  const size = anySize(m, r)
  const [name, opcode, compares] = r.pick([
    ['movs', 0xa4, false],
    ['cmps', 0xa6, true],
    ['stos', 0xaa, false],
    ['lods', 0xac, false],
    ['scas', 0xae, true],
  ] as const)
  const rep = r.pick([0, 0xf3, 0xf3, 0xf2])
  const address32 = m.long && r.chance(5)
  return m.form(
    {
      name: `${rep ? (rep === 0xf3 ? 'rep ' : 'repne ') : ''}${name} ${size}`,
      size,
      prefixes: [...(rep ? [rep] : []), ...(address32 ? [0x67] : [])],
      opcode: [opcode + bit(size)],
    },
    {
      setup: (r2, s) => {
        const count = r2.pick([0, 1, 2, 3, r2.below(32)])
        const high = address32 ? r2.u64() & ~0xffffffffn : 0n
        s.gpr[RCX] = BigInt(count) | (count ? high : 0n)
        s.gpr[RSI] = (m.data + BigInt(300 + r2.below(400))) | high
        // Near each other, so that they overlap.
        s.gpr[RDI] = r2.chance(2)
          ? s.gpr[RSI] + BigInt(r2.below(33) - 16)
          : (m.data + BigInt(300 + r2.below(400))) | high
        if (compares) {
          const v = r2.below(256)
          s.data.fill(v)
          for (let i = 0; i < 4; i++) s.data[r2.below(DATA_SIZE)] = r2.below(256)
          if (r2.chance(2)) s.gpr[RAX] = BigInt(v) * 0x0101010101010101n
        }
        s.rflags = r2.chance(2) ? s.rflags | DF : s.rflags & ~DF
      },
    },
  )
}

const xlat: Group = (m, r) => {
  const address32 = m.long && r.chance(3)
  return m.form(
    { name: 'xlat', size: 4, rexW: false, prefixes: address32 ? [0x67] : [], opcode: [0xd7] },
    {
      setup: (r2, s) => {
        s.gpr[3] = (m.data + BigInt(r2.below(256))) | (address32 ? r2.u64() & ~0xffffffffn : 0n)
      },
    },
  )
}

/** MOV between the accumulator and an address in the instruction. */
const offsets: Group = (m, r) => {
  const size = anySize(m, r)
  const address32 = m.long && r.chance(3)
  const value = m.data + BigInt(64 + r.below(800))
  const toMemory = r.chance(2)
  return m.form({
    name: `mov ${toMemory ? 'O,A' : 'A,O'} ${size}`,
    size,
    prefixes: address32 ? [0x67] : [],
    opcode: [(toMemory ? 0xa2 : 0xa0) + bit(size)],
    immediate: { value, bytes: m.long && !address32 ? 8 : 4 },
  })
}

/** Rotations by one: all their flags are defined. */
const rotateOne: Group = (m, r) => {
  const k = r.below(4)
  const size = anySize(m, r)
  return m.form({ name: `${SHIFTS[k]} E,1 ${size}`, size, opcode: [0xd0 + bit(size)], reg: { extension: k }, rm: m.operand(), byteRm: size === 1 })
}

/** What 64-bit code has lost. */
const only32: Group = (m, r) => {
  const [name, undefinedFlags, ...code] = r.pick([
    ['daa', OF, 0x27],
    ['das', OF, 0x2f],
    ['aaa', OF | SF | ZF | PF, 0x37],
    ['aas', OF | SF | ZF | PF, 0x3f],
    ['aam', OF | AF | CF, 0xd4, r.chance(2) ? 10 : 1 + r.below(255)],
    ['aad', OF | AF | CF, 0xd5, r.chance(2) ? 10 : r.below(256)],
    ['salc', 0, 0xd6],
    ['inc/dec r32', 0, 0x40 + r.below(16)],
    ['inc/dec r16', 0, 0x66, 0x40 + r.below(16)],
    ['alias 82', AF, 0x82, 0xc0 + r.below(64), r.below(256)],
    ['lea a16 disp8', 0, 0x67, 0x8d, 0x40 + r.below(64), r.below(256)],
    ['lea a16 disp16', 0, 0x67, 0x8d, 0x80 + r.below(64), r.below(256), r.below(256)],
    ['lea a16 bp', 0, 0x67, 0x66, 0x8d, 0x06 + 8 * r.below(8), r.below(256), r.below(256)],
    ['lea a16', 0, 0x67, 0x8d, 8 * r.below(8) + r.pick([0, 1, 2, 3, 4, 5, 7])],
    ['jcxz', 0, 0x67, 0xe3, 1, 0x40],
  ] as [string, number, ...number[]][])
  return { name, code: Uint8Array.from(code), flags: () => ARITHMETIC & ~undefinedFlags, prepare: () => {} }
}

const all32: Group = (m, r) => {
  const size = r.pick([2, 4] as const)
  m.pin(RSP)
  const [name, opcode] = r.pick([['pusha', 0x60], ['popa', 0x61]] as const)
  return m.form({ name: `${name} ${size}`, size, opcode: [opcode] }, { setup: (r2, s) => stackAt(m, s, 300 + r2.below(300)) })
}

const GROUPS: Group[] = [
  aluTwo,
  aluTwo,
  aluImmediate,
  aluImmediate,
  shift,
  shift,
  doubleShift,
  unary,
  multiply,
  divide,
  bits,
  scan,
  compareExchange,
  exchange,
  moves,
  conditions,
  lea,
  test,
  single,
  bswap,
  stack,
  branches,
  strings,
  xlat,
  offsets,
]

const GROUPS_32: Group[] = [...GROUPS, only32, only32, all32]

const SEQUENCE_GROUPS: Group[] = [
  aluTwo,
  aluTwo,
  aluImmediate,
  unary,
  unary,
  exchange,
  moves,
  conditions,
  conditions,
  test,
  single,
  rotateOne,
  rotateOne,
  bswap,
]
