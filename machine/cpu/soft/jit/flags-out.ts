/** How flags leave a block: written to memory as `core/integer/flags.ts` has them, or parked in the frame's locals. */
import * as at from '../layout.js'
import type { Flags, FlagValues, Remembered } from './flag-values.js'
import type { Frame } from './frame.js'
import { I32, I64, LOAD, OP, STORE } from './wasm.js'

/** Leaves `f` in the frame's locals; false where it is too involved for that. */
export function parkFlags(frame: Frame, f: Remembered): boolean {
  const { code } = frame
  const { flags, stepped } = frame.parked
  const step = f.kind === 'inc' || f.kind === 'dec' ? f : undefined
  const first = step ? step.before : f
  const operation = parkOperation(frame, first)
  if (operation === undefined) return false
  const after = step ? step.size | (step.kind === 'inc' ? at.PARKED_ADD : at.PARKED_SUB) : 0
  code.i32(operation | (after << at.PARKED_STEP_SHIFT))
  // Of what is parked already, the INC or DEC alone is another.
  if (first.kind === 'parked') code.get(flags).i32(at.PARKED_FIRST).op(OP.i32And, OP.i32Or)
  code.set(flags)
  if (step) parkOperand(frame, step.r, step.size, stepped)
  return true
}

/** Leaves the operands of `f` in the frame's locals; what the operation is, or undefined where it cannot be told so. */
function parkOperation(frame: Frame, f: Flags): number | undefined {
  const { code } = frame
  const { a, b } = frame.parked
  switch (f.kind) {
    case 'memory':
    case 'parked':
      return 0
    case 'add':
    case 'sub':
      if (f.carryIn) return undefined
      parkOperand(frame, f.a, f.size, a)
      parkOperand(frame, f.b, f.size, b)
      return f.size | (f.kind === 'add' ? at.PARKED_ADD : at.PARKED_SUB)
    case 'logic':
      parkOperand(frame, f.r, f.size, a)
      frame.wordConst(0)
      code.set(b)
      return f.size | at.PARKED_SUB
    case 'set':
      parkOperand(frame, f.r, f.size, a)
      code.get(f.overflow).i32(1).op(OP.i32Shl).get(f.carry).op(OP.i32Or)
      if (frame.long) code.op(OP.i64ExtendU)
      code.set(b)
      return f.size | at.PARKED_SET
    default:
      return undefined
  }
}

function parkOperand({ code, long }: Frame, local: number, size: number, to: number): void {
  code.get(local)
  if (long && size < 8) code.op(OP.i64ExtendU)
  code.set(to)
}

/** Writes what is remembered as `f` to memory. */
export function storeFlags(flags: FlagValues, frame: Frame, f: Remembered): void {
  const { code } = frame
  if (f.kind === 'carry') {
    if (f.before.kind === 'parked') frame.settleFlags()
    else if (f.before.kind !== 'memory') storeFlags(flags, frame, f.before)
    const aux = frame.temp('aux', I32)
    frame.loadAt(LOAD.i32, at.LAZY_AUX)
    code.set(aux)
    frame.storeAt(STORE.i32, at.LAZY_AUX, () => {
      code.get(aux).i32(0x3fffffff).op(OP.i32And).get(f.carry).i32(31).op(OP.i32Shl, OP.i32Or)
      // Bit 30 is the carry xor the overflow.
      code.get(f.carry)
      if (f.overflow === undefined) code.get(aux).get(aux).i32(1).op(OP.i32Shl, OP.i32Xor).i32(31).op(OP.i32ShrU)
      else code.get(f.overflow)
      code.op(OP.i32Xor).i32(30).op(OP.i32Shl, OP.i32Or)
    })
    return
  }
  const { size } = f
  const wide = size === 8
  const aux = frame.temp('newAux', I32)
  // The carries first: those of INC and DEC may still be in memory.
  switch (f.kind) {
    case 'logic':
      code.i32(0).set(aux)
      break
    case 'set':
      code.get(f.carry).i32(31).op(OP.i32Shl).get(f.carry).get(f.overflow).op(OP.i32Xor).i32(30).op(OP.i32Shl, OP.i32Or)
      code.set(aux)
      break
    case 'product':
      // Both are carried out of and into the top bit, or neither is.
      flags.outgrown(f)
      code.i32(31).op(OP.i32Shl).set(aux)
      break
    case 'inc':
    case 'dec': {
      const carry = frame.temp('keptCarry', I32)
      flags.carry(f.before)
      code.set(carry)
      // Bit 3 is carried out of where the result's low four bits say so.
      code.get(f.r)
      if (wide) code.op(OP.i32Wrap)
      code
        .i32(15)
        .op(OP.i32And)
        .i32(f.kind === 'inc' ? 0 : 15)
        .op(OP.i32Eq)
        .i32(3)
        .op(OP.i32Shl)
      code.get(carry).i32(31).op(OP.i32Shl, OP.i32Or)
      code.get(carry)
      flags.overflow(f)
      code.op(OP.i32Xor).i32(30).op(OP.i32Shl, OP.i32Or).set(aux)
      break
    }
    default: {
      flags.carries(f)
      if (wide) {
        const all = frame.temp('carries', I64)
        code.tee(all).i64(32n).op(OP.i64ShrU, OP.i32Wrap).i32(-0x40000000).op(OP.i32And)
        code.get(all).op(OP.i32Wrap).i32(8).op(OP.i32And, OP.i32Or).set(aux)
      } else if (size === 4)
        code
          .i32(at.AUX_KEEP | 0)
          .op(OP.i32And)
          .set(aux)
      else {
        const all = frame.temp('carries', I32)
        code
          .tee(all)
          .i32(32 - size * 8)
          .op(OP.i32Shl)
          .i32(-0x40000000)
          .op(OP.i32And)
        code.get(all).i32(8).op(OP.i32And, OP.i32Or).set(aux)
      }
    }
  }
  frame.storeAt(STORE.i64, at.LAZY_RESULT, () => {
    code.get(f.r)
    if (size === 1) code.op(OP.i32Extend8)
    if (size === 2) code.op(OP.i32Extend16)
    if (!wide) code.op(OP.i64ExtendS)
  })
  frame.storeAt(STORE.i32, at.LAZY_AUX, () => code.get(aux))
}
