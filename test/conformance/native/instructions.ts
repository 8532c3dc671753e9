/** The x87, MMX, SSE and SSE2 instructions that the oracle can run, as 64-bit machine code. Memory operands are [rsi]. */

import type { VectorOperand } from './random-state.js'

export interface Instruction {
  name: string
  code: Uint8Array
  /** What its operands in memory and XMM registers are. */
  operand?: VectorOperand | 'extended' | 'bcd' | 'word' | 'dword' | 'qword'
  /** Bits of the x87 status word that count; the others differ from maker to maker. */
  statusMask?: number
}

const row = (name: string, bytes: number[], operand?: Instruction['operand'], statusMask?: number): Instruction => ({
  name,
  code: Uint8Array.from(bytes),
  operand,
  statusMask,
})

/** All but C1. */
const NOT_C1 = 0xfdff

// ---- x87 ----

const KINDS = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr']

/** ModRM for [rsi] with `reg`. */
const memory = (reg: number): number => 0x06 | (reg << 3)
const register = (reg: number, rm: number): number => 0xc0 | (reg << 3) | rm

export const x87Arithmetic: Instruction[] = KINDS.flatMap((name, n) => [
  row(`${name} m32`, [0xd8, memory(n)], 'single'),
  row(`${name} m64`, [0xdc, memory(n)], 'double'),
  row(`${name} mi16`, [0xde, memory(n)], 'word'),
  row(`${name} mi32`, [0xda, memory(n)], 'dword'),
  row(`${name} st0, st1`, [0xd8, register(n, 1)]),
  row(`${name} st2, st0`, [0xdc, register(n, 2)]),
  ...(n === 3 ? [row('fcompp', [0xde, 0xd9])] : [row(`${name}p st1, st0`, [0xde, register(n, 1)])]),
])

const D9: readonly [string, number][] = [
  ['fchs', 0xe0],
  ['fabs', 0xe1],
  ['ftst', 0xe4],
  ['fxam', 0xe5],
  ['fld1', 0xe8],
  ['fldl2t', 0xe9],
  ['fldl2e', 0xea],
  ['fldpi', 0xeb],
  ['fldlg2', 0xec],
  ['fldln2', 0xed],
  ['fldz', 0xee],
  ['fxtract', 0xf4],
  ['fprem1', 0xf5],
  ['fdecstp', 0xf6],
  ['fincstp', 0xf7],
  ['fprem', 0xf8],
  ['fsqrt', 0xfa],
  ['frndint', 0xfc],
  ['fscale', 0xfd],
  ['fnop', 0xd0],
  ['fld st3', 0xc3],
  ['fxch st2', 0xca],
  ['fstp1 st2', 0xda],
]

export const x87Other: Instruction[] = [
  ...D9.map(([name, second]) => row(name, [0xd9, second])),
  row('fld m32', [0xd9, memory(0)], 'single'),
  row('fst m32', [0xd9, memory(2)], 'single'),
  row('fstp m32', [0xd9, memory(3)], 'single'),
  row('fldcw', [0xd9, memory(5)], 'word'),
  row('fnstcw', [0xd9, memory(7)], 'word'),
  row('fld m64', [0xdd, memory(0)], 'double'),
  row('fst m64', [0xdd, memory(2)], 'double'),
  row('fstp m64', [0xdd, memory(3)], 'double'),
  row('fld m80', [0xdb, memory(5)], 'extended'),
  row('fstp m80', [0xdb, memory(7)], 'extended'),
  row('fild m16', [0xdf, memory(0)], 'word'),
  row('fild m32', [0xdb, memory(0)], 'dword'),
  row('fild m64', [0xdf, memory(5)], 'qword'),
  row('fist m16', [0xdf, memory(2)], 'word'),
  row('fistp m16', [0xdf, memory(3)], 'word'),
  row('fist m32', [0xdb, memory(2)], 'dword'),
  row('fistp m32', [0xdb, memory(3)], 'dword'),
  row('fistp m64', [0xdf, memory(7)], 'qword'),
  row('fbld', [0xdf, memory(4)], 'bcd'),
  row('fbstp', [0xdf, memory(6)], 'bcd'),
  row('fnstsw m16', [0xdd, memory(7)], 'word'),
  row('fnstsw ax', [0xdf, 0xe0]),
  row('fst st2', [0xdd, 0xd2]),
  row('fstp st2', [0xdd, 0xda]),
  row('ffree st2', [0xdd, 0xc2]),
  row('ffreep st2', [0xdf, 0xc2]),
  row('fxch4 st2', [0xdd, 0xca]),
  row('fxch7 st2', [0xdf, 0xca]),
  row('fstp8 st2', [0xdf, 0xd2]),
  row('fstp9 st2', [0xdf, 0xda]),
  row('fucom st1', [0xdd, 0xe1]),
  row('fucomp st1', [0xdd, 0xe9]),
  row('fucompp', [0xda, 0xe9]),
  // Intel clears C1 in FCOMI and its kin, AMD leaves it.
  row('fcomi st1', [0xdb, 0xf1], undefined, NOT_C1),
  row('fucomi st1', [0xdb, 0xe9], undefined, NOT_C1),
  row('fcomip st1', [0xdf, 0xf1], undefined, NOT_C1),
  row('fucomip st1', [0xdf, 0xe9], undefined, NOT_C1),
  ...['b', 'e', 'be', 'u'].flatMap((condition, n) => [
    row(`fcmov${condition} st1`, [0xda, register(n, 1)]),
    row(`fcmovn${condition} st1`, [0xdb, register(n, 1)]),
  ]),
  row('feni', [0xdb, 0xe0]),
  row('fdisi', [0xdb, 0xe1]),
  row('fnclex', [0xdb, 0xe2]),
  row('fninit', [0xdb, 0xe3]),
  row('fsetpm', [0xdb, 0xe4]),
]

