/** Groups of random integer instructions: exchanges, moves, conditions, flags. */
import {
  AF,
  ARITHMETIC,
  anySize,
  bit,
  type Group,
  immediateOf,
  lock,
  RAX,
  RCX,
  RDX,
  wideSize,
} from './integer-maker.js'

export const compareExchange: Group = (m, r) => {
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
          s.gpr[RAX] = wide
            ? v.getBigUint64(target, true)
            : BigInt(v.getUint32(target, true)) | (m.long ? r2.u64() << 32n : 0n)
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

export const exchange: Group = (m, r) => {
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

export const moves: Group = (m, r) => {
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

export const conditions: Group = (m, r) => {
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

export const lea: Group = (m, r) => {
  const rm = m.memory()
  const size = wideSize(m, r)
  // No access: any address will do.
  const made = m.form({ name: `lea ${size}`, size, opcode: [0x8d], reg: { register: m.register() }, rm })
  return r.chance(3) ? made : { ...made, prepare: () => {} }
}

export const test: Group = (m, r) => {
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

export const single: Group = (m, r) => {
  const [name, ...code] = r.pick([
    ...((m.long
      ? [
          ['cdqe', 0x48, 0x98],
          ['cqo', 0x48, 0x99],
          ['nop rex.w', 0x48, 0x90],
        ]
      : []) as [string, ...number[]][]),
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

export const bswap: Group = (m, r) => {
  const size = m.long ? r.pick([4, 8] as const) : 4
  return m.form({ name: `bswap ${size}`, size, opcode: [0x0f, 0xc8], opcodeRegister: m.register() })
}
