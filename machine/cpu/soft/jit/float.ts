/**
 * SSE arithmetic on floats. Where MXCSR is as systems leave it and PE is set already, WebAssembly's floats give result and flags
 * alike, unless an operand is a denormal or a result a NaN, infinite or small (`core/vector/sse-arith.ts`, whose conditions these
 * are): then the handler is called.
 */
import * as at from '../layout.js'
import type { Emit, Emitter, Emitters } from './emitter.js'
import type { Op } from './ops.js'
import { V } from './simd.js'
import { checkVectors, inHalves, vectorPlace } from './vector.js'
import { I32, LOAD, OP } from './wasm.js'

/** MXCSR's control bits and PE; nearest, all masked, no DAZ, no FTZ, and PE set. */
const MXCSR_LOOKED_AT = 0xffe0
const MXCSR_PLAIN = 0x1fa0

type Arithmetic = 'ADD' | 'SUB' | 'MUL' | 'DIV'
const ARITHMETIC = /^FP_(ADD|SUB|MUL|DIV)$/

function pushPlain({ code, frame }: Emitter): void {
  frame.loadAt(LOAD.i32, at.MXCSR)
  code.i32(MXCSR_LOOKED_AT).op(OP.i32And).i32(MXCSR_PLAIN).op(OP.i32Eq)
}

// ---- packed ----

/** Instructions on lanes of 4 or 8 bytes, and their bits. */
const LANES = {
  4: {
    splat: (e: Emitter, bits: bigint) => e.code.i32(Number(BigInt.asIntN(32, bits))).simd(V.splat32),
    sub: V.sub32,
    ltU: V.ltU32,
    allTrue: V.allTrue32,
    ...{ ADD: V.addF32, SUB: V.subF32, MUL: V.mulF32, DIV: V.divF32 },
    sqrt: V.sqrtF32,
    magnitude: 0x7fffffffn,
    least: 0x00800000n,
    infinity: 0x7f800000n,
  },
  8: {
    splat: (e: Emitter, bits: bigint) => e.code.i64(bits).simd(V.splat64),
    sub: V.sub64,
    ltU: 0,
    allTrue: V.allTrue64,
    ...{ ADD: V.addF64, SUB: V.subF64, MUL: V.mulF64, DIV: V.divF64 },
    sqrt: V.sqrtF64,
    magnitude: 0x7fffffffffffffffn,
    least: 0x0010000000000000n,
    infinity: 0x7ff0000000000000n,
  },
} as const
type Size = keyof typeof LANES

/** Pushes magnitudes. */
function pushMagnitude(e: Emitter, size: Size, value: number): void {
  e.code.get(value)
  LANES[size].splat(e, LANES[size].magnitude)
  e.code.simd(V.and)
}

/** Pushes the lanes whose magnitude is from `low` on and below `high`. */
function pushWithin(e: Emitter, size: Size, value: number, low: bigint, high: bigint): void {
  const lanes = LANES[size]
  pushMagnitude(e, size, value)
  if (size === 4) {
    lanes.splat(e, low)
    e.code.simd(lanes.sub)
    lanes.splat(e, high - low)
    e.code.simd(lanes.ltU)
    return
  }
  // There are no unsigned comparisons of 64 bits; magnitudes are positive, so signed ones do.
  lanes.splat(e, low)
  e.code.simd(V.geS64)
  pushMagnitude(e, size, value)
  lanes.splat(e, high)
  e.code.simd(V.ltS64).simd(V.and)
}

function pushDenormals(e: Emitter, size: Size, value: number): void {
  pushWithin(e, size, value, 1n, LANES[size].least)
}

function pushZeros(e: Emitter, size: Size, value: number): void {
  pushMagnitude(e, size, value)
  LANES[size].splat(e, 0n)
  e.code.simd(size === 4 ? V.eq32 : V.eq64)
}

/** Pushes the lanes in which nothing but PE can have happened. */
function pushSound(e: Emitter, size: Size, kind: Arithmetic, a: number, b: number, r: number): void {
  const { code } = e
  const { least, infinity } = LANES[size]
  if (kind === 'ADD' || kind === 'SUB') pushWithin(e, size, r, 0n, infinity)
  else {
    pushWithin(e, size, r, least * 2n, infinity)
    pushZeros(e, size, r)
    pushZeros(e, size, a)
    if (kind === 'MUL') {
      pushZeros(e, size, b)
      code.simd(V.or)
    }
    code.simd(V.and).simd(V.or)
  }
  pushDenormals(e, size, a)
  pushDenormals(e, size, b)
  code.simd(V.or).simd(V.andNot)
}