/** C1 (rounded up) says little where the last bit is free to differ. */
export const x87Transcendental: Instruction[] = [
  row('f2xm1', [0xd9, 0xf0], undefined, NOT_C1),
  row('fyl2x', [0xd9, 0xf1], undefined, NOT_C1),
  row('fptan', [0xd9, 0xf2], undefined, NOT_C1),
  row('fpatan', [0xd9, 0xf3], undefined, NOT_C1),
  row('fyl2xp1', [0xd9, 0xf9], undefined, NOT_C1),
  row('fsincos', [0xd9, 0xfb], undefined, NOT_C1),
  row('fsin', [0xd9, 0xfe], undefined, NOT_C1),
  row('fcos', [0xd9, 0xff], undefined, NOT_C1),
]

// ---- SSE ----

const PREFIX: { [form: string]: number[] } = { ps: [], pd: [0x66], ss: [0xf3], sd: [0xf2] }

/** An instruction in its register form (xmm1, xmm2) and its memory form ([rsi]). */
function both(
  name: string,
  prefix: number[],
  opcode: number,
  operand: Instruction['operand'],
  ...immediate: number[]
): Instruction[] {
  return [
    row(`${name} xmm1, xmm2`, [...prefix, 0x0f, opcode, 0xca, ...immediate], operand),
    row(`${name} xmm1, [rsi]`, [...prefix, 0x0f, opcode, 0x0e, ...immediate], operand),
  ]
}

function floats(name: string, opcode: number, forms: string[], ...immediate: number[]): Instruction[] {
  return forms.flatMap((form) =>
    both(name + form, PREFIX[form], opcode, form[1] === 's' ? 'single' : 'double', ...immediate),
  )
}

const ALL = ['ps', 'pd', 'ss', 'sd']

export const sseArithmetic: Instruction[] = [
  ...floats('add', 0x58, ALL),
  ...floats('mul', 0x59, ALL),
  ...floats('sub', 0x5c, ALL),
  ...floats('min', 0x5d, ALL),
  ...floats('div', 0x5e, ALL),
  ...floats('max', 0x5f, ALL),
  ...floats('sqrt', 0x51, ALL),
  ...[0, 1, 2, 3, 4, 5, 6, 7, 0x9b].flatMap((predicate) => floats(`cmp${predicate}`, 0xc2, ALL, predicate)),
  ...both('ucomiss', [], 0x2e, 'single'),
  ...both('ucomisd', [0x66], 0x2e, 'double'),
  ...both('comiss', [], 0x2f, 'single'),
  ...both('comisd', [0x66], 0x2f, 'double'),
]

