/**
 * Integer SIMD on 16 bytes, shared by MMX (which uses the low half) and SSE2: `lanes()` for two-operand instructions,
 * `shiftLanes()` for shifts; later sets are in
 * lanes-more.ts. Kinds carry the mnemonics of the Intel SDM; the opcode table passes them to the handlers.
 */
import { moreLanes } from './lanes-more'

export const PADDB: u32 = 0
export const PADDW: u32 = 1
export const PADDD: u32 = 2
export const PADDQ: u32 = 3
export const PADDSB: u32 = 4
export const PADDSW: u32 = 5
export const PADDUSB: u32 = 6
export const PADDUSW: u32 = 7
export const PSUBB: u32 = 8
export const PSUBW: u32 = 9
export const PSUBD: u32 = 10
export const PSUBQ: u32 = 11
export const PSUBSB: u32 = 12
export const PSUBSW: u32 = 13
export const PSUBUSB: u32 = 14
export const PSUBUSW: u32 = 15
export const PMULLW: u32 = 16
export const PMULHW: u32 = 17
export const PMULHUW: u32 = 18
export const PMULUDQ: u32 = 19
export const PMADDWD: u32 = 20
export const PSADBW: u32 = 21
export const PAVGB: u32 = 22
export const PAVGW: u32 = 23
export const PMINUB: u32 = 24
export const PMAXUB: u32 = 25
export const PMINSW: u32 = 26
export const PMAXSW: u32 = 27
export const PCMPEQB: u32 = 28
export const PCMPEQW: u32 = 29
export const PCMPEQD: u32 = 30
export const PCMPGTB: u32 = 31
export const PCMPGTW: u32 = 32
export const PCMPGTD: u32 = 33
export const PAND: u32 = 34
export const PANDN: u32 = 35
export const POR: u32 = 36
export const PXOR: u32 = 37
export const PUNPCKLBW: u32 = 38
export const PUNPCKLWD: u32 = 39
export const PUNPCKLDQ: u32 = 40
export const PUNPCKLQDQ: u32 = 41
export const PUNPCKHBW: u32 = 42
export const PUNPCKHWD: u32 = 43
export const PUNPCKHDQ: u32 = 44
export const PUNPCKHQDQ: u32 = 45
export const PACKSSWB: u32 = 46
export const PACKSSDW: u32 = 47
export const PACKUSWB: u32 = 48

/** a (the destination) with b. */
export function lanes(kind: u32, a: v128, b: v128): v128 {
  switch (kind) {
    case PADDB: return i8x16.add(a, b)
    case PADDW: return i16x8.add(a, b)
    case PADDD: return i32x4.add(a, b)
    case PADDQ: return i64x2.add(a, b)
    case PADDSB: return i8x16.add_sat_s(a, b)
    case PADDSW: return i16x8.add_sat_s(a, b)
    case PADDUSB: return i8x16.add_sat_u(a, b)
    case PADDUSW: return i16x8.add_sat_u(a, b)
    case PSUBB: return i8x16.sub(a, b)
    case PSUBW: return i16x8.sub(a, b)
    case PSUBD: return i32x4.sub(a, b)
    case PSUBQ: return i64x2.sub(a, b)
    case PSUBSB: return i8x16.sub_sat_s(a, b)
    case PSUBSW: return i16x8.sub_sat_s(a, b)
    case PSUBUSB: return i8x16.sub_sat_u(a, b)
    case PSUBUSW: return i16x8.sub_sat_u(a, b)
    case PMULLW: return i16x8.mul(a, b)
    case PMULHW: return highWords(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b))
    case PMULHUW: return highWords(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b))
    case PMULUDQ: {
      const low = i64x2.splat(0xffffffff)
      return i64x2.mul(v128.and(a, low), v128.and(b, low))
    }
    case PMADDWD: return i32x4.dot_i16x8_s(a, b)
    case PSADBW: return sumOfDifferences(a, b)
    case PAVGB: return i8x16.avgr_u(a, b)
    case PAVGW: return i16x8.avgr_u(a, b)
    case PMINUB: return i8x16.min_u(a, b)
    case PMAXUB: return i8x16.max_u(a, b)
    case PMINSW: return i16x8.min_s(a, b)
    case PMAXSW: return i16x8.max_s(a, b)
    case PCMPEQB: return i8x16.eq(a, b)
    case PCMPEQW: return i16x8.eq(a, b)
    case PCMPEQD: return i32x4.eq(a, b)
    case PCMPGTB: return i8x16.gt_s(a, b)
    case PCMPGTW: return i16x8.gt_s(a, b)
    case PCMPGTD: return i32x4.gt_s(a, b)
    case PAND: return v128.and(a, b)
    case PANDN: return v128.andnot(b, a)
    case POR: return v128.or(a, b)
    case PXOR: return v128.xor(a, b)
    case PUNPCKLBW: return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    case PUNPCKLWD: return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
    case PUNPCKLDQ: return v128.shuffle<i32>(a, b, 0, 4, 1, 5)
    case PUNPCKLQDQ: return v128.shuffle<i64>(a, b, 0, 2)
    case PUNPCKHBW: return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    case PUNPCKHWD: return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
    case PUNPCKHDQ: return v128.shuffle<i32>(a, b, 2, 6, 3, 7)
    case PUNPCKHQDQ: return v128.shuffle<i64>(a, b, 1, 3)
    case PACKSSWB: return i8x16.narrow_i16x8_s(a, b)
    case PACKSSDW: return i16x8.narrow_i32x4_s(a, b)
    case PACKUSWB: return i8x16.narrow_i16x8_u(a, b)
    default: return moreLanes(kind, a, b)
  }
}

@inline function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15)
}

function sumOfDifferences(a: v128, b: v128): v128 {
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a))
  let sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference))
  sums = i32x4.add(sums, i64x2.shr_u(sums, 32))
  return v128.and(sums, i64x2.splat(0xffffffff))
}

export const PSLLW: u32 = 0
export const PSLLD: u32 = 1
export const PSLLQ: u32 = 2
export const PSRLW: u32 = 3
export const PSRLD: u32 = 4
export const PSRLQ: u32 = 5
export const PSRAW: u32 = 6
export const PSRAD: u32 = 7

/** Shifts each lane; counts beyond the lane give zeros, or signs. */
export function shiftLanes(kind: u32, a: v128, count: u64): v128 {
  const n = <i32>min<u64>(count, 255)
  switch (kind) {
    case PSLLW: return n > 15 ? i64x2.splat(0) : i16x8.shl(a, n)
    case PSLLD: return n > 31 ? i64x2.splat(0) : i32x4.shl(a, n)
    case PSLLQ: return n > 63 ? i64x2.splat(0) : i64x2.shl(a, n)
    case PSRLW: return n > 15 ? i64x2.splat(0) : i16x8.shr_u(a, n)
    case PSRLD: return n > 31 ? i64x2.splat(0) : i32x4.shr_u(a, n)
    case PSRLQ: return n > 63 ? i64x2.splat(0) : i64x2.shr_u(a, n)
    case PSRAW: return i16x8.shr_s(a, min(n, 15))
    case PSRAD: return i32x4.shr_s(a, min(n, 31))
    default: return a
  }
}
