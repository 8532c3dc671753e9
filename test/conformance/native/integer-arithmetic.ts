/** Groups of random integer instructions: arithmetic, logic, shifts, multiplication, division, bits. */

import type { Random } from '../../random.js'
import {
  AF,
  ARITHMETIC,
  anySize,
  bit,
  CF,
  type Form,
  type Group,
  immediateOf,
  lock,
  OF,
  RAX,
  RCX,
  RDX,
  RSP,
  randomValue,
  type Size,
  wideSize,
  ZF,
} from './integer-maker.js'
import { type CpuSnapshot, DATA_SIZE } from './native-cpu.js'

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp']
export const SHIFTS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar']
const logicFlags = (k: number): number => (k === 1 || k === 4 || k === 6 ? ARITHMETIC & ~AF : ARITHMETIC)
export const aluTwo: Group = (m, r) => {
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

export const aluImmediate: Group = (m, r) => {
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

export const shift: Group = (m, r) => {
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

export const doubleShift: Group = (m, r) => {
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

export const unary: Group = (m, r) => {
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

export const multiply: Group = (m, r) => {
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

export const divide: Group = (m, r) => {
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

export const bits: Group = (m, r) => {
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

export const scan: Group = (m, r) => {
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