export const sseConversions: Instruction[] = [
  ...both('cvtps2pd', [], 0x5a, 'single'),
  ...both('cvtpd2ps', [0x66], 0x5a, 'double'),
  ...both('cvtss2sd', [0xf3], 0x5a, 'single'),
  ...both('cvtsd2ss', [0xf2], 0x5a, 'double'),
  ...both('cvtdq2ps', [], 0x5b, 'integer'),
  ...both('cvtps2dq', [0x66], 0x5b, 'single'),
  ...both('cvttps2dq', [0xf3], 0x5b, 'single'),
  ...both('cvttpd2dq', [0x66], 0xe6, 'double'),
  ...both('cvtdq2pd', [0xf3], 0xe6, 'integer'),
  ...both('cvtpd2dq', [0xf2], 0xe6, 'double'),
  // General registers: eax or rax is source or target.
  ...[0x2a].flatMap((opcode) => [
    row('cvtsi2ss xmm1, eax', [0xf3, 0x0f, opcode, 0xc8]),
    row('cvtsi2ss xmm1, rax', [0xf3, 0x48, 0x0f, opcode, 0xc8]),
    row('cvtsi2sd xmm1, eax', [0xf2, 0x0f, opcode, 0xc8]),
    row('cvtsi2sd xmm1, rax', [0xf2, 0x48, 0x0f, opcode, 0xc8]),
    row('cvtsi2ss xmm1, dword [rsi]', [0xf3, 0x0f, opcode, 0x0e], 'integer'),
    row('cvtsi2sd xmm1, qword [rsi]', [0xf2, 0x48, 0x0f, opcode, 0x0e], 'integer'),
    row('cvtpi2ps xmm1, mm2', [0x0f, opcode, 0xca]),
    row('cvtpi2ps xmm1, [rsi]', [0x0f, opcode, 0x0e], 'integer'),
    row('cvtpi2pd xmm1, mm2', [0x66, 0x0f, opcode, 0xca]),
    row('cvtpi2pd xmm1, [rsi]', [0x66, 0x0f, opcode, 0x0e], 'integer'),
  ]),
  ...(
    [
      [0x2c, 'cvtt'],
      [0x2d, 'cvt'],
    ] as const
  ).flatMap(([opcode, name]) => [
    row(`${name}ss2si eax, xmm1`, [0xf3, 0x0f, opcode, 0xc1], 'single'),
    row(`${name}ss2si rax, xmm1`, [0xf3, 0x48, 0x0f, opcode, 0xc1], 'single'),
    row(`${name}sd2si eax, xmm1`, [0xf2, 0x0f, opcode, 0xc1], 'double'),
    row(`${name}sd2si rax, xmm1`, [0xf2, 0x48, 0x0f, opcode, 0xc1], 'double'),
    row(`${name}sd2si rax, [rsi]`, [0xf2, 0x48, 0x0f, opcode, 0x06], 'double'),
    row(`${name}ps2pi mm1, xmm2`, [0x0f, opcode, 0xca], 'single'),
    row(`${name}ps2pi mm1, [rsi]`, [0x0f, opcode, 0x0e], 'single'),
    row(`${name}pd2pi mm1, xmm2`, [0x66, 0x0f, opcode, 0xca], 'double'),
    row(`${name}pd2pi mm1, [rsi]`, [0x66, 0x0f, opcode, 0x0e], 'double'),
  ]),
]

const MMX_OPCODES = [
  0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x74, 0x75, 0x76, 0xd1, 0xd2, 0xd3, 0xd4,
  0xd5, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9, 0xea, 0xeb,
  0xec, 0xed, 0xee, 0xef, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe,
]

const hex = (n: number): string => n.toString(16).padStart(2, '0')

const COUNTS = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 200]
const SHIFTS: readonly [number, number[]][] = [
  [0x71, [2, 4, 6]],
  [0x72, [2, 4, 6]],
  [0x73, [2, 6]],
]

