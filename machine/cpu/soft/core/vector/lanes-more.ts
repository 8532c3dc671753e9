/**
 * Integer SIMD that SSSE3, SSE4.1, SSE4.2, AVX and AVX2 added to lanes.ts. For MMX, horizontal operations take both sources as one
 * vector (pack_P_Q), the others as in lanes.ts.
 */
export const PSHUFB: u32 = 64
export const PHADDW: u32 = 65
export const PHADDD: u32 = 66
export const PHADDSW: u32 = 67
export const PHSUBW: u32 = 68
export const PHSUBD: u32 = 69
export const PHSUBSW: u32 = 70
export const PMADDUBSW: u32 = 71
export const PSIGNB: u32 = 72
export const PSIGNW: u32 = 73
export const PSIGND: u32 = 74
export const PMULHRSW: u32 = 75
export const PABSB: u32 = 76
export const PABSW: u32 = 77
export const PABSD: u32 = 78
export const PMULDQ: u32 = 79
export const PCMPEQQ: u32 = 80
export const PACKUSDW: u32 = 81
export const PMINSB: u32 = 82
export const PMINSD: u32 = 83
export const PMINUW: u32 = 84
export const PMINUD: u32 = 85
export const PMAXSB: u32 = 86
export const PMAXSD: u32 = 87
export const PMAXUW: u32 = 88
export const PMAXUD: u32 = 89
export const PMULLD: u32 = 90
export const PCMPGTQ: u32 = 91
export const PHMINPOSUW: u32 = 92
/** PSHUFB on eight bytes. */
export const PSHUFB_MMX: u32 = 93
// AVX and AVX2: counts and orders in b.
export const PSLLVD: u32 = 94
export const PSLLVQ: u32 = 95
export const PSRLVD: u32 = 96
export const PSRLVQ: u32 = 97
export const PSRAVD: u32 = 98
export const PERMILPS: u32 = 99
export const PERMILPD: u32 = 100

/** What lanes() leaves to this file. */
export function moreLanes(kind: u32, a: v128, b: v128): v128 {
  switch (kind) {
    case PSHUFB: return i8x16.swizzle(a, v128.and(b, i8x16.splat(<i8>0x8f)))
    case PSHUFB_MMX: return i8x16.swizzle(a, v128.and(b, i8x16.splat(<i8>0x87)))
    case PHADDW: return i16x8.add(evenWords(a, b), oddWords(a, b))
    case PHADDD: return i32x4.add(evenDwords(a, b), oddDwords(a, b))
    case PHADDSW: return i16x8.add_sat_s(evenWords(a, b), oddWords(a, b))
    case PHSUBW: return i16x8.sub(evenWords(a, b), oddWords(a, b))
    case PHSUBD: return i32x4.sub(evenDwords(a, b), oddDwords(a, b))
    case PHSUBSW: return i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b))
    case PMADDUBSW: {
      const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8))
      const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8))
      return i16x8.add_sat_s(even, odd)
    }
    case PSIGNB: {
      const negative = i8x16.lt_s(b, i8x16.splat(0))
      return v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, i8x16.splat(0)))
    }
    case PSIGNW: {
      const negative = i16x8.lt_s(b, i16x8.splat(0))
      return v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, i16x8.splat(0)))
    }
    case PSIGND: {
      const negative = i32x4.lt_s(b, i32x4.splat(0))
      return v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, i32x4.splat(0)))
    }
    case PMULHRSW: {
      // -1 times -1 gives -1 here, where WebAssembly saturates.
      const lowest = i16x8.splat(<i16>0x8000)
      return v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, lowest), i16x8.eq(b, lowest)))
    }
    case PABSB: return i8x16.abs(b)
    case PABSW: return i16x8.abs(b)
    case PABSD: return i32x4.abs(b)
    case PMULDQ: return i64x2.mul(i64x2.shr_s(i64x2.shl(a, 32), 32), i64x2.shr_s(i64x2.shl(b, 32), 32))
    case PCMPEQQ: return i64x2.eq(a, b)
    case PACKUSDW: return i16x8.narrow_i32x4_u(a, b)
    case PMINSB: return i8x16.min_s(a, b)
    case PMINSD: return i32x4.min_s(a, b)
    case PMINUW: return i16x8.min_u(a, b)
    case PMINUD: return i32x4.min_u(a, b)
    case PMAXSB: return i8x16.max_s(a, b)
    case PMAXSD: return i32x4.max_s(a, b)
    case PMAXUW: return i16x8.max_u(a, b)
    case PMAXUD: return i32x4.max_u(a, b)
    case PMULLD: return i32x4.mul(a, b)
    case PCMPGTQ: return i64x2.gt_s(a, b)
    case PHMINPOSUW: return leastWord(b)
    case PERMILPS: {
      // Byte k of a lane comes from byte k of the lane that bits 1:0 name.
      const order = i32x4.mul(v128.and(b, i32x4.splat(3)), i32x4.splat(0x04040404))
      return i8x16.swizzle(a, i8x16.add(order, i32x4.splat(0x03020100)))
    }
    case PERMILPD: return v128.bitselect(
      v128.shuffle<i64>(a, a, 1, 1), v128.shuffle<i64>(a, a, 0, 0), i64x2.shr_s(i64x2.shl(b, 62), 63),
    )
    default: return shiftEach(kind, a, b)
  }
}

