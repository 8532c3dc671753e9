/** SSE and SSE2 rows (Intel SDM vol. 2, tables ). */
import { IMMEDIATE_SHIFTS, INTEGER, SHIFTS } from './mmx.js'
import type { GoesOn, Row } from './row.js'

export const goesOn: GoesOn = 2

export const from = ['sse-arith', 'sse-move', 'sse-integer', 'sse-convert', 'fxsave', 'float-sse', 'lanes']

/** Opcodes 0F 58 to 0F 5F that are arithmetic. */
const ARITHMETIC: readonly [string, string][] = [
  ['58', 'FP_ADD'],
  ['59', 'FP_MUL'],
  ['5c', 'FP_SUB'],
  ['5d', 'FP_MIN'],
  ['5e', 'FP_DIV'],
  ['5f', 'FP_MAX'],
]

const arithmetic: Row[] = ARITHMETIC.flatMap(([opcode, kind]): Row[] => [
  [`np 0f ${opcode}`, 'V,W', `arith_ps(op, MEM, ${kind})`],
  [`66 0f ${opcode}`, 'V,W', `arith_pd(op, MEM, ${kind})`],
  [`f3 0f ${opcode}`, 'V,W', `arith_ss(op, MEM, ${kind})`],
  [`f2 0f ${opcode}`, 'V,W', `arith_sd(op, MEM, ${kind})`],
])

/** Logic and unpacking on floats are the integer operations of the same size. */
const LOGIC: readonly [string, string, string][] = [
  ['14', 'PUNPCKLDQ', 'PUNPCKLQDQ'],
  ['15', 'PUNPCKHDQ', 'PUNPCKHQDQ'],
  ['54', 'PAND', 'PAND'],
  ['55', 'PANDN', 'PANDN'],
  ['56', 'POR', 'POR'],
  ['57', 'PXOR', 'PXOR'],
]

const logic: Row[] = LOGIC.flatMap(([opcode, ps, pd]): Row[] => [
  [`np 0f ${opcode}`, 'V,W', `packed_V_W(op, MEM, ${ps})`],
  [`66 0f ${opcode}`, 'V,W', `packed_V_W(op, MEM, ${pd})`],
])

/** Packing and unpacking, which MMX does in its own way. */
export const PACKING: readonly [string, string][] = [
  ['60', 'PUNPCKLBW'],
  ['61', 'PUNPCKLWD'],
  ['62', 'PUNPCKLDQ'],
  ['63', 'PACKSSWB'],
  ['67', 'PACKUSWB'],
  ['68', 'PUNPCKHBW'],
  ['69', 'PUNPCKHWD'],
  ['6a', 'PUNPCKHDQ'],
  ['6b', 'PACKSSDW'],
  ['6c', 'PUNPCKLQDQ'],
  ['6d', 'PUNPCKHQDQ'],
]

const integer: Row[] = [
  ...[...INTEGER, ...PACKING].map(([opcode, kind]): Row => [`66 0f ${opcode}`, 'V,W', `packed_V_W(op, MEM, ${kind})`]),
  ...SHIFTS.map(([opcode, kind]): Row => [`66 0f ${opcode}`, 'V,W', `shift_V_W(op, MEM, ${kind})`]),
  ...IMMEDIATE_SHIFTS.map(([where, kind]): Row => [`66 0f ${where}`, 'U,Ib', `shift_U_I(op, ${kind})`]),
  ['66 0f 73 /3', 'U,Ib', 'psrldq(op)'],
  ['66 0f 73 /7', 'U,Ib', 'pslldq(op)'],
  ['66 0f 70', 'V,W,Ib', 'pshufd(op, MEM)'],
  ['f3 0f 70', 'V,W,Ib', 'pshufhw(op, MEM)'],
  ['f2 0f 70', 'V,W,Ib', 'pshuflw(op, MEM)'],
  ['66 0f c4', 'V,Ed,Ib', 'pinsrw_V_E(op, MEM)'],
  ['66 0f c5', 'Gd,U,Ib', 'pextrw_G_U(op)'],
  ['66 0f d7', 'Gd,U', 'pmovmskb_G_U(op)'],
  ['66 0f f7', 'V,U', 'maskmovdqu(op)'],
]

