/** SSE3, SSSE3, SSE4.1, SSE4.2, AES-NI, PCLMULQDQ and SHA rows (Intel SDM vol. 2, tables ). */
import type { GoesOn, Row } from './row.js'

export const goesOn: GoesOn = 2

export const from = ['sse-later', 'sse-strings', 'crypto', 'sse-integer', 'fxsave', 'mmx', 'float-sse', 'lanes-more']

/** Two-operand lane operations of SSSE3, which MMX has too; horizontal ones take both sources there as one vector. */
export const SSSE3: readonly [string, string, 'horizontal'?][] = [
  ['00', 'PSHUFB'],
  ['01', 'PHADDW', 'horizontal'],
  ['02', 'PHADDD', 'horizontal'],
  ['03', 'PHADDSW', 'horizontal'],
  ['04', 'PMADDUBSW'],
  ['05', 'PHSUBW', 'horizontal'],
  ['06', 'PHSUBD', 'horizontal'],
  ['07', 'PHSUBSW', 'horizontal'],
  ['08', 'PSIGNB'],
  ['09', 'PSIGNW'],
  ['0a', 'PSIGND'],
  ['0b', 'PMULHRSW'],
  ['1c', 'PABSB'],
  ['1d', 'PABSW'],
  ['1e', 'PABSD'],
]

const ssse3: Row[] = [
  ...SSSE3.flatMap(([opcode, kind, horizontal]): Row[] => [
    [`66 0f38 ${opcode}`, 'V,W', `packed_V_W(op, MEM, ${kind})`, 'if=ssse3'],
    [
      `np 0f38 ${opcode}`,
      'P,Q',
      horizontal ? `pack_P_Q(op, MEM, ${kind})` : `packed_P_Q(op, MEM, ${kind === 'PSHUFB' ? 'PSHUFB_MMX' : kind})`,
      'if=ssse3',
    ],
  ]),
  ['66 0f3a 0f', 'V,W,Ib', 'immediate_V_W(op, MEM, PALIGNR)', 'if=ssse3'],
  ['np 0f3a 0f', 'P,Q,Ib', 'palignr_P_Q(op, MEM)', 'if=ssse3'],
]

const sse3: Row[] = [
  ['f3 0f 12', 'V,W', 'movsldup(op, MEM)', 'if=sse3'],
  ['f2 0f 12', 'V,W', 'movddup(op, MEM)', 'if=sse3'],
  ['f3 0f 16', 'V,W', 'movshdup(op, MEM)', 'if=sse3'],
  ['66 0f 7c', 'V,W', 'horizontal_pd(op, MEM, FP_ADD)', 'if=sse3'],
  ['f2 0f 7c', 'V,W', 'horizontal_ps(op, MEM, FP_ADD)', 'if=sse3'],
  ['66 0f 7d', 'V,W', 'horizontal_pd(op, MEM, FP_SUB)', 'if=sse3'],
  ['f2 0f 7d', 'V,W', 'horizontal_ps(op, MEM, FP_SUB)', 'if=sse3'],
  ['66 0f d0', 'V,W', 'addsubpd(op, MEM)', 'if=sse3'],
  ['f2 0f d0', 'V,W', 'addsubps(op, MEM)', 'if=sse3'],
  ['f2 0f f0', 'V,M', 'lddqu(op)', 'if=sse3'],
]

/** SSE4.1's two-operand lane operations. */
export const SSE41: readonly [string, string][] = [
  ['28', 'PMULDQ'],
  ['29', 'PCMPEQQ'],
  ['2b', 'PACKUSDW'],
  ['38', 'PMINSB'],
  ['39', 'PMINSD'],
  ['3a', 'PMINUW'],
  ['3b', 'PMINUD'],
  ['3c', 'PMAXSB'],
  ['3d', 'PMAXSD'],
  ['3e', 'PMAXUW'],
  ['3f', 'PMAXUD'],
  ['40', 'PMULLD'],
  ['41', 'PHMINPOSUW'],
]

