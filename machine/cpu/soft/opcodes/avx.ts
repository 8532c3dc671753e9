/**
 * AVX, AVX2 and F16C rows (Intel SDM vol. 2, tables ). Most are made from the rows of the SSE forms, whose
 * handlers run once for each half of the vector (core/execute/vex.ts); `Halves` says what differs.
 */
import { IMMEDIATE_SHIFTS, INTEGER, SHIFTS } from './mmx.js'
import type { GoesOn, Row } from './row.js'
import { PACKING, rows as sseRows } from './sse.js'
import { rows as laterRows, SSE41, SSSE3 } from './sse-later.js'

export const goesOn: GoesOn = 2

export const from = ['vex', 'avx-move', 'avx-permute', 'float-half', 'xmm', 'state', 'lanes-more']

const legacy = new Map([...sseRows, ...laterRows].map((row) => [row[0], row]))

function sse(where: string): Row {
  const row = legacy.get(where)
  if (!row) throw new Error(`opcode table: no SSE row ${where}`)
  return row
}

interface Halves {
  /** Bytes of the memory operand of the 128-bit form, and of the 256-bit form. */
  bytes?: readonly [number, number]
  /** How far on the upper half's result and source lie. */
  result?: number
  source?: number
  /** Bits of the immediate that are the lower half's alone. */
  immediate?: number
  finish?: string
}

/** Lines that run an SSE handler's call on both halves. */
function inHalves(call: string, halves: Halves): string {
  const [narrow, wide] = halves.bytes ?? [16, 32]
  const half = call.replace('(op, MEM', '(VOP, false').replace('(op', '(VOP')
  const upper = `vexUpper(${halves.result ?? 16}, ${halves.source ?? 16}, ${halves.immediate ?? 0})`
  return `vexBegin(op, ${narrow}, ${wide}); ${half}; if (${upper}) ${half}; ${halves.finish ?? 'vexFinish'}(op)`
}

/** The 128-bit and 256-bit form. */
type Sets = readonly [narrow: string, wide?: string]
const FLOATS: Sets = ['avx', 'avx']
const INTEGERS: Sets = ['avx', 'avx2']

function both(sets: Sets, where: string, operands: string, call: string): Row[] {
  const [narrow, wide] = sets
  if (narrow === wide) return [[`vex ${where}`, operands, call, `if=${narrow}`]]
  const first: Row = [`vex.128 ${where}`, operands, call, `if=${narrow}`]
  return wide ? [first, [`vex.256 ${where}`, operands, call, `if=${wide}`]] : [first]
}

const withImmediate = (row: Row, operands: string): string => (row[1].endsWith('Ib') ? `${operands},Ib` : operands)

/** The SSE form's destination is its first source, too: VEX.vvvv takes that part. */
const three = (sets: Sets, halves: Halves, ...places: string[]): Row[] =>
  places.flatMap((where) =>
    both(sets, where, withImmediate(sse(where), 'V,H,W'), inHalves(sse(where)[2].replace(', 7)', ', 31)'), halves)),
  )

/** One source. */
const two = (sets: Sets, halves: Halves, ...places: string[]): Row[] =>
  places.flatMap((where) => both(sets, where, withImmediate(sse(where), 'V,W'), inHalves(sse(where)[2], halves)))

const cross = (prefixes: string[], opcodes: string[]): string[] =>
  prefixes.flatMap((prefix) => opcodes.map((opcode) => `${prefix} ${opcode}`))

const floats: Row[] = [
  ...three(FLOATS, {}, ...cross(['np 0f', '66 0f'], ['58', '59', '5c', '5d', '5e', '5f', 'c2'])),
  ...three(FLOATS, {}, ...cross(['np 0f', '66 0f'], ['14', '15', '54', '55', '56', '57'])),
  ...three(FLOATS, {}, ...cross(['66 0f', 'f2 0f'], ['7c', '7d', 'd0']), 'np 0f c6', '66 0f3a 40'),
  ...three(FLOATS, { immediate: 2 }, '66 0f c6', '66 0f3a 0d'),
  ...three(FLOATS, { immediate: 4 }, '66 0f3a 0c'),
  ...three(['avx'], {}, '66 0f3a 41'),
  ...two(FLOATS, {}, 'np 0f 51', '66 0f 51', 'np 0f 52', 'np 0f 53', 'f3 0f 12', 'f3 0f 16'),
  ...two(FLOATS, { bytes: [8, 32] }, 'f2 0f 12'),
  ...two(FLOATS, {}, 'np 0f 5b', '66 0f 5b', 'f3 0f 5b', '66 0f3a 08', '66 0f3a 09'),
  ...two(FLOATS, { bytes: [8, 16], source: 8 }, 'np 0f 5a', 'f3 0f e6'),
  ...two(FLOATS, { result: 8, finish: 'vexFinishLow' }, '66 0f 5a', '66 0f e6', 'f2 0f e6'),
]

