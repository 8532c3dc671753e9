/**
 * SSE instructions on whole vectors and their VEX forms, which do the same to each half (`core/execute/vex.ts`). The registers
 * stay in the CPU's state: a load and a store of 16 bytes cost little beside what a call to the handler does.
 */
import * as at from '../layout.js'
import type { Emit, Emitter, Emitters } from './emitter.js'
import { bytesOf, knowsLanes, knowsShift, pushLanes, pushShifted, pushShiftedBy } from './lanes.js'
import type { Action, Op } from './ops.js'
import { V } from './simd.js'
import { LOAD, OP, V128 } from './wasm.js'

/** XCR0's bits of SSE and AVX. */
const XCR0_VECTORS = 6

/** The interpreter takes over where SSE, or for VEX forms AVX, is not switched on: asked once a block. */
export function checkVectors(e: Emitter, vex: boolean, legacy = !vex): void {
  const { code, frame } = e
  if (legacy && !e.checked.has('sse')) {
    e.checked.add('sse')
    frame.loadAt(LOAD.i32, at.CR0)
    code.i32(at.CR0_EM | at.CR0_TS).op(OP.i32And)
    frame.loadAt(LOAD.i32, at.CR4)
    code.i32(at.CR4_OSFXSR).op(OP.i32And, OP.i32Eqz, OP.i32Or)
    frame.handOverIf()
  }
  if (!vex || e.checked.has('avx')) return
  e.checked.add('avx')
  frame.loadAt(LOAD.i32, at.CR0)
  code
    .i32(at.CR0_PE | at.CR0_TS)
    .op(OP.i32And)
    .i32(at.CR0_PE)
    .op(OP.i32Ne)
  frame.loadAt(LOAD.i32, at.CR4)
  code.i32(at.CR4_OSXSAVE).op(OP.i32And, OP.i32Eqz, OP.i32Or)
  frame.loadAt(LOAD.i32, at.XCR0)
  code.i32(XCR0_VECTORS).op(OP.i32And).i32(XCR0_VECTORS).op(OP.i32Ne, OP.i32Or)
  if (!frame.long) {
    frame.loadAt(LOAD.i32, at.RFLAGS)
    code.i32(at.FLAG_VM).op(OP.i32And, OP.i32Or)
  }
  frame.handOverIf()
}

const inMemory = (op: Op): boolean => (op.flags & at.OPF_MEM) !== 0
const isWide = (op: Op): boolean => (op.flags & at.OPF_WIDE) !== 0
/** The register in VEX.vvvv. */
export const vvvv = (op: Op): number => Number((op.immediate >> 48n) & 0xffffn)
const immediateByte = (op: Op): number => Number(op.immediate & 0xffn)

/** The place of a memory operand of `size` bytes in a local; `aligned` hands over where it is at no multiple of its size. */
export function vectorPlace(e: Emitter, op: Op, size: number, write: boolean, aligned: boolean): number {
  const { code, frame } = e
  frame.offset(op)
  const place = frame.place(op.segment, size, write)
  if (aligned) {
    code
      .get(place)
      .i32(size - 1)
      .op(OP.i32And)
    frame.handOverIf()
  }
  return place
}

export function loadVector({ code }: Emitter, address: number, local: number): void {
  code.i32(0).simdMemory(V.load, address).set(local)
}

function storeVector({ code }: Emitter, address: number, push: () => void): void {
  code.i32(0)
  push()
  code.simdMemory(V.store, address)
}

function clearVector(e: Emitter, address: number): void {
  storeVector(e, address, () => e.code.i64(0n).simd(V.splat64))
}

/** One half: pushes what becomes of the locals a (the first source) and b (the second, in memory or a register). */
type Half = (e: Emitter, a: number, b: number, op: Op, action: Action) => void

interface Kind {
  /** Whether `half` can do it. */
  knows?: (action: Action, op: Op) => boolean
  /** The destination is the operand in ModRM.rm, in VEX forms VEX.vvvv: shifts by an immediate. */
  onRm?: boolean
  /** The second source is 16 bytes for both halves: shifts by a vector. */
  count?: boolean
  /**
   * Pushes, after all halves, whether the results may stand; where they may not, the handler is called. It is given the
   * sources and results of the halves.
   */
  sound?: (e: Emitter, halves: readonly { a: number; b: number; r: number }[], action: Action) => void
}