const sse41: Row[] = [
  ...SSE41.map(([opcode, kind]): Row => [`66 0f38 ${opcode}`, 'V,W', `packed_V_W(op, MEM, ${kind})`]),
  ...[0, 1, 2, 3, 4, 5].flatMap((kind): Row[] => [
    [`66 0f38 2${kind}`, 'V,W', `widen_V_W(op, MEM, ${kind}, false)`],
    [`66 0f38 3${kind}`, 'V,W', `widen_V_W(op, MEM, ${kind}, true)`],
  ]),
  ['66 0f38 10', 'V,W', 'blend_xmm0(op, MEM, 1)'],
  ['66 0f38 14', 'V,W', 'blend_xmm0(op, MEM, 4)'],
  ['66 0f38 15', 'V,W', 'blend_xmm0(op, MEM, 8)'],
  ['66 0f38 17', 'V,W', 'ptest(op, MEM)'],
  ['66 0f38 2a', 'V,M', 'movntdqa(op)'],
  ['66 0f3a 08', 'V,W,Ib', 'roundps(op, MEM)'],
  ['66 0f3a 09', 'V,W,Ib', 'roundpd(op, MEM)'],
  ['66 0f3a 0a', 'V,W,Ib', 'roundss(op, MEM)'],
  ['66 0f3a 0b', 'V,W,Ib', 'roundsd(op, MEM)'],
  ['66 0f3a 0c', 'V,W,Ib', 'immediate_V_W(op, MEM, BLENDPS)'],
  ['66 0f3a 0d', 'V,W,Ib', 'immediate_V_W(op, MEM, BLENDPD)'],
  ['66 0f3a 0e', 'V,W,Ib', 'immediate_V_W(op, MEM, PBLENDW)'],
  ['66 0f3a 14', 'Ed,V,Ib', 'pextrb(op, MEM)'],
  ['66 0f3a 15', 'Ed,V,Ib', 'pextrw_E_V(op, MEM)'],
  ['66 0f3a 16', 'Ey,V,Ib', 'pextr<T>(op, MEM)'],
  ['66 0f3a 17', 'Ed,V,Ib', 'extractps(op, MEM)'],
  ['66 0f3a 20', 'V,Ed,Ib', 'pinsrb(op, MEM)'],
  ['66 0f3a 21', 'V,W,Ib', 'insertps(op, MEM)'],
  ['66 0f3a 22', 'V,Ey,Ib', 'pinsr<T>(op, MEM)'],
  ['66 0f3a 40', 'V,W,Ib', 'dpps(op, MEM)'],
  ['66 0f3a 41', 'V,W,Ib', 'dppd(op, MEM)'],
  ['66 0f3a 42', 'V,W,Ib', 'immediate_V_W(op, MEM, MPSADBW)'],
]

const sse42: Row[] = [
  ['66 0f38 37', 'V,W', 'packed_V_W(op, MEM, PCMPGTQ)'],
  ['66 0f3a 60', 'V,W,Ib', 'pcmpstr(op, MEM, true, true)'],
  ['66 0f3a 61', 'V,W,Ib', 'pcmpstr(op, MEM, true, false)'],
  ['66 0f3a 62', 'V,W,Ib', 'pcmpstr(op, MEM, false, true)'],
  ['66 0f3a 63', 'V,W,Ib', 'pcmpstr(op, MEM, false, false)'],
]

const crypto: Row[] = [
  ['66 0f38 db', 'V,W', 'aesimc(op, MEM)', 'if=aes'],
  ['66 0f38 dc', 'V,W', 'aes_V_W(op, MEM, false, false)', 'if=aes'],
  ['66 0f38 dd', 'V,W', 'aes_V_W(op, MEM, false, true)', 'if=aes'],
  ['66 0f38 de', 'V,W', 'aes_V_W(op, MEM, true, false)', 'if=aes'],
  ['66 0f38 df', 'V,W', 'aes_V_W(op, MEM, true, true)', 'if=aes'],
  ['66 0f3a df', 'V,W,Ib', 'aeskeygenassist(op, MEM)', 'if=aes'],
  ['66 0f3a 44', 'V,W,Ib', 'pclmulqdq(op, MEM)', 'if=pclmulqdq'],
  ['np 0f38 c8', 'V,W', 'sha1nexte(op, MEM)', 'if=sha'],
  ['np 0f38 c9', 'V,W', 'sha1msg1(op, MEM)', 'if=sha'],
  ['np 0f38 ca', 'V,W', 'sha1msg2(op, MEM)', 'if=sha'],
  ['np 0f38 cb', 'V,W', 'sha256rnds2(op, MEM)', 'if=sha'],
  ['np 0f38 cc', 'V,W', 'sha256msg1(op, MEM)', 'if=sha'],
  ['np 0f38 cd', 'V,W', 'sha256msg2(op, MEM)', 'if=sha'],
  ['np 0f3a cc', 'V,W,Ib', 'sha1rnds4(op, MEM)', 'if=sha'],
]

const caches: Row[] = [
  ['66 0f ae /6 mem', 'M', 'clflush(op)', 'if=clwb'],
  ['66 0f ae /7 mem', 'M', 'clflush(op)', 'if=clflushopt'],
]

const gated = (rows: Row[], feature: string): Row[] =>
  rows.map(([where, operands, call]): Row => [where, operands, call, `if=${feature}`])

export const rows: Row[] = [
  ...sse3,
  ...ssse3,
  ...gated(sse41, 'sse4.1'),
  ...gated(sse42, 'sse4.2'),
  ...crypto,
  ...caches,
]
