/**
 * The registers as gdb is told of them: their names, widths and order in the packets `g` and `G`, one row each, and the
 * XML that says so. The description stays the same while a guest goes from real mode to 64-bit code: a CPU that has long
 * mode always shows the registers of it, so that no packet changes its length. gdb takes a description only where it has all
 * registers of the architecture that gdb is set to, by its file or by `set architecture`, and of that gdb says nothing: so
 * the one for a CPU that is not in long mode yet has the registers of i386 as well, and names no architecture.
 * Source: Debugging with GDB, G.5.15 "i386 Features"; fields of FXSAVE: Intel SDM vol. 1, table 10-2.
 */
import type { CpuState } from '../../cpu/engine.js'

export interface Register {
  name: string
  bits: number
  /** gdb's type. */
  type: string
  feature: string
  read(state: CpuState): bigint
  /** Absent: a write has no effect, as of what the hardware derives. */
  write?(state: CpuState, value: bigint): void
}

const CORE = 'org.gnu.gdb.i386.core'
const SSE = 'org.gnu.gdb.i386.sse'
const AVX = 'org.gnu.gdb.i386.avx'
const SEGMENTS = 'org.gnu.gdb.i386.segments'
/** Of our own: what the system's state is made of. */
const SYSTEM = 'org.bootwright.i386.system'

// Places in CpuState.gpr.
const GPR_LONG = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp']
const GPR_PLACES_LONG = [0, 3, 1, 2, 6, 7, 5, 4]
const GPR_SHORT = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']
// Places in CpuState.segments.
const [ES, CS, SS, DS, FS, GS] = [0, 1, 2, 3, 4, 5]
const IA32_KERNEL_GS_BASE = 0xc0000102

/** What is told of a CPU: `both` is one with long mode for a gdb that may be set to i8086, i386 or i386:x86-64. */
export type Description = 'i386' | 'i386:x86-64' | 'both'

const CR0_PE = 1n
const EFER_LMA = 0x400n

/** @param long The CPU has long mode. */
export function descriptionFor(long: boolean, { cr0, efer }: Pick<CpuState, 'cr0' | 'efer'>): Description {
  if (!long) return 'i386'
  return cr0 & CR0_PE && efer & EFER_LMA ? 'i386:x86-64' : 'both'
}

export function registersOf(description: Description): Register[] {
  const long = description !== 'i386'

  const wide = long ? 64 : 32
  const both = description === 'both'
  // gdb's pointers are as wide as the architecture that it is set to says, and packets may not change their length.
  const pointer = (type: 'code_ptr' | 'data_ptr') => ({ bits: wide, type: both ? `int${wide}` : type })
  return [
    ...(long ? GPR_LONG : GPR_SHORT).map((name, i) => {
      const place = long ? GPR_PLACES_LONG[i] : i
      const stack = name.endsWith('sp') || name.endsWith('bp')
      return gpr(name, place, stack ? pointer('data_ptr') : { bits: wide, type: `int${wide}` })
    }),
    ...(long ? [8, 9, 10, 11, 12, 13, 14, 15].map((n) => gpr(`r${n}`, n, { bits: 64, type: 'int64' })) : []),
    {
      ...{ name: long ? 'rip' : 'eip', ...pointer('code_ptr'), feature: CORE },
      read: (state) => state.rip,
      write: (state, value) => {
        state.rip = value
      },
    },
    {
      ...{ name: 'eflags', bits: 32, type: 'i386_eflags', feature: CORE },
      read: (state) => state.rflags,
      write: (state, value) => {
        state.rflags = value
      },
    },
    ...(
      [
        ['cs', CS],
        ['ss', SS],
        ['ds', DS],
        ['es', ES],
        ['fs', FS],
        ['gs', GS],
      ] as const
    ).map(([name, place]) => selector(name, place)),
    ...range(8).map((n) => field(`st${n}`, { bits: 80, type: 'i387_ext', feature: CORE }, 32 + 16 * n)),
    field('fctrl', { bits: 32, type: 'int', feature: CORE }, 0, 2),
    field('fstat', { bits: 32, type: 'int', feature: CORE }, 2, 2),
    { name: 'ftag', bits: 32, type: 'int', feature: CORE, read: tagWord, write: setTagWord },
    { name: 'fiseg', bits: 32, type: 'int', feature: CORE, read: () => 0n },
    field('fioff', { bits: 32, type: 'int', feature: CORE }, 8, 4),
    { name: 'foseg', bits: 32, type: 'int', feature: CORE, read: () => 0n },
    field('fooff', { bits: 32, type: 'int', feature: CORE }, 16, 4),
    field('fop', { bits: 32, type: 'int', feature: CORE }, 6, 2),
    ...range(long ? 16 : 8).map((n) => field(`xmm${n}`, { bits: 128, type: 'vec128', feature: SSE }, 160 + 16 * n)),
    field('mxcsr', { bits: 32, type: 'i386_mxcsr', feature: SSE }, 24, 4),
    ...range(long ? 16 : 8).map((n): Register => {
      const at = 16 * n
      return {
        ...{ name: `ymm${n}h`, bits: 128, type: 'uint128', feature: AVX },
        read: (state) => readBytes(state.ymmHigh, at, 16),
        write: (state, value) => writeBytes(state.ymmHigh, at, 16, value),
      }
    }),
    ...(long && !both ? [base('fs_base', FS, SEGMENTS), base('gs_base', GS, SEGMENTS)] : []),
    ...systemRegisters(description, wide),
    ...(both ? shortRegisters() : []),
  ]
}