const ssse3 = SSSE3.map(([opcode]) => opcode)
const sse41 = SSE41.map(([opcode]) => opcode)
const absolute = ['1c', '1d', '1e']
const minimum = '41'

const integers: Row[] = [
  ...three(INTEGERS, {}, ...[...INTEGER, ...PACKING].map(([opcode]) => `66 0f ${opcode}`)),
  ...three(INTEGERS, {}, ...ssse3.filter((opcode) => !absolute.includes(opcode)).map((opcode) => `66 0f38 ${opcode}`)),
  ...three(INTEGERS, {}, ...sse41.filter((opcode) => opcode !== minimum).map((opcode) => `66 0f38 ${opcode}`)),
  ...three(INTEGERS, {}, '66 0f38 37', '66 0f3a 0f', '66 0f3a 0e'),
  ...three(INTEGERS, { immediate: 3 }, '66 0f3a 42'),
  ...three(INTEGERS, { bytes: [16, 16], source: 0 }, ...SHIFTS.map(([opcode]) => `66 0f ${opcode}`)),
  ...[...IMMEDIATE_SHIFTS.map(([where]) => where), '73 /3', '73 /7'].flatMap((where) =>
    both(INTEGERS, `66 0f ${where}`, 'H,U,Ib', inHalves(sse(`66 0f ${where}`)[2], { finish: 'vexFinishShift' })),
  ),
  ...two(INTEGERS, {}, ...absolute.map((opcode) => `66 0f38 ${opcode}`), '66 0f 70', 'f3 0f 70', 'f2 0f 70'),
  ...two(['avx'], {}, `66 0f38 ${minimum}`),
  // Widening moves, by bytes of the source.
  ...two(INTEGERS, { bytes: [8, 16], source: 8 }, ...cross(['66 0f38'], ['20', '23', '25', '30', '33', '35'])),
  ...two(INTEGERS, { bytes: [4, 8], source: 4 }, ...cross(['66 0f38'], ['21', '24', '31', '34'])),
  ...two(INTEGERS, { bytes: [2, 4], source: 2 }, '66 0f38 22', '66 0f38 32'),
  ...three(['aes', 'vaes'], {}, ...cross(['66 0f38'], ['dc', 'dd', 'de', 'df'])),
  ...two(['aes'], {}, '66 0f38 db', '66 0f3a df'),
  ...three(['pclmulqdq', 'vpclmulqdq'], {}, '66 0f3a 44'),
]

/** One run of the SSE form, which leaves the upper part of VEX.vvvv's register in the result. */
const scalar = (vex: string, operands: string, ...places: string[]): Row[] =>
  places.map((where) => {
    const call = sse(where)[2].replace('(op', '(VOP').replace(', 7)', ', 31)')
    const forms = withImmediate(sse(where), operands)
    return [`${vex} ${where}`, forms, `vexScalar(op); ${call}; vexFinishScalar(op)`, 'if=avx']
  })

const scalars: Row[] = [
  ...scalar('vex', 'V,H,W', ...cross(['f3 0f', 'f2 0f'], ['58', '59', '5c', '5d', '5e', '5f', '51', '5a', 'c2'])),
  ...scalar('vex', 'V,H,W', 'f3 0f 52', 'f3 0f 53', '66 0f3a 0a', '66 0f3a 0b'),
  ...scalar('vex', 'V,H,Ey', 'f3 0f 2a', 'f2 0f 2a'),
  ...scalar('vex.128', 'V,H,W', 'np 0f 12', 'np 0f 16', '66 0f3a 21'),
  ...scalar('vex.128', 'V,H,M', '66 0f 12', '66 0f 16'),
  ...scalar('vex.128', 'V,H,Ed', '66 0f c4', '66 0f3a 20'),
  ...scalar('vex.128', 'V,H,Ey', '66 0f3a 22'),
]

/** The SSE form as it is; `then` clears the upper half of what it wrote. */
const same = (vex: string, then: string, ...places: string[]): Row[] =>
  places.map((where) => [`${vex} ${where}`, sse(where)[1], `checkAvx(); ${sse(where)[2]}${then}`, 'if=avx'])