/** `prefix` [] gives the MMX forms (mm1, mm2), [0x66] the SSE2 forms. */
function integerForms(prefix: number[]): Instruction[] {
  const set = prefix.length ? 'sse2' : 'mmx'
  return [
    ...MMX_OPCODES.flatMap((opcode) => [
      row(`${set} 0f ${hex(opcode)} reg`, [...prefix, 0x0f, opcode, 0xca], 'integer'),
      row(`${set} 0f ${hex(opcode)} mem`, [...prefix, 0x0f, opcode, 0x0e], 'integer'),
    ]),
    ...SHIFTS.flatMap(([opcode, regs]) =>
      [...regs, ...(prefix.length && opcode === 0x73 ? [3, 7] : [])].flatMap((reg) =>
        COUNTS.map((count) =>
          row(
            `${set} 0f ${hex(opcode)} /${reg} ${count}`,
            [...prefix, 0x0f, opcode, register(reg, 1), count],
            'integer',
          ),
        ),
      ),
    ),
    row(`${set} pinsrw eax, 5`, [...prefix, 0x0f, 0xc4, 0xc8, 5], 'integer'),
    row(`${set} pinsrw [rsi], 2`, [...prefix, 0x0f, 0xc4, 0x0e, 2], 'integer'),
    row(`${set} pextrw eax, 7`, [...prefix, 0x0f, 0xc5, 0xc1, 7], 'integer'),
    row(`${set} pmovmskb eax`, [...prefix, 0x0f, 0xd7, 0xc1], 'integer'),
    row(`${set} movd xmm1, eax`, [...prefix, 0x0f, 0x6e, 0xc8], 'integer'),
    row(`${set} movq xmm1, rax`, [...prefix, 0x48, 0x0f, 0x6e, 0xc8], 'integer'),
    row(`${set} movd xmm1, [rsi]`, [...prefix, 0x0f, 0x6e, 0x0e], 'integer'),
    row(`${set} movd eax, xmm1`, [...prefix, 0x0f, 0x7e, 0xc8], 'integer'),
    row(`${set} movq rax, xmm1`, [...prefix, 0x48, 0x0f, 0x7e, 0xc8], 'integer'),
    row(`${set} movd [rsi], xmm1`, [...prefix, 0x0f, 0x7e, 0x0e], 'integer'),
    row(`${set} movnt [rsi], xmm1`, [...prefix, 0x0f, 0xe7, 0x0e], 'integer'),
    row(`${set} maskmov xmm1, xmm2`, [...prefix, 0x0f, 0xf7, 0xca], 'integer'),
    ...[0x1b, 0xe4, 0x93].map((order) => row(`${set} pshuf ${order}`, [...prefix, 0x0f, 0x70, 0xca, order], 'integer')),
    row(`${set} 0f 6f reg`, [...prefix, 0x0f, 0x6f, 0xca], 'integer'),
    row(`${set} 0f 6f mem`, [...prefix, 0x0f, 0x6f, 0x0e], 'integer'),
    row(`${set} 0f 7f reg`, [...prefix, 0x0f, 0x7f, 0xca], 'integer'),
    row(`${set} 0f 7f mem`, [...prefix, 0x0f, 0x7f, 0x0e], 'integer'),
  ]
}

export const mmx: Instruction[] = [...integerForms([]), row('emms', [0x0f, 0x77])]

/** Opcodes of moves, shuffles and logic with their mandatory prefixes. */
const MOVES: readonly [number, number[][]][] = [
  [0x10, [[], [0x66], [0xf3], [0xf2]]],
  [0x11, [[], [0x66], [0xf3], [0xf2]]],
  [0x14, [[], [0x66]]],
  [0x15, [[], [0x66]]],
  [0x28, [[], [0x66]]],
  [0x29, [[], [0x66]]],
  [0x54, [[], [0x66]]],
  [0x55, [[], [0x66]]],
  [0x56, [[], [0x66]]],
  [0x57, [[], [0x66]]],
  [0x6c, [[0x66]]],
  [0x6d, [[0x66]]],
  [0x6f, [[0xf3]]],
  [0x7f, [[0xf3]]],
  [0x7e, [[0xf3]]],
  [0xd6, [[0x66]]],
]

