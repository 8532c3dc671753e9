/** x87 rows: opcodes D8 to DF (Intel SDM vol. 2, tables) and WAIT. Undocumented aliases are marked. */
import type { Row } from './row.js'

export const from = ['x87-move', 'x87-arithmetic', 'x87-function', 'x87-control']

/** ModRM.reg of the arithmetic opcodes; 2 and 3 are FCOM and FCOMP. */
const ARITHMETIC: readonly [number, string][] = [
  [0, 'FADD'],
  [1, 'FMUL'],
  [4, 'FSUB'],
  [5, 'FSUBR'],
  [6, 'FDIV'],
  [7, 'FDIVR'],
]

const arithmetic: Row[] = ARITHMETIC.flatMap(([n, kind]): Row[] => [
  [`d8 /${n} mem`, 'M', `farith_m32(op, ${kind})`],
  [`d8 /${n} reg`, '', `farith_st0_sti(op, ${kind})`],
  [`da /${n} mem`, 'M', `farith_mi32(op, ${kind})`],
  [`dc /${n} mem`, 'M', `farith_m64(op, ${kind})`],
  [`dc /${n} reg`, '', `farith_sti_st0(op, ${kind})`],
  [`de /${n} mem`, 'M', `farith_mi16(op, ${kind})`],
  [`de /${n} reg`, '', `farithp(op, ${kind})`],
])