/** An emitter of the SSE form and of the VEX form that runs it in halves. */
export function inHalves(half: Half, kind: Kind = {}): Emit {
  return (e, op, action) => {
    const { vex } = action
    if (vex && (vex.form !== 'halves' || vex.plain !== (kind.count ? 'count' : 'whole'))) return false
    if (kind.knows && !kind.knows(action, op)) return false
    const { code, frame } = e
    checkVectors(e, vex !== undefined)
    const offsets = vex && isWide(op) ? [0, 16] : [0]
    const size = kind.count ? 16 : offsets.length * 16
    const place = inMemory(op) ? vectorPlace(e, op, size, false, !vex) : undefined
    const first = vex ? vvvv(op) : op.reg
    const halves = offsets.map((offset) => {
      const a = frame.temp(`first${offset}`, V128)
      const b = frame.temp(`second${offset}`, V128)
      const r = frame.temp(`result${offset}`, V128)
      const from = kind.count ? 0 : offset
      if (place !== undefined) code.get(place).simdMemory(V.load, from).set(b)
      else loadVector(e, op.rm + from, b)
      if (!kind.onRm) loadVector(e, first + offset, a)
      half(e, a, b, op, action)
      code.set(r)
      return { a, b, r }
    })
    const destination = kind.onRm ? (vex ? vvvv(op) : op.rm) : op.reg
    if (kind.sound) {
      kind.sound(e, halves, action)
      code.likely().if()
    }
    for (const [i, { r }] of halves.entries()) storeVector(e, destination + offsets[i], () => code.get(r))
    if (vex && offsets.length === 1) clearVector(e, destination + 16)
    if (kind.sound) {
      code.op(OP.else)
      frame.call()
      code.end()
    }
    return
  }
}

/** A shuffle of b's lanes (or of a's and, behind them, b's) in an order that the immediate gives. */
function shuffled(size: number, order: (immediate: number) => readonly number[], ofB: boolean): Emit {
  return inHalves(({ code }, a, b, op) => {
    code
      .get(ofB ? b : a)
      .get(b)
      .shuffle(bytesOf(size, order(immediateByte(op))))
  })
}

const two = (n: number, place: number): number => (n >> (place * 2)) & 3

/** Bytes shifted by an immediate: up (to higher places) or down. */
function byteShift(up: boolean): Emit {
  return inHalves(
    ({ code }, _a, b, op) => {
      const n = Math.min(immediateByte(op), 16)
      code.get(b).i64(0n).simd(V.splat64)
      // 16 is a byte of the zeros.
      code.shuffle(
        Array.from({ length: 16 }, (_, i) => {
          const from = up ? i - n : i + n
          return from >= 0 && from < 16 ? from : 16
        }),
      )
    },
    { onRm: true },
  )
}

export const vectors: Emitters = {
  packed_V_W: inHalves((e, a, b, _op, action) => pushLanes(e.frame, action.constants[0], a, b), {
    knows: ({ constants }) => knowsLanes(constants[0]),
  }),
  shift_U_I: inHalves((e, _a, b, op, { constants }) => pushShifted(e.frame, constants[0], b, immediateByte(op)), {
    onRm: true,
    knows: ({ constants }) => knowsShift(constants[0]),
  }),
  shift_V_W: inHalves((e, a, b, _op, { constants }) => pushShiftedBy(e.frame, constants[0], a, b), {
    count: true,
    knows: ({ constants }) => knowsShift(constants[0]),
  }),
  pslldq: byteShift(true),
  psrldq: byteShift(false),
  pshufd: shuffled(4, (n) => [0, 1, 2, 3].map((i) => two(n, i)), true),
  pshuflw: shuffled(2, (n) => [...[0, 1, 2, 3].map((i) => two(n, i)), 4, 5, 6, 7], true),
  pshufhw: shuffled(2, (n) => [0, 1, 2, 3, ...[0, 1, 2, 3].map((i) => 4 + two(n, i))], true),
  shufps: shuffled(4, (n) => [two(n, 0), two(n, 1), 4 + two(n, 2), 4 + two(n, 3)], false),
  /** PALIGNR by up to 16 bytes: b, and a above it. */
  immediate_V_W: inHalves(
    ({ code }, a, b, op) => {
      code
        .get(b)
        .get(a)
        .shuffle(Array.from({ length: 16 }, (_, i) => i + immediateByte(op)))
    },
    { knows: ({ constants }, op) => constants[0] === 'PALIGNR' && immediateByte(op) <= 16 },
  ),
}

// ---- moves ----

/** Loads of whole vectors; VEX forms of 128 bits clear the rest. */
function load(e: Emitter, op: Op, vex: boolean, aligned: boolean): void {
  checkVectors(e, vex)
  const { code, frame } = e
  const offsets = vex && isWide(op) ? [0, 16] : [0]
  const values = offsets.map((offset) => frame.temp(`second${offset}`, V128))
  if (inMemory(op)) {
    const place = vectorPlace(e, op, offsets.length * 16, false, aligned)
    for (const [i, value] of values.entries()) code.get(place).simdMemory(V.load, offsets[i]).set(value)
  } else for (const [i, value] of values.entries()) loadVector(e, op.rm + offsets[i], value)
  for (const [i, value] of values.entries()) storeVector(e, op.reg + offsets[i], () => code.get(value))
  if (vex && offsets.length === 1) clearVector(e, op.reg + 16)
}

