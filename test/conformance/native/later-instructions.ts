/** SSE3 to SSE4.2, AES-NI, PCLMULQDQ, SHA and bit manipulation, as 64-bit machine code. Memory operands are [rsi]. */

import type { Random } from '../../random.js'
import type { Instruction } from './instructions.js'

const row = (name: string, bytes: number[], operand?: Instruction['operand']): Instruction => ({
  name,
  code: Uint8Array.from(bytes),
  operand,
})

const hex = (n: number): string => n.toString(16).padStart(2, '0')

/** xmm1, xmm2 and xmm1, [rsi]; with REX xmm9, xmm10. */
function both(name: string, bytes: number[], operand: Instruction['operand'], ...immediate: number[]): Instruction[] {
  return [
    row(`${name} reg`, [...bytes, 0xca, ...immediate], operand),
    row(`${name} mem`, [...bytes, 0x0e, ...immediate], operand),
  ]
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

export const sse3Floats: Instruction[] = [
  ...[0x7c, 0x7d, 0xd0].flatMap((opcode) => [
    ...both(`66 0f ${hex(opcode)}`, [0x66, 0x0f, opcode], 'double'),
    ...both(`f2 0f ${hex(opcode)}`, [0xf2, 0x0f, opcode], 'single'),
  ]),
  ...both('movsldup', [0xf3, 0x0f, 0x12], 'integer'),
  ...both('movshdup', [0xf3, 0x0f, 0x16], 'integer'),
  ...both('movddup', [0xf2, 0x0f, 0x12], 'integer'),
  row('lddqu', [0xf2, 0x0f, 0xf0, 0x4e, 3], 'integer'),
  row('fisttp m16', [0xdf, 0x0e], 'word'),
  row('fisttp m32', [0xdb, 0x0e], 'dword'),
  row('fisttp m64', [0xdd, 0x0e], 'qword'),
]

const SSSE3 = [...range(0, 0x0b), 0x1c, 0x1d, 0x1e]
const SSE41 = [...range(0x20, 0x25), 0x28, 0x29, 0x2b, ...range(0x30, 0x35), ...range(0x37, 0x41)]
const ALIGN = [0, 1, 5, 7, 8, 9, 15, 16, 17, 31, 32, 200]

export const sse4Integers: Instruction[] = [
  ...SSSE3.flatMap((opcode) => [
    ...both(`ssse3 mmx ${hex(opcode)}`, [0x0f, 0x38, opcode], 'integer'),
    ...both(`ssse3 ${hex(opcode)}`, [0x66, 0x0f, 0x38, opcode], 'integer'),
  ]),
  ...ALIGN.flatMap((n) => [
    ...both(`palignr mmx ${n}`, [0x0f, 0x3a, 0x0f], 'integer', n),
    ...both(`palignr ${n}`, [0x66, 0x0f, 0x3a, 0x0f], 'integer', n),
  ]),
  ...[...SSE41, 0x10, 0x14, 0x15, 0x17].flatMap((opcode) =>
    both(`sse4 ${hex(opcode)}`, [0x66, 0x0f, 0x38, opcode], 'integer'),
  ),
  row('movntdqa', [0x66, 0x0f, 0x38, 0x2a, 0x0e], 'integer'),
  ...[0x0c, 0x0d, 0x0e, 0x42].flatMap((opcode) =>
    [0, 0x1b, 0x5a, 0xff, 0x27].flatMap((n) =>
      both(`sse4 3a ${hex(opcode)} ${n}`, [0x66, 0x0f, 0x3a, opcode], 'integer', n),
    ),
  ),
  // The register is RCX and R10 by turns.
  ...[0x14, 0x15, 0x16, 0x17, 0x20, 0x22].flatMap((opcode) =>
    [0, 3, 14].flatMap((n) => [
      row(`sse4 3a ${hex(opcode)} ecx ${n}`, [0x66, 0x0f, 0x3a, opcode, 0xd1, n], 'integer'),
      row(`sse4 3a ${hex(opcode)} mem ${n}`, [0x66, 0x0f, 0x3a, opcode, 0x16, n], 'integer'),
      row(`sse4 3a ${hex(opcode)} r10 ${n}`, [0x66, 0x49, 0x0f, 0x3a, opcode, 0xd2, n], 'integer'),
    ]),
  ),
  ...[0x00, 0x50, 0x9c, 0xe5].flatMap((n) => both(`insertps ${n}`, [0x66, 0x0f, 0x3a, 0x21], 'integer', n)),
]

export const sse4Floats: Instruction[] = [
  ...[0x08, 0x0a].flatMap((opcode) =>
    [0, 1, 2, 3, 4, 8, 12].flatMap((n) => both(`round ${hex(opcode)} ${n}`, [0x66, 0x0f, 0x3a, opcode], 'single', n)),
  ),
  ...[0x09, 0x0b].flatMap((opcode) =>
    [0, 1, 2, 3, 4, 8, 12].flatMap((n) => both(`round ${hex(opcode)} ${n}`, [0x66, 0x0f, 0x3a, opcode], 'double', n)),
  ),
  ...[0xff, 0x31, 0x7a].flatMap((n) => [
    ...both(`dpps ${n}`, [0x66, 0x0f, 0x3a, 0x40], 'single', n),
    ...both(`dppd ${n}`, [0x66, 0x0f, 0x3a, 0x41], 'double', n),
  ]),
]

/** Every immediate of the four string comparisons; EAX and EDX are lengths. */
export const strings: Instruction[] = [0x60, 0x61, 0x62, 0x63].flatMap((opcode) =>
  range(0, 0x7f).map((n) =>
    n & 0x80
      ? row('', [])
      : row(
          `pcmpstr ${hex(opcode)} ${hex(n)}`,
          [0x66, ...(n & 4 ? [0x48] : []), 0x0f, 0x3a, opcode, n & 1 ? 0xca : 0x0e, n],
          'integer',
        ),
  ),
)

/** Small alphabets and zeros, so that strings match and end. */
export function stringOperands(r: Random, xmm: DataView, data: DataView): void {
  const size = r.below(4)
  for (let i = 0; i < 32; i++) {
    const byte = (): number => (r.chance(12) ? 0 : r.chance(8) ? r.below(256) : 0x61 + r.below(2 << size))
    xmm.setUint8(160 + 16 + i, i & 1 && r.chance(2) ? 0 : byte())
    data.setUint8(i, i & 1 && r.chance(2) ? 0 : byte())
  }
}

export const crypto: Instruction[] = [
  ...range(0xdb, 0xdf).flatMap((opcode) => both(`aes ${hex(opcode)}`, [0x66, 0x0f, 0x38, opcode], 'integer')),
  ...[0, 1, 0x36].flatMap((n) => both(`aeskeygenassist ${n}`, [0x66, 0x0f, 0x3a, 0xdf], 'integer', n)),
  ...[0, 1, 0x10, 0x11, 0xee].flatMap((n) => both(`pclmulqdq ${n}`, [0x66, 0x0f, 0x3a, 0x44], 'integer', n)),
  ...range(0xc8, 0xcd).flatMap((opcode) => both(`sha ${hex(opcode)}`, [0x0f, 0x38, opcode], 'integer')),
  ...[0, 1, 2, 3].flatMap((n) => both(`sha1rnds4 ${n}`, [0x0f, 0x3a, 0xcc], 'integer', n)),
]

/** An instruction on general registers: RCX and RDX or [rsi], and which flags it defines. */
export interface BitInstruction {
  name: string
  code: Uint8Array
  flags: number
}

const CF = 1
const PF = 4
const AF = 16
const ZF = 64
const SF = 128
const OF = 0x800
const ALL = CF | PF | AF | ZF | SF | OF

/** C4 with map and pp, W, VEX.vvvv = rbx; ModRM reg = rcx, rm = rdx or [rsi]. */
function vex(name: string, map: number, pp: number, opcode: number, flags: number, reg = 1, ...imm: number[]) {
  const vvvv = imm.length ? 15 : 15 ^ 3
  return [0, 1].flatMap((w) =>
    [0xc2 | (reg << 3), 0x06 | (reg << 3)].map((modrm) => ({
      name: `${name} w${w} ${modrm >= 0xc0 ? 'reg' : 'mem'}`,
      code: Uint8Array.from([0xc4, 0xe0 | map, (w << 7) | (vvvv << 3) | pp, opcode, modrm, ...imm]),
      flags,
    })),
  )
}

function legacy(name: string, prefix: number[], opcode: number[], flags: number, sizes = [2, 4, 8]): BitInstruction[] {
  return sizes.flatMap((size) =>
    [0xca, 0x0e].map((modrm) => ({
      name: `${name} ${size} ${modrm >= 0xc0 ? 'reg' : 'mem'}`,
      code: Uint8Array.from([
        ...(size === 2 ? [0x66] : []),
        ...prefix,
        ...(size === 8 ? [0x48] : []),
        0x0f,
        ...opcode,
        modrm,
      ]),
      flags,
    })),
  )
}

export const bits: BitInstruction[] = [
  ...legacy('popcnt', [0xf3], [0xb8], ALL),
  ...legacy('tzcnt', [0xf3], [0xbc], CF | ZF),
  ...legacy('lzcnt', [0xf3], [0xbd], CF | ZF),
  ...legacy('movbe', [], [0x38, 0xf0], ALL).filter(({ name }) => name.endsWith('mem')),
  ...legacy('movbe store', [], [0x38, 0xf1], ALL).filter(({ name }) => name.endsWith('mem')),
  ...legacy('crc32', [0xf2], [0x38, 0xf1], ALL),
  ...legacy('crc32 byte', [0xf2], [0x38, 0xf0], ALL, [4, 8]),
  ...legacy('adcx', [0x66], [0x38, 0xf6], ALL, [4, 8]),
  ...legacy('adox', [0xf3], [0x38, 0xf6], ALL, [4, 8]),
  ...vex('andn', 2, 0, 0xf2, CF | ZF | SF | OF),
  ...vex('blsr', 2, 0, 0xf3, CF | ZF | SF | OF, 1),
  ...vex('blsmsk', 2, 0, 0xf3, CF | ZF | SF | OF, 2),
  ...vex('blsi', 2, 0, 0xf3, CF | ZF | SF | OF, 3),
  ...vex('bextr', 2, 0, 0xf7, CF | ZF | OF),
  ...vex('bzhi', 2, 0, 0xf5, CF | ZF | SF | OF),
  ...vex('mulx', 2, 3, 0xf6, ALL),
  ...vex('mulx same', 2, 3, 0xf6, ALL, 3),
  ...vex('pdep', 2, 3, 0xf5, ALL),
  ...vex('pext', 2, 2, 0xf5, ALL),
  ...[0, 1, 31, 32, 63, 77].flatMap((n) => vex(`rorx ${n}`, 3, 3, 0xf0, ALL, 1, n)),
  ...vex('shlx', 2, 1, 0xf7, ALL),
  ...vex('shrx', 2, 3, 0xf7, ALL),
  ...vex('sarx', 2, 2, 0xf7, ALL),
]
