/**
 * Integer SIMD on 16 bytes, by the kinds of `core/vector/lanes.ts` and `lanes-more.ts`, with the instructions that the core uses
 * itself.
 */
import type { Frame } from './frame.js'
import { V } from './simd.js'
import { I32, OP, V128 } from './wasm.js'

/** One instruction on a and b, in this order. */
const ONE: { readonly [kind: string]: number } = {
  PADDB: V.add8,
  PADDW: V.add16,
  PADDD: V.add32,
  PADDQ: V.add64,
  PADDSB: V.addSatS8,
  PADDSW: V.addSatS16,
  PADDUSB: V.addSatU8,
  PADDUSW: V.addSatU16,
  PSUBB: V.sub8,
  PSUBW: V.sub16,
  PSUBD: V.sub32,
  PSUBQ: V.sub64,
  PSUBSB: V.subSatS8,
  PSUBSW: V.subSatS16,
  PSUBUSB: V.subSatU8,
  PSUBUSW: V.subSatU16,
  PMULLW: V.mul16,
  PMULLD: V.mul32,
  PMADDWD: V.dot16,
  PAVGB: V.averageU8,
  PAVGW: V.averageU16,
  PMINUB: V.minU8,
  PMAXUB: V.maxU8,
  PMINSW: V.minS16,
  PMAXSW: V.maxS16,
  PMINSB: V.minS8,
  PMAXSB: V.maxS8,
  PMINUW: V.minU16,
  PMAXUW: V.maxU16,
  PMINSD: V.minS32,
  PMAXSD: V.maxS32,
  PMINUD: V.minU32,
  PMAXUD: V.maxU32,
  PCMPEQB: V.eq8,
  PCMPEQW: V.eq16,
  PCMPEQD: V.eq32,
  PCMPEQQ: V.eq64,
  PCMPGTB: V.gtS8,
  PCMPGTW: V.gtS16,
  PCMPGTD: V.gtS32,
  PCMPGTQ: V.gtS64,
  PAND: V.and,
  POR: V.or,
  PXOR: V.xor,
  PACKSSWB: V.narrowS16,
  PACKSSDW: V.narrowS32,
  PACKUSWB: V.narrowU16,
  PACKUSDW: V.narrowU32,
}

/** Lanes of a (from 0) and b (behind them) that stand one after the other in the result, and their bytes. */
const SHUFFLES: { readonly [kind: string]: readonly [bytes: number, ...lanes: number[]] } = {
  PUNPCKLBW: [1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23],
  PUNPCKLWD: [2, 0, 8, 1, 9, 2, 10, 3, 11],
  PUNPCKLDQ: [4, 0, 4, 1, 5],
  PUNPCKLQDQ: [8, 0, 2],
  PUNPCKHBW: [1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31],
  PUNPCKHWD: [2, 4, 12, 5, 13, 6, 14, 7, 15],
  PUNPCKHDQ: [4, 2, 6, 3, 7],
  PUNPCKHQDQ: [8, 1, 3],
}

/** The bytes of the lanes, for a shuffle. */
export function bytesOf(size: number, lanes: readonly number[]): number[] {
  return lanes.flatMap((lane) => Array.from({ length: size }, (_, i) => lane * size + i))
}

/** What needs more than one. */
const SEVERAL = new Set(['PANDN', 'PMULHW', 'PMULHUW', 'PMULUDQ', 'PSHUFB', 'PABSB', 'PABSW', 'PABSD'])

export function knowsLanes(kind: string): boolean {
  return ONE[kind] !== undefined || SHUFFLES[kind] !== undefined || SEVERAL.has(kind)
}

/** Pushes what `kind`, which is known, makes of the locals a (the destination) and b. */
export function pushLanes({ code }: Frame, kind: string, a: number, b: number): void {
  const one = ONE[kind]
  if (one !== undefined) {
    code.get(a).get(b).simd(one)
    return
  }
  const shuffle = SHUFFLES[kind]
  if (shuffle) {
    const [size, ...lanes] = shuffle
    code.get(a).get(b).shuffle(bytesOf(size, lanes))
    return
  }
  switch (kind) {
    case 'PANDN':
      code.get(b).get(a).simd(V.andNot)
      return
    case 'PMULHW':
    case 'PMULHUW': {
      const [low, high] =
        kind === 'PMULHW' ? [V.multiplyLowS16, V.multiplyHighS16] : [V.multiplyLowU16, V.multiplyHighU16]
      code.get(a).get(b).simd(low).get(a).get(b).simd(high)
      code.shuffle(bytesOf(2, [1, 3, 5, 7, 9, 11, 13, 15]))
      return
    }
    case 'PMULUDQ':
      code.get(a).i64(0xffffffffn).simd(V.splat64).simd(V.and)
      code.get(b).i64(0xffffffffn).simd(V.splat64).simd(V.and).simd(V.mul64)
      return
    case 'PSHUFB':
      code.get(a).get(b).i32(0x8f).simd(V.splat8).simd(V.and).simd(V.swizzle)
      return
    case 'PABSB':
    case 'PABSW':
    case 'PABSD':
      code.get(b).simd({ PABSB: V.abs8, PABSW: V.abs16, PABSD: V.abs32 }[kind])
      return
  }
}

const SHIFTS: { readonly [kind: string]: readonly [opcode: number, bits: number] } = {
  PSLLW: [V.shl16, 16],
  PSLLD: [V.shl32, 32],
  PSLLQ: [V.shl64, 64],
  PSRLW: [V.shrU16, 16],
  PSRLD: [V.shrU32, 32],
  PSRLQ: [V.shrU64, 64],
  PSRAW: [V.shrS16, 16],
  PSRAD: [V.shrS32, 32],
}

export function knowsShift(kind: string): boolean {
  return SHIFTS[kind] !== undefined
}

/** Pushes the local a shifted by a number that is known. */
export function pushShifted({ code }: Frame, kind: string, a: number, count: number): void {
  const [opcode, bits] = SHIFTS[kind]
  if (count < bits) code.get(a).i32(count).simd(opcode)
  else if (kind.startsWith('PSRA'))
    code
      .get(a)
      .i32(bits - 1)
      .simd(opcode)
  else code.i64(0n).simd(V.splat64)
}

/** Pushes the local a shifted by the low 64 bits of b. */
export function pushShiftedBy(frame: Frame, kind: string, a: number, b: number): void {
  const { code } = frame
  const [opcode, bits] = SHIFTS[kind]
  const count = frame.temp('shift', I32)
  // What is beyond the lane counts as its bits, which WebAssembly would take as 0.
  code.get(b).lane(V.extract64, 0).i64(BigInt(bits)).op(OP.i64LtU)
  code.if(I32)
  code.get(b).lane(V.extract64, 0).op(OP.i32Wrap)
  code.op(OP.else).i32(bits).end().set(count)
  if (kind.startsWith('PSRA')) {
    code.get(a)
    code
      .get(count)
      .i32(bits - 1)
      .get(count)
      .i32(bits)
      .op(OP.i32LtU, OP.select)
    code.simd(opcode)
    return
  }
  code.get(a).get(count).simd(opcode)
  code.i64(0n).simd(V.splat64)
  code.get(count).i32(bits).op(OP.i32LtU)
  code.selectOf(V128)
}