export const rows: Row[] = [
  ['9b', '', 'fwait(op)'],
  ...arithmetic,

  ['d8 /2 mem', 'M', 'fcom_m32(op, false)'],
  ['d8 /3 mem', 'M', 'fcom_m32(op, true)'],
  ['d8 /2 reg', '', 'fcom_st(op, 0)'],
  ['d8 /3 reg', '', 'fcom_st(op, 1)'],

  ['d9 /0 mem', 'M', 'fld_m32(op)'],
  ['d9 /2 mem', 'M', 'fst_m32(op)'],
  ['d9 /3 mem', 'M', 'fstp_m32(op)'],
  ['d9 /4 mem', 'M', 'fldenv(op)'],
  ['d9 /5 mem', 'M', 'fldcw(op)'],
  ['d9 /6 mem', 'M', 'fnstenv(op)'],
  ['d9 /7 mem', 'M', 'fnstcw(op)'],
  ['d9 /0 reg', '', 'fld_st(op)'],
  ['d9 /1 reg', '', 'fxch(op)'],
  ['d9 /2 reg rm=0', '', 'fnop(op)'],
  ['d9 /3 reg', '', 'fstpnce(op)'], // FSTP1, undocumented
  ['d9 /4 reg rm=0', '', 'fchs(op)'],
  ['d9 /4 reg rm=1', '', 'fabs(op)'],
  ['d9 /4 reg rm=4', '', 'ftst(op)'],
  ['d9 /4 reg rm=5', '', 'fxam(op)'],
  ['d9 /5 reg rm=0', '', 'fld1(op)'],
  ['d9 /5 reg rm=1', '', 'fldl2t(op)'],
  ['d9 /5 reg rm=2', '', 'fldl2e(op)'],
  ['d9 /5 reg rm=3', '', 'fldpi(op)'],
  ['d9 /5 reg rm=4', '', 'fldlg2(op)'],
  ['d9 /5 reg rm=5', '', 'fldln2(op)'],
  ['d9 /5 reg rm=6', '', 'fldz(op)'],
  ['d9 /6 reg rm=0', '', 'f2xm1(op)'],
  ['d9 /6 reg rm=1', '', 'fyl2x(op)'],
  ['d9 /6 reg rm=2', '', 'fptan(op)'],
  ['d9 /6 reg rm=3', '', 'fpatan(op)'],
  ['d9 /6 reg rm=4', '', 'fxtract(op)'],
  ['d9 /6 reg rm=5', '', 'fprem1(op)'],
  ['d9 /6 reg rm=6', '', 'fdecstp(op)'],
  ['d9 /6 reg rm=7', '', 'fincstp(op)'],
  ['d9 /7 reg rm=0', '', 'fprem(op)'],
  ['d9 /7 reg rm=1', '', 'fyl2xp1(op)'],
  ['d9 /7 reg rm=2', '', 'fsqrt(op)'],
  ['d9 /7 reg rm=3', '', 'fsincos(op)'],
  ['d9 /7 reg rm=4', '', 'frndint(op)'],
  ['d9 /7 reg rm=5', '', 'fscale(op)'],
  ['d9 /7 reg rm=6', '', 'fsin(op)'],
  ['d9 /7 reg rm=7', '', 'fcos(op)'],

  ['db /1 mem', 'M', 'fisttp_m32(op)', 'if=sse3'],
  ['dd /1 mem', 'M', 'fisttp_m64(op)', 'if=sse3'],
  ['df /1 mem', 'M', 'fisttp_m16(op)', 'if=sse3'],

  ['da /2 mem', 'M', 'fcom_mi32(op, false)'],
  ['da /3 mem', 'M', 'fcom_mi32(op, true)'],
  ['da /0 reg', '', 'fcmovb(op)', 'if=cmov'],
  ['da /1 reg', '', 'fcmove(op)', 'if=cmov'],
  ['da /2 reg', '', 'fcmovbe(op)', 'if=cmov'],
  ['da /3 reg', '', 'fcmovu(op)', 'if=cmov'],
  ['da /5 reg rm=1', '', 'fucom_st(op, 2)'],

  ['db /0 mem', 'M', 'fild_m32(op)'],
  ['db /2 mem', 'M', 'fist_m32(op)'],
  ['db /3 mem', 'M', 'fistp_m32(op)'],
  ['db /5 mem', 'M', 'fld_m80(op)'],
  ['db /7 mem', 'M', 'fstp_m80(op)'],
  ['db /0 reg', '', 'fcmovnb(op)', 'if=cmov'],
  ['db /1 reg', '', 'fcmovne(op)', 'if=cmov'],
  ['db /2 reg', '', 'fcmovnbe(op)', 'if=cmov'],
  ['db /3 reg', '', 'fcmovnu(op)', 'if=cmov'],
  ['db /4 reg rm=0', '', 'fnop_control(op)'], // FENI
  ['db /4 reg rm=1', '', 'fnop_control(op)'], // FDISI
  ['db /4 reg rm=2', '', 'fnclex(op)'],
  ['db /4 reg rm=3', '', 'fninit(op)'],
  ['db /4 reg rm=4', '', 'fnop_control(op)'], // FSETPM
  ['db /5 reg', '', 'fcomi(op, true, false)'],
  ['db /6 reg', '', 'fcomi(op, false, false)'],

  ['dc /2 mem', 'M', 'fcom_m64(op, false)'],
  ['dc /3 mem', 'M', 'fcom_m64(op, true)'],
  ['dc /2 reg', '', 'fcom_st(op, 0)'], // FCOM2, undocumented
  ['dc /3 reg', '', 'fcom_st(op, 1)'], // FCOMP3, undocumented

  ['dd /0 mem', 'M', 'fld_m64(op)'],
  ['dd /2 mem', 'M', 'fst_m64(op)'],
  ['dd /3 mem', 'M', 'fstp_m64(op)'],
  ['dd /4 mem', 'M', 'frstor(op)'],
  ['dd /6 mem', 'M', 'fnsave(op)'],
  ['dd /7 mem', 'M', 'fnstsw_m16(op)'],
  ['dd /0 reg', '', 'ffree(op)'],
  ['dd /1 reg', '', 'fxch(op)'], // FXCH4, undocumented
  ['dd /2 reg', '', 'fst_st(op)'],
  ['dd /3 reg', '', 'fstp_st(op)'],
  ['dd /4 reg', '', 'fucom_st(op, 0)'],
  ['dd /5 reg', '', 'fucom_st(op, 1)'],

  ['de /2 mem', 'M', 'fcom_mi16(op, false)'],
  ['de /3 mem', 'M', 'fcom_mi16(op, true)'],
  ['de /2 reg', '', 'fcom_st(op, 1)'], // FCOMP5, undocumented
  ['de /3 reg rm=1', '', 'fcom_st(op, 2)'],

  ['df /0 mem', 'M', 'fild_m16(op)'],
  ['df /2 mem', 'M', 'fist_m16(op)'],
  ['df /3 mem', 'M', 'fistp_m16(op)'],
  ['df /4 mem', 'M', 'fbld(op)'],
  ['df /5 mem', 'M', 'fild_m64(op)'],
  ['df /6 mem', 'M', 'fbstp(op)'],
  ['df /7 mem', 'M', 'fistp_m64(op)'],
  ['df /0 reg', '', 'ffreep(op)'], // undocumented
  ['df /1 reg', '', 'fxch(op)'], // FXCH7, undocumented
  ['df /2 reg', '', 'fstp_st(op)'], // FSTP8, undocumented
  ['df /3 reg', '', 'fstp_st(op)'], // FSTP9, undocumented
  ['df /4 reg rm=0', '', 'fnstsw_ax(op)'],
  ['df /5 reg', '', 'fcomi(op, true, true)'],
  ['df /6 reg', '', 'fcomi(op, false, true)'],
]