const moves: Row[] = [
  ['np 0f 10', 'V,W', 'mov_V_W(op, MEM, false)'],
  ['66 0f 10', 'V,W', 'mov_V_W(op, MEM, false)'],
  ['f3 0f 10', 'V,W', 'movss_V_W(op, MEM)'],
  ['f2 0f 10', 'V,W', 'movsd_V_W(op, MEM)'],
  ['np 0f 11', 'W,V', 'mov_W_V(op, MEM, false)'],
  ['66 0f 11', 'W,V', 'mov_W_V(op, MEM, false)'],
  ['f3 0f 11', 'W,V', 'movss_W_V(op, MEM)'],
  ['f2 0f 11', 'W,V', 'movsd_W_V(op, MEM)'],
  ['np 0f 12', 'V,W', 'movlps_V_W(op, MEM)'],
  ['66 0f 12', 'V,M', 'movlps_V_W(op, true)'],
  ['np 0f 13', 'M,V', 'movlps_M_V(op)'],
  ['66 0f 13', 'M,V', 'movlps_M_V(op)'],
  ['np 0f 16', 'V,W', 'movhps_V_W(op, MEM)'],
  ['66 0f 16', 'V,M', 'movhps_V_W(op, true)'],
  ['np 0f 17', 'M,V', 'movhps_M_V(op)'],
  ['66 0f 17', 'M,V', 'movhps_M_V(op)'],
  ['np 0f 28', 'V,W', 'mov_V_W(op, MEM, true)'],
  ['66 0f 28', 'V,W', 'mov_V_W(op, MEM, true)'],
  ['np 0f 29', 'W,V', 'mov_W_V(op, MEM, true)'],
  ['66 0f 29', 'W,V', 'mov_W_V(op, MEM, true)'],
  ['np 0f 2b', 'M,V', 'movnt_M_V(op)'],
  ['66 0f 2b', 'M,V', 'movnt_M_V(op)'],
  ['np 0f 50', 'Gd,U', 'movmskps(op)'],
  ['66 0f 50', 'Gd,U', 'movmskpd(op)'],
  ['66 0f 6e', 'V,Ey', 'movd_V_E<T>(op, MEM)'],
  ['66 0f 7e', 'Ey,V', 'movd_E_V<T>(op, MEM)'],
  ['f3 0f 7e', 'V,W', 'movq_V_W(op, MEM)'],
  ['66 0f 6f', 'V,W', 'mov_V_W(op, MEM, true)'],
  ['f3 0f 6f', 'V,W', 'mov_V_W(op, MEM, false)'],
  ['66 0f 7f', 'W,V', 'mov_W_V(op, MEM, true)'],
  ['f3 0f 7f', 'W,V', 'mov_W_V(op, MEM, false)'],
  ['np 0f c6', 'V,W,Ib', 'shufps(op, MEM)'],
  ['66 0f c6', 'V,W,Ib', 'shufpd(op, MEM)'],
  ['66 0f d6', 'W,V', 'movq_W_V(op, MEM)'],
  ['f3 0f d6', 'V,N', 'movq2dq(op)'],
  ['f2 0f d6', 'P,U', 'movdq2q(op)'],
  ['66 0f e7', 'M,V', 'movnt_M_V(op)'],
  ['np 0f c3', 'My,Gy', 'movnti<T>(op)'],
]

const arithmeticRest: Row[] = [
  ['np 0f 51', 'V,W', 'sqrtps(op, MEM)'],
  ['66 0f 51', 'V,W', 'sqrtpd(op, MEM)'],
  ['f3 0f 51', 'V,W', 'sqrtss(op, MEM)'],
  ['f2 0f 51', 'V,W', 'sqrtsd(op, MEM)'],
  ['np 0f 52', 'V,W', 'reciprocal_ps(op, MEM, true)'],
  ['f3 0f 52', 'V,W', 'reciprocal_ss(op, MEM, true)'],
  ['np 0f 53', 'V,W', 'reciprocal_ps(op, MEM, false)'],
  ['f3 0f 53', 'V,W', 'reciprocal_ss(op, MEM, false)'],
  ['np 0f 2e', 'V,W', 'comiss(op, MEM, true)'],
  ['66 0f 2e', 'V,W', 'comisd(op, MEM, true)'],
  ['np 0f 2f', 'V,W', 'comiss(op, MEM, false)'],
  ['66 0f 2f', 'V,W', 'comisd(op, MEM, false)'],
  ['np 0f c2', 'V,W,Ib', 'cmpps(op, MEM, 7)'],
  ['66 0f c2', 'V,W,Ib', 'cmppd(op, MEM, 7)'],
  ['f3 0f c2', 'V,W,Ib', 'cmpss(op, MEM, 7)'],
  ['f2 0f c2', 'V,W,Ib', 'cmpsd_xmm(op, MEM, 7)'],
]