const kindOf = (constant: string): Arithmetic => constant.slice(3) as Arithmetic

function packed(size: Size): Emit {
  return inHalves(({ code }, a, b, _op, { constants }) => code.get(a).get(b).simd(LANES[size][kindOf(constants[0])]), {
    knows: ({ constants }) => ARITHMETIC.test(constants[0]),
    sound: (e, halves, { constants }) => {
      for (const { a, b, r } of halves) pushSound(e, size, kindOf(constants[0]), a, b, r)
      if (halves.length === 2) e.code.simd(V.and)
      e.code.simd(LANES[size].allTrue)
      pushPlain(e)
      e.code.op(OP.i32And)
    },
  })
}

function squareRoots(size: Size): Emit {
  return inHalves(({ code }, _a, b) => code.get(b).simd(LANES[size].sqrt), {
    sound: (e, halves) => {
      for (const { b, r } of halves) {
        pushWithin(e, size, r, 0n, LANES[size].infinity)
        pushDenormals(e, size, b)
        e.code.simd(V.andNot)
      }
      if (halves.length === 2) e.code.simd(V.and)
      e.code.simd(LANES[size].allTrue)
      pushPlain(e)
      e.code.op(OP.i32And)
    },
  })
}

// ---- scalars ----

const SCALARS = {
  4: {
    load: LOAD.i32,
    of: OP.f32OfI32,
    to: OP.i32OfF32,
    ...{ ADD: OP.f32Add, SUB: OP.f32Sub, MUL: OP.f32Mul, DIV: OP.f32Div },
    sqrt: OP.f32Sqrt,
    ...{ and: OP.i32And, sub: OP.i32Sub, ltU: OP.i32LtU, eqz: OP.i32Eqz, shl: OP.i32Shl },
  },
  8: {
    load: LOAD.i64,
    of: OP.f64OfI64,
    to: OP.i64OfF64,
    ...{ ADD: OP.f64Add, SUB: OP.f64Sub, MUL: OP.f64Mul, DIV: OP.f64Div },
    sqrt: OP.f64Sqrt,
    ...{ and: OP.i64And, sub: OP.i64Sub, ltU: OP.i64LtU, eqz: OP.i64Eqz, shl: OP.i64Shl },
  },
} as const

/** Pushes whether a scalar's magnitude is from `low` on and below `high`. */
function pushScalarWithin(e: Emitter, size: Size, value: number, low: bigint, high: bigint): void {
  const { and, sub, ltU } = SCALARS[size]
  e.code.get(value)
  e.constant(LANES[size].magnitude, size)
  e.code.op(and)
  if (low) {
    e.constant(low, size)
    e.code.op(sub)
  }
  e.constant(high - low, size)
  e.code.op(ltU)
}

function pushScalarZero(e: Emitter, size: Size, value: number): void {
  e.code.get(value)
  e.constant(1n, size)
  e.code.op(SCALARS[size].shl, SCALARS[size].eqz)
}

function pushNoDenormal(e: Emitter, size: Size, value: number): void {
  pushScalarWithin(e, size, value, 1n, LANES[size].least)
  e.code.op(OP.i32Eqz)
}

/** The bits of the second operand in a local. */
function scalarSource(e: Emitter, op: Op, size: Size): number {
  const { code, frame } = e
  const local = frame.temp('scalarB', frame.typeOf(size))
  if (op.flags & at.OPF_MEM) frame.loadFrom(vectorPlace(e, op, size, false, false), size)
  else frame.loadAt(SCALARS[size].load, op.rm)
  code.set(local)
  return local
}

function scalar(size: Size): Emit {
  return (e, op, { vex, constants }) => {
    if (vex || !ARITHMETIC.test(constants[0])) return false
    const { code, frame } = e
    const { of, to, load } = SCALARS[size]
    const kind = kindOf(constants[0])
    checkVectors(e, false)
    const b = scalarSource(e, op, size)
    const a = frame.temp('scalarA', frame.typeOf(size))
    const r = frame.temp('scalarR', frame.typeOf(size))
    frame.loadAt(load, op.reg)
    code.tee(a).op(of).get(b).op(of, SCALARS[size][kind], to).set(r)
    pushPlain(e)
    pushNoDenormal(e, size, a)
    pushNoDenormal(e, size, b)
    code.op(OP.i32And, OP.i32And)
    const { least, infinity } = LANES[size]
    if (kind === 'ADD' || kind === 'SUB') pushScalarWithin(e, size, r, 0n, infinity)
    else {
      pushScalarWithin(e, size, r, least * 2n, infinity)
      pushScalarZero(e, size, r)
      pushScalarZero(e, size, a)
      if (kind === 'MUL') {
        pushScalarZero(e, size, b)
        code.op(OP.i32Or)
      }
      code.op(OP.i32And, OP.i32Or)
    }
    code.op(OP.i32And).likely().if()
    frame.storePart(op.reg, size, () => code.get(r))
    code.op(OP.else)
    frame.call()
    code.end()
    return
  }
}