const unchanged: Row[] = [
  ...same('vex', '', 'np 0f 2e', '66 0f 2e', 'np 0f 2f', '66 0f 2f', 'f3 0f 2c', 'f2 0f 2c', 'f3 0f 2d', 'f2 0f 2d'),
  ...same(
    'vex.128',
    '',
    '66 0f 7e',
    ...cross(['66 0f3a'], ['14', '15', '16', '17', '61', '63']),
    '66 0f c5',
    '66 0f f7',
  ),
  ...same('vex.128', '', 'np 0f 13', '66 0f 13', 'np 0f 17', '66 0f 17', 'np 0f ae /2 mem', 'np 0f ae /3 mem'),
  ...same('vex.128', '; clearUpper(regV(op))', '66 0f 6e', 'f3 0f 7e'),
  ...same('vex.128', '; clearUpper(XMM)', '66 0f3a 60', '66 0f3a 62'),
]

const moves: Row[] = [
  ...cross(['np 0f', '66 0f'], ['10', '28']).flatMap((where): Row[] => {
    const aligned = where.endsWith('28')
    return [
      [`vex ${where}`, 'V,W', `vmov_V_W(op, ${aligned})`],
      [`vex ${where.slice(0, -1)}${aligned ? '9' : '1'}`, 'W,V', `vmov_W_V(op, ${aligned})`],
    ]
  }),
  ...['66', 'f3'].flatMap((prefix): Row[] => [
    [`vex ${prefix} 0f 6f`, 'V,W', `vmov_V_W(op, ${prefix === '66'})`],
    [`vex ${prefix} 0f 7f`, 'W,V', `vmov_W_V(op, ${prefix === '66'})`],
  ]),
  ...['np 0f 2b', '66 0f 2b', '66 0f e7'].map((where): Row => [`vex ${where}`, 'M,V', 'vmov_W_V(op, true)']),
  ['vex f2 0f f0', 'V,M', 'vmov_V_W(op, false)'],
  ['vex f3 0f 10 reg', 'V,H,U', 'vmovs_U<u32>(op, regV(op), regU(op))'],
  ['vex f2 0f 10 reg', 'V,H,U', 'vmovs_U<u64>(op, regV(op), regU(op))'],
  ['vex f3 0f 11 reg', 'U,H,V', 'vmovs_U<u32>(op, regU(op), regV(op))'],
  ['vex f2 0f 11 reg', 'U,H,V', 'vmovs_U<u64>(op, regU(op), regV(op))'],
  ['vex f3 0f 10 mem', 'V,M', 'checkAvx(); movss_V_W(op, true); clearUpper(regV(op))'],
  ['vex f2 0f 10 mem', 'V,M', 'checkAvx(); movsd_V_W(op, true); clearUpper(regV(op))'],
  ['vex f3 0f 11 mem', 'M,V', 'checkAvx(); movss_W_V(op, true)'],
  ['vex f2 0f 11 mem', 'M,V', 'checkAvx(); movsd_W_V(op, true)'],
  ['vex.128 66 0f d6 mem', 'M,V', 'checkAvx(); movq_W_V(op, true)'],
  ['vex.128 66 0f d6 reg', 'U,V', 'checkAvx(); movq_W_V(op, false); clearUpper(regU(op))'],
  ['vex np 0f 50', 'Gd,U', 'vmovmsk(op, 4)'],
  ['vex 66 0f 50', 'Gd,U', 'vmovmsk(op, 8)'],
  ['vex np 0f 77', '', 'vzero(op)'],
  ['vex 66 0f38 0e w0', 'V,W', 'vtest(op, 4)'],
  ['vex 66 0f38 0f w0', 'V,W', 'vtest(op, 8)'],
  ['vex 66 0f38 17', 'V,W', 'vtest(op, 0)'],
  ['vex 66 0f38 18 mem w0', 'V,M', 'broadcast<u32>(op)'],
  ['vex.256 66 0f38 19 mem w0', 'V,M', 'broadcast<u64>(op)'],
  ['vex.256 66 0f38 1a w0', 'V,M', 'broadcast128(op)'],
  ['vex 66 0f38 2c w0', 'V,H,M', 'maskedLoad<u32>(op)'],
  ['vex 66 0f38 2d w0', 'V,H,M', 'maskedLoad<u64>(op)'],
  ['vex 66 0f38 2e w0', 'M,H,V', 'maskedStoreVector<u32>(op)'],
  ['vex 66 0f38 2f w0', 'M,H,V', 'maskedStoreVector<u64>(op)'],
  ['vex 66 0f38 0c w0', 'V,H,W', inHalves('packed_V_W(op, MEM, PERMILPS)', {})],
  ['vex 66 0f38 0d w0', 'V,H,W', inHalves('packed_V_W(op, MEM, PERMILPD)', {})],
  ['vex 66 0f3a 04 w0', 'V,W,Ib', inHalves('pshufd(op, MEM)', {})],
  ['vex 66 0f3a 05 w0', 'V,W,Ib', inHalves('immediate_V_W(op, MEM, PERMILPD_I)', { immediate: 2 })],
  ['vex.256 66 0f3a 06 w0', 'V,H,W,Ib', 'vperm2_128(op)'],
  ['vex.256 66 0f3a 18 w0', 'V,H,W,Ib', 'vinsert128(op)'],
  ['vex.256 66 0f3a 19 w0', 'W,V,Ib', 'vextract128(op)'],
  ['vex 66 0f3a 4a w0', 'V,H,W,Ib', 'vblendv(op, 4)'],
  ['vex 66 0f3a 4b w0', 'V,H,W,Ib', 'vblendv(op, 8)'],
]