/** Lower halves. Written, they are zero-extended, as 32-bit instructions do it. */
function shortRegisters(): Register[] {
  const kind = { bits: 32, type: 'int32' }
  const rip: Register = {
    ...{ name: 'eip', ...kind, feature: CORE },
    read: (state) => BigInt.asUintN(32, state.rip),
    write: (state, value) => {
      state.rip = value
    },
  }
  const short = GPR_SHORT.map((name, place): Register => {
    const whole = gpr(name, place, kind)
    return { ...whole, read: (state) => BigInt.asUintN(32, whole.read(state)) }
  })
  return [...short, rip]
}

function systemRegisters(description: Description, bits: number): Register[] {
  const long = description !== 'i386'
  const pointer = description === 'both' ? `int${bits}` : 'data_ptr'
  const control = (name: 'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer', type = `int${bits}`): Register => ({
    ...{ name, bits, type, feature: SYSTEM },
    read: (state) => state[name],
    write: (state, value) => {
      state[name] = value
    },
  })
  const table = (name: 'gdtr' | 'idtr'): Register[] => [
    {
      ...{ name: `${name.slice(0, 3)}_base`, bits, type: pointer, feature: SYSTEM },
      read: (state) => state[name].base,
      write: (state, value) => {
        state[name].base = value
      },
    },
    {
      ...{ name: `${name.slice(0, 3)}_limit`, bits: 32, type: 'int32', feature: SYSTEM },
      read: (state) => BigInt(state[name].limit),
      write: (state, value) => {
        state[name].limit = Number(value & 0xffffn)
      },
    },
  ]
  return [
    ...['cs', 'ss', 'ds', 'es'].map((name, i) => base(`${name}_base`, [CS, SS, DS, ES][i], SYSTEM, bits)),
    ...(long
      ? [
          {
            ...{ name: 'k_gs_base', bits: 64, type: 'int64', feature: SYSTEM },
            read: (state: CpuState) => state.msrs[IA32_KERNEL_GS_BASE] ?? 0n,
            write: (state: CpuState, value: bigint) => {
              state.msrs[IA32_KERNEL_GS_BASE] = value
            },
          },
        ]
      : []),
    // Of the 64 bits' own feature, which gdb takes for i386 badly.
    ...(description === 'i386:x86-64' ? [] : [base('fs_base', FS, SYSTEM, bits), base('gs_base', GS, SYSTEM, bits)]),
    ...[control('cr0'), control('cr2'), control('cr3'), control('cr4')],
    ...(long ? [control('cr8'), control('efer')] : []),
    ...[...table('gdtr'), ...table('idtr')],
    ...(['ldtr', 'tr'] as const).map(
      (name): Register => ({
        ...{ name: name === 'ldtr' ? 'ldt' : 'tr', bits: 32, type: 'int32', feature: SYSTEM },
        read: (state) => BigInt(state[name].selector),
      }),
    ),
    ...['dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7'].map(
      (name, i): Register => ({
        ...{ name, bits, type: `int${bits}`, feature: SYSTEM },
        read: (state) => state.dr[i],
        write: (state, value) => {
          state.dr[i] = value
        },
      }),
    ),
  ]
}

const range = (count: number) => Array.from({ length: count }, (_, n) => n)

function gpr(name: string, place: number, kind: { bits: number; type: string }): Register {
  return {
    ...{ name, ...kind, feature: CORE },
    read: (state) => state.gpr[place],
    write: (state, value) => {
      state.gpr[place] = value
    },
  }
}

/** Outside protected mode a selector is its segment's base; else the hidden part stays until the guest loads it. */
function selector(name: string, place: number): Register {
  return {
    ...{ name, bits: 32, type: 'int32', feature: CORE },
    read: (state) => BigInt(state.segments[place].selector),
    write: (state, value) => {
      const segment = state.segments[place]
      segment.selector = Number(value & 0xffffn)
      if (!(state.cr0 & 1n)) segment.base = BigInt(segment.selector) << 4n
    },
  }
}

function base(name: string, place: number, feature: string, bits = 64): Register {
  return {
    ...{ name, bits, type: feature === SEGMENTS ? 'int' : `int${bits}`, feature },
    read: (state) => state.segments[place].base,
    write: (state, value) => {
      state.segments[place].base = value
    },
  }
}

/** A field of FXSAVE's area, `bytes` wide there. */
function field(
  name: string,
  kind: { bits: number; type: string; feature: string },
  at: number,
  bytes = kind.bits / 8,
): Register {
  return {
    ...{ name, ...kind },
    read: (state) => readBytes(state.fxsave, at, bytes),
    write: (state, value) => writeBytes(state.fxsave, at, bytes, value),
  }
}

