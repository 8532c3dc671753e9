/** Groups of random integer instructions: stack, branches, strings, and what only 32-bit code has. */

import type { Random } from '../../random.js'
import { SHIFTS } from './integer-arithmetic.js'
import {
  AF,
  ARITHMETIC,
  anySize,
  bit,
  type CaseMaker,
  CF,
  DF,
  type Group,
  OF,
  PF,
  RAX,
  RBP,
  RCX,
  RDI,
  RSI,
  RSP,
  SF,
  ZF,
} from './integer-maker.js'
import { type CpuSnapshot, DATA_SIZE } from './native-cpu.js'

/** SP into the middle of the data, aligned or not. */
const stackAt = (m: CaseMaker, s: CpuSnapshot, at: number): void => {
  s.gpr[RSP] = m.data + BigInt(at)
}

export const stack: Group = (m, r) => {
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

export const branches: Group = (m, r) => {
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
            if (r2.chance(2))
              s.gpr[RCX] = r2.pick(m.long ? [0n, 1n, 2n, 0x100000000n, 0x100000001n] : [0n, 1n, 2n, 0x10000n, 0x10001n])
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

export const strings: Group = (m, r) => {
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

export const xlat: Group = (m, r) => {
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
export const offsets: Group = (m, r) => {
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
export const rotateOne: Group = (m, r) => {
  const k = r.below(4)
  const size = anySize(m, r)
  return m.form({
    name: `${SHIFTS[k]} E,1 ${size}`,
    size,
    opcode: [0xd0 + bit(size)],
    reg: { extension: k },
    rm: m.operand(),
    byteRm: size === 1,
  })
}

/** What 64-bit code has lost. */
export const only32: Group = (_, r) => {
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

export const all32: Group = (m, r) => {
  const size = r.pick([2, 4] as const)
  m.pin(RSP)
  const [name, opcode] = r.pick([
    ['pusha', 0x60],
    ['popa', 0x61],
  ] as const)
  return m.form(
    { name: `${name} ${size}`, size, opcode: [opcode] },
    { setup: (r2, s) => stackAt(m, s, 300 + r2.below(300)) },
  )
}