const INDEX = ['i32', 'i64']
const LANE = ['u32', 'u64']

const avx2: Row[] = [
  ['vex 66 0f38 18 reg w0', 'V,U', 'broadcast<u32>(op)'],
  ['vex.256 66 0f38 19 reg w0', 'V,U', 'broadcast<u64>(op)'],
  ['vex 66 0f38 58 w0', 'V,W', 'broadcast<u32>(op)'],
  ['vex 66 0f38 59 w0', 'V,W', 'broadcast<u64>(op)'],
  ['vex 66 0f38 78 w0', 'V,W', 'broadcast<u8>(op)'],
  ['vex 66 0f38 79 w0', 'V,W', 'broadcast<u16>(op)'],
  ['vex.256 66 0f38 5a w0', 'V,M', 'broadcast128(op)'],
  ['vex.256 66 0f38 16 w0', 'V,H,W', 'vpermd(op)'],
  ['vex.256 66 0f38 36 w0', 'V,H,W', 'vpermd(op)'],
  ['vex.256 66 0f3a 00 w1', 'V,W,Ib', 'vpermq(op)'],
  ['vex.256 66 0f3a 01 w1', 'V,W,Ib', 'vpermq(op)'],
  ['vex 66 0f3a 02 w0', 'V,H,W,Ib', inHalves('immediate_V_W(op, MEM, BLENDPS)', { immediate: 4 })],
  ['vex.256 66 0f3a 46 w0', 'V,H,W,Ib', 'vperm2_128(op)'],
  ['vex.256 66 0f3a 38 w0', 'V,H,W,Ib', 'vinsert128(op)'],
  ['vex.256 66 0f3a 39 w0', 'W,V,Ib', 'vextract128(op)'],
  ['vex 66 0f38 45 w0', 'V,H,W', inHalves('packed_V_W(op, MEM, PSRLVD)', {})],
  ['vex 66 0f38 45 w1', 'V,H,W', inHalves('packed_V_W(op, MEM, PSRLVQ)', {})],
  ['vex 66 0f38 46 w0', 'V,H,W', inHalves('packed_V_W(op, MEM, PSRAVD)', {})],
  ['vex 66 0f38 47 w0', 'V,H,W', inHalves('packed_V_W(op, MEM, PSLLVD)', {})],
  ['vex 66 0f38 47 w1', 'V,H,W', inHalves('packed_V_W(op, MEM, PSLLVQ)', {})],
  ...LANE.flatMap((lane, w): Row[] => [
    [`vex 66 0f38 8c w${w}`, 'V,H,M', `maskedLoad<${lane}>(op)`],
    [`vex 66 0f38 8e w${w}`, 'M,H,V', `maskedStoreVector<${lane}>(op)`],
    // Opcode bit 0 is the index's size; 90 and 91 have integer lanes, 92 and 93 floats.
    ...[0, 1, 2, 3].map((n): Row => [`vex 66 0f38 9${n} w${w}`, 'V,H,X', `gather<${INDEX[n & 1]}, ${lane}>(op)`]),
  ]),
]

/** Those that AVX has with 128 bits and AVX2 with 256. */
const grown: Row[] = [
  ...both(INTEGERS, '66 0f d7', 'Gd,U', 'vmovmsk(op, 1)'),
  ...both(INTEGERS, '66 0f38 2a', 'V,M', 'vmov_V_W(op, true)'),
  ...both(INTEGERS, '66 0f3a 4c w0', 'V,H,W,Ib', 'vblendv(op, 1)'),
]

const f16c: Row[] = [
  ['vex 66 0f38 13 w0', 'V,W', 'vcvtph2ps(op)'],
  ['vex 66 0f3a 1d w0', 'W,V,Ib', 'vcvtps2ph(op)'],
]

const gated = (rows: Row[], feature: string): Row[] =>
  rows.map(([where, operands, call]): Row => [where, operands, call, `if=${feature}`])

export const rows: Row[] = [
  ...floats,
  ...integers,
  ...scalars,
  ...unchanged,
  ...grown,
  ...gated(moves, 'avx'),
  ...gated(avx2, 'avx2'),
  ...gated(f16c, 'f16c'),
]