@inline function evenWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
}

@inline function oddWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
}

@inline function evenDwords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 2, 4, 6)
}

@inline function oddDwords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 1, 3, 5, 7)
}

/** The least word, and which it is in bits 18:16. */
function leastWord(b: v128): v128 {
  let least = <u32>0xffffffff
  for (let i: u32 = 0; i < 8; i++) {
    const half = <u64>(i & 4 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0))
    const word = <u32>(half >> <u64>((i & 3) << 4)) & 0xffff
    least = min<u32>(least, (word << 3) | i)
  }
  return i64x2.replace_lane(i64x2.splat(0), 0, <i64>((<u64>(least & 7) << 16) | (least >> 3)))
}

/** Shifts each lane by its own count. */
function shiftEach(kind: u32, a: v128, b: v128): v128 {
  v128.store(BYTES, a)
  v128.store(BYTES, b, 16)
  if (kind == PSLLVQ || kind == PSRLVQ) {
    for (let p = BYTES; p < BYTES + 16; p += 8) {
      const n = load<u64>(p, 16)
      store<u64>(p, n > 63 ? 0 : kind == PSLLVQ ? load<u64>(p) << n : load<u64>(p) >> n)
    }
  } else {
    for (let p = BYTES; p < BYTES + 16; p += 4) {
      const n = load<u32>(p, 16)
      if (kind == PSRAVD) store<i32>(p, load<i32>(p) >> <i32>min<u32>(n, 31))
      else store<u32>(p, n > 31 ? 0 : kind == PSLLVD ? load<u32>(p) << n : load<u32>(p) >> n)
    }
  }
  return v128.load(BYTES)
}

// ---- with an immediate ----

export const PALIGNR: u32 = 0
export const BLENDPS: u32 = 1
export const BLENDPD: u32 = 2
export const PBLENDW: u32 = 3
export const MPSADBW: u32 = 4
/** Of b alone: bit n of the immediate chooses lane n's source. */
export const PERMILPD_I: u32 = 5

const BYTES: usize = memory.data(48, 16)

export function lanesImmediate(kind: u32, a: v128, b: v128, imm: u32): v128 {
  switch (kind) {
    case PALIGNR: {
      // b below a; zeros come in from above.
      v128.store(BYTES, b)
      v128.store(BYTES, a, 16)
      v128.store(BYTES, i64x2.splat(0), 32)
      return imm > 31 ? i64x2.splat(0) : v128.load(BYTES + imm)
    }
    case BLENDPS: return v128.bitselect(b, a, maskOf(imm, 4))
    case BLENDPD: return v128.bitselect(b, a, maskOf(imm, 8))
    case PBLENDW: return v128.bitselect(b, a, maskOf(imm, 2))
    case MPSADBW: return slidingDifferences(a, b, imm)
    case PERMILPD_I: {
      const low = imm & 1 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0)
      const high = imm & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0)
      return i64x2.replace_lane(i64x2.splat(low), 1, high)
    }
    default: return a
  }
}

/** A mask of lanes of `size` bytes from the bits of `imm`. */
export function maskOf(imm: u32, size: u32): v128 {
  for (let i: u32 = 0; i < 16; i++) store<u8>(BYTES + i, (imm >> (i / size)) & 1 ? 0xff : 0)
  return v128.load(BYTES)
}

/** Eight sums of four differences: a block of four bytes of b against the eight places of a. */
function slidingDifferences(a: v128, b: v128, imm: u32): v128 {
  v128.store(BYTES, a)
  v128.store(BYTES, b, 16)
  const first = imm & 4
  const block = BYTES + 16 + ((imm & 3) << 2)
  for (let i: u32 = 0; i < 8; i++) {
    let sum: i32 = 0
    for (let k: u32 = 0; k < 4; k++) {
      sum += abs<i32>(<i32>load<u8>(BYTES + first + i + k) - <i32>load<u8>(block + k))
    }
    store<u16>(BYTES + 32 + (i << 1), <u16>sum)
  }
  return v128.load(BYTES, 32)
}

// ---- widening moves: `kind` is the opcode's low nibble ----

/** Bytes of the source of PMOVSX and PMOVZX. */
@inline export function widenSource(kind: u32): u32 {
  return kind == 2 ? 2 : kind == 1 || kind == 4 ? 4 : 8
}

/** BW, BD, BQ, WD, WQ, DQ as kinds 0 to 5. */
export function widen(kind: u32, b: v128, zero: bool): v128 {
  switch (kind) {
    case 0: return zero ? i16x8.extend_low_i8x16_u(b) : i16x8.extend_low_i8x16_s(b)
    case 1: return widen(3, widen(0, b, zero), zero)
    case 2: return widen(5, widen(1, b, zero), zero)
    case 3: return zero ? i32x4.extend_low_i16x8_u(b) : i32x4.extend_low_i16x8_s(b)
    case 4: return widen(5, widen(3, b, zero), zero)
    default: return zero ? i64x2.extend_low_i32x4_u(b) : i64x2.extend_low_i32x4_s(b)
  }
}