function scalarRoot(size: Size): Emit {
  return (e, op, { vex }) => {
    if (vex) return false
    const { code, frame } = e
    const { of, to, sqrt } = SCALARS[size]
    checkVectors(e, false)
    const b = scalarSource(e, op, size)
    const r = frame.temp('scalarR', frame.typeOf(size))
    code.get(b).op(of, sqrt, to).set(r)
    pushPlain(e)
    pushNoDenormal(e, size, b)
    pushScalarWithin(e, size, r, 0n, LANES[size].infinity)
    code.op(OP.i32And, OP.i32And).likely().if()
    frame.storePart(op.reg, size, () => code.get(r))
    code.op(OP.else)
    frame.call()
    code.end()
    return
  }
}

/** COMISS, UCOMISS and those of doubles: of numbers that are no denormals nothing but the order comes. */
function order(size: Size): Emit {
  return (e, op, { vex }) => {
    if (vex) return false
    const { code, frame } = e
    const { of, load } = SCALARS[size]
    const [less, equal] = size === 4 ? [OP.f32Lt, OP.f32Eq] : [OP.f64Lt, OP.f64Eq]
    checkVectors(e, false)
    const b = scalarSource(e, op, size)
    const a = frame.temp('scalarA', frame.typeOf(size))
    const same = frame.temp('same', I32)
    e.flags.flush()
    frame.loadAt(load, op.reg)
    code.set(a)
    for (const value of [a, b]) {
      pushNoDenormal(e, size, value)
      pushScalarWithin(e, size, value, 0n, LANES[size].infinity + 1n)
      code.op(OP.i32And)
    }
    code.op(OP.i32And).likely().if()
    code.get(a).op(of).get(b).op(of, equal).set(same)
    // Flags as `setArithFlags()` of the core writes them: ZF or CF alone, or none.
    frame.storePart(at.LAZY_RESULT, 8, () => code.get(same).op(OP.i32Eqz, OP.i64ExtendU))
    frame.storePart(at.LAZY_AUX, 4, () => {
      code.i32(0x100).i32(-0x40000000).i32(0).get(a).op(of).get(b).op(of, less, OP.select)
      code.get(same).op(OP.select)
    })
    code.op(OP.else)
    frame.call()
    code.end()
    return
  }
}

/** CVTSI2SD of 32 bits, which is exact. */
const integerToDouble: Emit = (e, op, { vex, size, memory }) => {
  if (vex || size !== 4) return false
  checkVectors(e, false)
  const { code, frame } = e
  const value = frame.temp('value', I32)
  e.readE(op, 4, memory)
  code.set(value)
  frame.storePart(op.reg, 8, () => code.get(value).op(OP.f64ConvertI32, OP.i64OfF64))
  return
}

/** CVTSS2SD, which is exact. */
const singleToDouble: Emit = (e, op, { vex }) => {
  if (vex) return false
  checkVectors(e, false)
  const { code, frame } = e
  const b = scalarSource(e, op, 4)
  pushNoDenormal(e, 4, b)
  pushScalarWithin(e, 4, b, 0n, LANES[4].infinity + 1n)
  code.op(OP.i32And).likely().if()
  frame.storePart(op.reg, 8, () => code.get(b).op(OP.f32OfI32, OP.f64Promote, OP.i64OfF64))
  code.op(OP.else)
  frame.call()
  code.end()
  return
}

export const floats: Emitters = {
  arith_ps: packed(4),
  arith_pd: packed(8),
  arith_ss: scalar(4),
  arith_sd: scalar(8),
  sqrtps: squareRoots(4),
  sqrtpd: squareRoots(8),
  sqrtss: scalarRoot(4),
  sqrtsd: scalarRoot(8),
  comiss: order(4),
  comisd: order(8),
  cvtsi2sd: integerToDouble,
  cvtss2sd: singleToDouble,
}