export const sse2Integer: Instruction[] = [
  ...integerForms([0x66]),
  ...MOVES.flatMap(([opcode, prefixes]) =>
    prefixes.flatMap((prefix) => both(`${prefix.map(hex).join('')} 0f ${hex(opcode)}`, prefix, opcode, 'integer')),
  ),
  // Unaligned forms at an odd address, high registers.
  row('movups xmm9, [rsi+3]', [0x44, 0x0f, 0x10, 0x4e, 0x03], 'integer'),
  row('movups [rsi+5], xmm12', [0x44, 0x0f, 0x11, 0x66, 0x05], 'integer'),
  row('movdqu xmm9, [rsi+3]', [0xf3, 0x44, 0x0f, 0x6f, 0x4e, 0x03], 'integer'),
  row('movdqu [rsi+5], xmm12', [0xf3, 0x44, 0x0f, 0x7f, 0x66, 0x05], 'integer'),
  ...[0x12, 0x16].flatMap((opcode) => [
    row(`0f ${hex(opcode)} reg`, [0x0f, opcode, 0xca], 'integer'),
    row(`0f ${hex(opcode)} mem`, [0x0f, opcode, 0x0e], 'integer'),
    row(`66 0f ${hex(opcode)} mem`, [0x66, 0x0f, opcode, 0x0e], 'integer'),
    row(`0f ${hex(opcode + 1)} mem`, [0x0f, opcode + 1, 0x0e], 'integer'),
    row(`66 0f ${hex(opcode + 1)} mem`, [0x66, 0x0f, opcode + 1, 0x0e], 'integer'),
  ]),
  row('movntps', [0x0f, 0x2b, 0x0e], 'integer'),
  row('movntpd', [0x66, 0x0f, 0x2b, 0x0e], 'integer'),
  row('movmskps', [0x0f, 0x50, 0xc2], 'integer'),
  row('movmskpd', [0x66, 0x0f, 0x50, 0xc2], 'integer'),
  row('movnti eax', [0x0f, 0xc3, 0x06], 'integer'),
  row('movnti rax', [0x48, 0x0f, 0xc3, 0x06], 'integer'),
  row('movq2dq', [0xf3, 0x0f, 0xd6, 0xca], 'integer'),
  row('movdq2q', [0xf2, 0x0f, 0xd6, 0xca], 'integer'),
  ...[0x1b, 0xe4, 0x93, 0x4e].flatMap((order) => [
    ...both(`shufps ${order}`, [], 0xc6, 'integer', order),
    ...both(`shufpd ${order}`, [0x66], 0xc6, 'integer', order),
    ...both(`pshufhw ${order}`, [0xf3], 0x70, 'integer', order),
    ...both(`pshuflw ${order}`, [0xf2], 0x70, 'integer', order),
  ]),
  row('stmxcsr', [0x0f, 0xae, 0x1e], 'integer'),
  row('lfence', [0x0f, 0xae, 0xe8]),
  row('mfence', [0x0f, 0xae, 0xf0]),
  row('sfence', [0x0f, 0xae, 0xf8]),
  row('clflush', [0x0f, 0xae, 0x3e], 'integer'),
  row('prefetcht0', [0x0f, 0x18, 0x0e], 'integer'),
]

// ---- state: sequences that load an image from the data and store it again behind ----

export interface StateSequence {
  name: string
  code: Uint8Array
  /** Bytes of the image that is loaded from offset 0. */
  load: number
  /** Where it stores: [offset, size]. */
  store: [number, number]
  /** Offsets in what is stored that do not count: pointers and opcode, which some CPUs keep for exceptions only. */
  ignore: [number, number][]
}

const sequence = (name: string, code: number[], rest: Omit<StateSequence, 'name' | 'code'>): StateSequence => ({
  name,
  code: Uint8Array.from(code),
  ...rest,
})

export const stateSequences: StateSequence[] = [
  sequence('fldenv, fnstenv (32-bit)', [0xd9, 0x26, 0xd9, 0x76, 0x40], {
    load: 28,
    store: [64, 28],
    ignore: [[12, 28]],
  }),
  sequence('fldenv, fnstenv (16-bit)', [0x66, 0xd9, 0x26, 0x66, 0xd9, 0x76, 0x40], {
    load: 14,
    store: [64, 14],
    ignore: [[6, 14]],
  }),
  sequence('frstor, fnsave (32-bit)', [0xdd, 0x26, 0xdd, 0xb6, 0, 1, 0, 0], {
    load: 108,
    store: [256, 108],
    ignore: [[12, 28]],
  }),
  sequence('frstor, fnsave (16-bit)', [0x66, 0xdd, 0x26, 0x66, 0xdd, 0xb6, 0, 1, 0, 0], {
    load: 94,
    store: [256, 94],
    ignore: [[6, 14]],
  }),
  sequence('fxrstor, fxsave', [0x0f, 0xae, 0x0e, 0x0f, 0xae, 0x86, 0, 2, 0, 0], {
    load: 416,
    store: [512, 416],
    ignore: [
      [6, 24],
      // MXCSR_MASK: AMD has a bit more.
      [28, 32],
    ],
  }),
  sequence('fxrstor64, fxsave64', [0x48, 0x0f, 0xae, 0x0e, 0x48, 0x0f, 0xae, 0x86, 0, 2, 0, 0], {
    load: 416,
    store: [512, 416],
    ignore: [
      [6, 24],
      // MXCSR_MASK: AMD has a bit more.
      [28, 32],
    ],
  }),
  sequence('ldmxcsr, stmxcsr', [0x0f, 0xae, 0x16, 0x0f, 0xae, 0x5e, 0x40], { load: 4, store: [64, 4], ignore: [] }),
]
