/** The instructions that regions execute themselves, by the names of their handlers in the core. */
import { arithmetic } from './arithmetic.js'
import { bitOperations } from './bits.js'
import type { Emitter, Emitters } from './emitter.js'
import { exchanges } from './exchange.js'
import { flagMoves } from './flag-moves.js'
import { floats } from './float.js'
import { moves } from './move.js'
import { multiplication } from './multiply.js'
import type { Action, Op } from './ops.js'
import { shifts } from './shift.js'
import { strings } from './string.js'
import { vectorMoves, vectors } from './vector.js'

const EMITTERS: Emitters = {
  ...arithmetic,
  ...bitOperations,
  ...exchanges,
  ...flagMoves,
  ...floats,
  ...moves,
  ...multiplication,
  ...shifts,
  ...strings,
  ...vectorMoves,
  ...vectors,
}

/** What `op` does, or false where the interpreter's handler is to be called. */
export function emit(e: Emitter, op: Op): boolean {
  const { action } = op
  const emitter = EMITTERS[action.name]
  if (!emitter) return false
  // In 32 bits of registers there are none of 64.
  if (action.size === 8 && !e.frame.long) return false
  return emitter(e, op, action) !== false
}

const FLAGS_WHOLE = new Set(['alu_E_G', 'alu_G_E', 'alu_E_I', 'alu_A_I', 'cmp_E_G', 'cmp_G_E', 'cmp_E_I', 'cmp_A_I'])
for (const name of ['test_E_G', 'test_E_I', 'test_A_I', 'neg_E', 'imul_G_E', 'imul_G_E_I', 'mul_E'])
  FLAGS_WHOLE.add(name)
const FLAGS_NONE = new Set(['mov_E_G', 'mov_G_E', 'mov_E_I', 'mov_R_I', 'lea', 'movzx', 'movsx', 'movsxd'])
for (const name of ['not_E', 'bswap', 'nop', 'cbw', 'cwd']) FLAGS_NONE.add(name)

const FLAGS_PASSED = new Set([
  ...FLAGS_NONE,
  'push_R',
  'push_I',
  'push_E',
  'pop_R',
  'pop_E',
  'leave_',
  'mov_A_O',
  'mov_O_A',
])
for (const name of ['xchg_E_G', 'xchg_A_R', 'movs', 'stos', 'lods']) FLAGS_PASSED.add(name)

const overwritesFlags = ({ name, constants }: Action) =>
  FLAGS_WHOLE.has(name) && constants[0] !== 'ADC' && constants[0] !== 'SBB' && EMITTERS[name] !== undefined

/** Whether a condition of Jcc, SETcc and CMOVcc is one of the carry. */
const ofCarry = (condition: number) => condition >> 1 === 1 || condition >> 1 === 3

/** Whether one of `ops` asks for the flags from before them, or has the interpreter execute it in their midst. */
export function flagsAsked(ops: readonly Op[]): boolean {
  let stepped = false
  for (const { action } of ops) {
    const { name, constants, ending } = action
    if (overwritesFlags(action)) return false
    if (FLAGS_PASSED.has(name)) continue
    if (name === 'inc_dec_E' || name === 'inc_dec_R') stepped = true
    else if (name === 'jcc' || name === 'setcc' || name === 'cmovcc') {
      if (!stepped || ofCarry(Number(constants[0]))) return true
    } else return ending === 'plain'
  }
  return false
}

/** Whether nobody sees the flags that the op before `rest` leaves: not the interpreter either, should it take over. */
export function flagsUnseen(rest: readonly Op[]): boolean {
  for (const { action } of rest) {
    if (action.memory) return false
    if (overwritesFlags(action)) return true
    if (!FLAGS_NONE.has(action.name)) return false
  }
  return false
}
