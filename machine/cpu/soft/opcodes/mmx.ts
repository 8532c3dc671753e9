/** MMX rows, with SSE's and SSE2's additions to MMX. `INTEGER` is the list that the SSE2 rows share. */
import type { GoesOn, Row } from './row.js'

export const goesOn: GoesOn = 2

export const from = ['mmx', 'lanes']

/** Two-operand lane operations that exist on MMX and on XMM registers. */
export const INTEGER: readonly [string, string][] = [
  ['64', 'PCMPGTB'],
  ['65', 'PCMPGTW'],
  ['66', 'PCMPGTD'],
  ['74', 'PCMPEQB'],
  ['75', 'PCMPEQW'],
  ['76', 'PCMPEQD'],
  ['d4', 'PADDQ'],
  ['d5', 'PMULLW'],
  ['d8', 'PSUBUSB'],
  ['d9', 'PSUBUSW'],
  ['da', 'PMINUB'],
  ['db', 'PAND'],
  ['dc', 'PADDUSB'],
  ['dd', 'PADDUSW'],
  ['de', 'PMAXUB'],
  ['df', 'PANDN'],
  ['e0', 'PAVGB'],
  ['e3', 'PAVGW'],
  ['e4', 'PMULHUW'],
  ['e5', 'PMULHW'],
  ['e8', 'PSUBSB'],
  ['e9', 'PSUBSW'],
  ['ea', 'PMINSW'],
  ['eb', 'POR'],
  ['ec', 'PADDSB'],
  ['ed', 'PADDSW'],
  ['ee', 'PMAXSW'],
  ['ef', 'PXOR'],
  ['f4', 'PMULUDQ'],
  ['f5', 'PMADDWD'],
  ['f6', 'PSADBW'],
  ['f8', 'PSUBB'],
  ['f9', 'PSUBW'],
  ['fa', 'PSUBD'],
  ['fb', 'PSUBQ'],
  ['fc', 'PADDB'],
  ['fd', 'PADDW'],
  ['fe', 'PADDD'],
]

export const SHIFTS: readonly [string, string][] = [
  ['d1', 'PSRLW'],
  ['d2', 'PSRLD'],
  ['d3', 'PSRLQ'],
  ['e1', 'PSRAW'],
  ['e2', 'PSRAD'],
  ['f1', 'PSLLW'],
  ['f2', 'PSLLD'],
  ['f3', 'PSLLQ'],
]

/** Shifts by an immediate: opcode and ModRM.reg. */
export const IMMEDIATE_SHIFTS: readonly [string, string][] = [
  ['71 /2', 'PSRLW'],
  ['71 /4', 'PSRAW'],
  ['71 /6', 'PSLLW'],
  ['72 /2', 'PSRLD'],
  ['72 /4', 'PSRAD'],
  ['72 /6', 'PSLLD'],
  ['73 /2', 'PSRLQ'],
  ['73 /6', 'PSLLQ'],
]

/** Opcodes that SSE and SSE2 added to MMX. */
const SSE_OPCODES = /^np 0f (70|c4|c5|d7|da|de|e0|e3|e4|e7|ea|ee|f6|f7)$/
const SSE2_OPCODES = /^np 0f (d4|f4|fb)$/

const all: Row[] = [
  ...INTEGER.map(([opcode, kind]): Row => [`np 0f ${opcode}`, 'P,Q', `packed_P_Q(op, MEM, ${kind})`]),
  ...SHIFTS.map(([opcode, kind]): Row => [`np 0f ${opcode}`, 'P,Q', `shift_P_Q(op, MEM, ${kind})`]),
  ...IMMEDIATE_SHIFTS.map(([where, kind]): Row => [`np 0f ${where}`, 'N,Ib', `shift_N_I(op, ${kind})`]),

  ['np 0f 60', 'P,Q', 'unpackLow_P_Q(op, MEM, PUNPCKLBW)'],
  ['np 0f 61', 'P,Q', 'unpackLow_P_Q(op, MEM, PUNPCKLWD)'],
  ['np 0f 62', 'P,Q', 'unpackLow_P_Q(op, MEM, PUNPCKLDQ)'],
  ['np 0f 63', 'P,Q', 'pack_P_Q(op, MEM, PACKSSWB)'],
  ['np 0f 67', 'P,Q', 'pack_P_Q(op, MEM, PACKUSWB)'],
  ['np 0f 68', 'P,Q', 'unpackHigh_P_Q(op, MEM, PUNPCKLBW)'],
  ['np 0f 69', 'P,Q', 'unpackHigh_P_Q(op, MEM, PUNPCKLWD)'],
  ['np 0f 6a', 'P,Q', 'unpackHigh_P_Q(op, MEM, PUNPCKLDQ)'],
  ['np 0f 6b', 'P,Q', 'pack_P_Q(op, MEM, PACKSSDW)'],

  ['np 0f 6e', 'P,Ey', 'movd_P_E<T>(op, MEM)'],
  ['np 0f 6f', 'P,Q', 'movq_P_Q(op, MEM)'],
  ['np 0f 70', 'P,Q,Ib', 'pshufw(op, MEM)'],
  ['np 0f 77', '', 'emms(op)'],
  ['np 0f 7e', 'Ey,P', 'movd_E_P<T>(op, MEM)'],
  ['np 0f 7f', 'Q,P', 'movq_Q_P(op, MEM)'],
  ['np 0f c4', 'P,Ed,Ib', 'pinsrw_P_E(op, MEM)'],
  ['np 0f c5', 'Gd,N,Ib', 'pextrw_G_N(op)'],
  ['np 0f d7', 'Gd,N', 'pmovmskb_G_N(op)'],
  ['np 0f e7', 'M,P', 'movntq(op)'],
  ['np 0f f7', 'P,N', 'maskmovq(op)'],
]

export const rows: Row[] = all.map(([where, operands, call]): Row => {
  const feature = SSE_OPCODES.test(where) ? 'sse' : SSE2_OPCODES.test(where) ? 'sse2' : 'mmx'
  return [where, operands, call, `if=${feature}`]
})