const conversions: Row[] = [
  ['np 0f 2a', 'V,Q', 'cvtpi2ps(op, MEM)'],
  ['66 0f 2a', 'V,Q', 'cvtpi2pd(op, MEM)'],
  ['f3 0f 2a', 'V,Ey', 'cvtsi2ss<T>(op, MEM)'],
  ['f2 0f 2a', 'V,Ey', 'cvtsi2sd<T>(op, MEM)'],
  ['np 0f 2c', 'P,W', 'cvtps2pi(op, MEM, true)'],
  ['66 0f 2c', 'P,W', 'cvtpd2pi(op, MEM, true)'],
  ['f3 0f 2c', 'Gy,W', 'cvtss2si<T>(op, MEM, true)'],
  ['f2 0f 2c', 'Gy,W', 'cvtsd2si<T>(op, MEM, true)'],
  ['np 0f 2d', 'P,W', 'cvtps2pi(op, MEM, false)'],
  ['66 0f 2d', 'P,W', 'cvtpd2pi(op, MEM, false)'],
  ['f3 0f 2d', 'Gy,W', 'cvtss2si<T>(op, MEM, false)'],
  ['f2 0f 2d', 'Gy,W', 'cvtsd2si<T>(op, MEM, false)'],
  ['np 0f 5a', 'V,W', 'cvtps2pd(op, MEM)'],
  ['66 0f 5a', 'V,W', 'cvtpd2ps(op, MEM)'],
  ['f3 0f 5a', 'V,W', 'cvtss2sd(op, MEM)'],
  ['f2 0f 5a', 'V,W', 'cvtsd2ss(op, MEM)'],
  ['np 0f 5b', 'V,W', 'cvtdq2ps(op, MEM)'],
  ['66 0f 5b', 'V,W', 'cvtps2dq(op, MEM, false)'],
  ['f3 0f 5b', 'V,W', 'cvtps2dq(op, MEM, true)'],
  ['66 0f e6', 'V,W', 'cvtpd2dq(op, MEM, true)'],
  ['f3 0f e6', 'V,W', 'cvtdq2pd(op, MEM)'],
  ['f2 0f e6', 'V,W', 'cvtpd2dq(op, MEM, false)'],
]

const state: Row[] = [
  ['np 0f ae /0 mem', 'M', 'fxsave(op)'],
  ['np 0f ae /1 mem', 'M', 'fxrstor(op)'],
  ['np 0f ae /2 mem', 'M', 'ldmxcsr(op)'],
  ['np 0f ae /3 mem', 'M', 'stmxcsr(op)'],
  ['np 0f ae /7 mem', 'M', 'clflush(op)'],
  ['np 0f ae /5 reg', '', 'fence()'],
  ['np 0f ae /6 reg', '', 'fence()'],
  ['np 0f ae /7 reg', '', 'fence()'],
  // PREFETCHh; the other ModRM.reg values are hints too.
  ['0f 18', 'Eb', 'fence()'],
]

/** Rows without 66 or F2 that SSE2 brought; those with 66 or F2 are all SSE2's. */
const SSE2_ROWS = /^np 0f (5a|5b|c3)|^f3 0f (5a|5b|6f|7f|7e|70|e6|d6)|^np 0f ae \/[56] reg/

function gateOf(where: string): string {
  if (where.startsWith('0f 18')) return ''
  if (/^np 0f ae \/[01] mem/.test(where)) return 'if=fxsr unwinds'
  if (where === 'np 0f ae /7 mem') return 'if=clflush'
  return /^(66|f2) /.test(where) || SSE2_ROWS.test(where) ? 'if=sse2' : 'if=sse'
}

const all: Row[] = [...moves, ...arithmetic, ...arithmeticRest, ...logic, ...integer, ...conversions, ...state]

export const rows: Row[] = all.map(([where, operands, call]): Row => [where, operands, call, gateOf(where)])