function readBytes(from: Uint8Array, at: number, length: number): bigint {
  let value = 0n
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(from[at + i])
  return value
}

function writeBytes(to: Uint8Array, at: number, length: number, value: bigint): void {
  for (let i = 0; i < length; i++) to[at + i] = Number((value >> BigInt(8 * i)) & 0xffn)
}

const [VALID, ZERO, SPECIAL, EMPTY] = [0n, 1n, 2n, 3n]

/** Two bits a physical register, of which FXSAVE keeps but whether it is empty (Intel SDM vol. 1, 8.1.7). */
function tagWord(state: CpuState): bigint {
  const top = (state.fxsave[3] >> 3) & 7
  return range(8).reduce((word, physical) => {
    if (!((state.fxsave[4] >> physical) & 1)) return word | (EMPTY << BigInt(2 * physical))
    const at = 32 + 16 * ((physical - top) & 7)
    const exponent = readBytes(state.fxsave, at + 8, 2) & 0x7fffn
    const significand = readBytes(state.fxsave, at, 8)
    const isZero = exponent === 0n && significand === 0n
    const isNormal = exponent !== 0n && exponent !== 0x7fffn && significand >> 63n === 1n
    return word | ((isZero ? ZERO : isNormal ? VALID : SPECIAL) << BigInt(2 * physical))
  }, 0n)
}

function setTagWord(state: CpuState, value: bigint): void {
  state.fxsave[4] = range(8).reduce(
    (abridged, n) => abridged | (((value >> BigInt(2 * n)) & 3n) === EMPTY ? 0 : 1 << n),
    0,
  )
}

const FLAG_NAMES: { [type: string]: [name: string, bit: number][] } = {
  i386_eflags: [
    ...([
      ['CF', 0],
      ['', 1],
      ['PF', 2],
      ['AF', 4],
      ['ZF', 6],
      ['SF', 7],
      ['TF', 8],
      ['IF', 9],
      ['DF', 10],
    ] as const),
    ...([
      ['OF', 11],
      ['NT', 14],
      ['RF', 16],
      ['VM', 17],
      ['AC', 18],
      ['VIF', 19],
      ['VIP', 20],
      ['ID', 21],
    ] as const),
  ].map(([name, bit]): [string, number] => [name, bit]),
  i386_mxcsr: (
    [
      ...([
        ['IE', 0],
        ['DE', 1],
        ['ZE', 2],
        ['OE', 3],
        ['UE', 4],
        ['PE', 5],
        ['DAZ', 6],
        ['IM', 7],
      ] as const),
      ...([
        ['DM', 8],
        ['ZM', 9],
        ['OM', 10],
        ['UM', 11],
        ['PM', 12],
        ['FZ', 15],
      ] as const),
    ] as const
  ).map(([name, bit]): [string, number] => [name, bit]),
}

function flagsXml(id: string): string {
  const fields = FLAG_NAMES[id].map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`)
  return `<flags id="${id}" size="4">${fields.join('')}</flags>`
}

const VECTOR_XML = [
  '<vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>',
  '<vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/>',
  '<vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>',
  '<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>',
  '<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>',
  '<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>',
].join('')
const TYPES: { [feature: string]: string } = {
  [CORE]: flagsXml('i386_eflags'),
  [SSE]: VECTOR_XML + flagsXml('i386_mxcsr'),
}

/** The target description: annex `target.xml` of `qXfer:features:read`. */
export function targetXml(registers: readonly Register[], description: Description): string {
  const features = [...new Set(registers.map(({ feature }) => feature))]
  const parts = features.map((feature) => {
    // Without a group `info registers` shows those that gdb's architecture of the moment does not know.
    const group = feature === SSE || feature === AVX ? ' group="vector"' : ''
    const lines = registers
      .map((register, number) => ({ ...register, number }))
      .filter((register) => register.feature === feature)
      .map(
        ({ name, bits, type, number }) =>
          `<reg name="${name}" bitsize="${bits}" type="${type}" regnum="${number}"${group}/>`,
      )
    return `<feature name="${feature}">${TYPES[feature] ?? ''}${lines.join('')}</feature>`
  })
  const architecture = description === 'both' ? '' : `<architecture>${description}</architecture>`
  return `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">${architecture}${parts.join('')}</target>`
}

/** A register's bytes as packets have them: hexadecimal, lowest byte first. */
export function registerText({ bits }: Register, value: bigint): string {
  const bytes = new Uint8Array(bits / 8)
  writeBytes(bytes, 0, bytes.length, value)
  return Buffer.from(bytes).toString('hex')
}

/** The other way round; undefined where the text is not of this register's length. */
export function registerValue({ bits }: Register, text: string): bigint | undefined {
  const bytes = Buffer.from(text, 'hex')
  return bytes.length === bits / 8 && text.length === bits / 4 ? readBytes(bytes, 0, bytes.length) : undefined
}