function store(e: Emitter, op: Op, vex: boolean, aligned: boolean): void {
  checkVectors(e, vex)
  const { code } = e
  const offsets = vex && isWide(op) ? [0, 16] : [0]
  if (inMemory(op)) {
    const place = vectorPlace(e, op, offsets.length * 16, true, aligned)
    for (const offset of offsets)
      code
        .get(place)
        .i32(0)
        .simdMemory(V.load, op.reg + offset)
        .simdMemory(V.store, offset)
    return
  }
  for (const offset of offsets) storeVector(e, op.rm + offset, () => code.i32(0).simdMemory(V.load, op.reg + offset))
  if (vex && offsets.length === 1) clearVector(e, op.rm + 16)
}

/** A half of a register, or less: from memory, a register at `from`, to `to`; `zero` clears the rest of 16 bytes. */
function loadPart(size: 4 | 8, { to = 0, from = 0, zero = 'never' as 'never' | 'memory' | 'always' }): Emit {
  return (e, op, { vex }) => {
    if (vex && vex.form !== 'same') return false
    checkVectors(e, vex !== undefined, true)
    const { code, frame } = e
    const value = frame.temp('part', frame.typeOf(size))
    const memory = inMemory(op)
    if (memory) frame.loadFrom(vectorPlace(e, op, size, false, false), size)
    else frame.loadAt(size === 8 ? LOAD.i64 : LOAD.i32, op.rm + from)
    code.set(value)
    if (zero === 'always' || (zero === 'memory' && memory)) clearVector(e, op.reg)
    frame.storePart(op.reg + to, size, () => code.get(value))
    if (vex?.clear) clearVector(e, op.reg + 16)
    return
  }
}

function storePart(size: 4 | 8, from = 0, zero = false): Emit {
  return (e, op, { vex }) => {
    if (vex && (vex.form !== 'same' || vex.clear)) return false
    checkVectors(e, vex !== undefined, true)
    const { code, frame } = e
    const push = () => frame.loadAt(size === 8 ? LOAD.i64 : LOAD.i32, op.reg + from)
    if (inMemory(op)) {
      frame.storeTo(vectorPlace(e, op, size, true, false), size, push)
      return
    }
    const value = frame.temp('part', frame.typeOf(size))
    push()
    code.set(value)
    if (zero) clearVector(e, op.rm)
    frame.storePart(op.rm, size, () => code.get(value))
    return
  }
}

/** The sign bits of all lanes to a general register. */
function signs(bitmask: number): Emit {
  return (e, op, { vex }) => {
    if (vex) return false
    checkVectors(e, false)
    e.code.i32(0).simdMemory(V.load, op.rm).simd(bitmask)
    e.frame.set(op.reg, 4)
    return
  }
}

export const vectorMoves: Emitters = {
  mov_V_W: (e, op, { vex, constants }) => (vex ? false : load(e, op, false, constants[0] === 'true')),
  mov_W_V: (e, op, { vex, constants }) => (vex ? false : store(e, op, false, constants[0] === 'true')),
  movnt_M_V: (e, op, { vex }) => (vex ? false : store(e, op, false, true)),
  vmov_V_W: (e, op, { constants }) => load(e, op, true, constants[0] === 'true'),
  vmov_W_V: (e, op, { constants }) => store(e, op, true, constants[0] === 'true'),
  movss_V_W: loadPart(4, { zero: 'memory' }),
  movsd_V_W: loadPart(8, { zero: 'memory' }),
  movq_V_W: loadPart(8, { zero: 'always' }),
  movss_W_V: storePart(4),
  movsd_W_V: storePart(8),
  movq_W_V: storePart(8, 0, true),
  /** Between registers MOVHLPS: the upper half to the lower one. */
  movlps_V_W: (e, op, action) => (action.vex ? false : loadPart(8, { from: 8 })(e, op, action)),
  movhps_V_W: (e, op, action) => (action.vex ? false : loadPart(8, { to: 8 })(e, op, action)),
  movlps_M_V: storePart(8),
  movhps_M_V: storePart(8, 8),
  movd_V_E: (e, op, { vex, size, memory }) => {
    if (vex && vex.form !== 'same') return false
    checkVectors(e, vex !== undefined, true)
    const { code, frame } = e
    const value = frame.temp('part', frame.typeOf(size))
    e.readE(op, size, memory)
    code.set(value)
    clearVector(e, op.reg)
    frame.storePart(op.reg, size, () => code.get(value))
    if (vex?.clear) clearVector(e, op.reg + 16)
    return
  },
  movd_E_V: (e, op, { vex, size, memory }) => {
    if (vex && vex.form !== 'same') return false
    checkVectors(e, vex !== undefined, true)
    const { frame } = e
    const push = () => frame.loadAt(size === 8 ? LOAD.i64 : LOAD.i32, op.reg)
    if (memory) {
      frame.offset(op)
      frame.storeTo(frame.place(op.segment, size, true), size, push)
      return
    }
    push()
    frame.set(op.rm, size)
    return
  },
  pmovmskb_G_U: signs(V.bitmask8),
  movmskps: signs(V.bitmask32),
  movmskpd: signs(V.bitmask64),
}
