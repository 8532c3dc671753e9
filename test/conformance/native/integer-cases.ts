/** The groups of random integer instructions that make up a sample. */
import { aluImmediate, aluTwo, bits, divide, doubleShift, multiply, scan, shift, unary } from './integer-arithmetic.js'
import { all32, branches, offsets, only32, rotateOne, stack, strings, xlat } from './integer-control.js'
import type { Group } from './integer-maker.js'
import { bswap, compareExchange, conditions, exchange, lea, moves, single, test } from './integer-moves.js'

/** 64-bit code. */
export const GROUPS: Group[] = [
  aluTwo,
  aluTwo,
  aluImmediate,
  aluImmediate,
  shift,
  shift,
  doubleShift,
  unary,
  multiply,
  divide,
  bits,
  scan,
  compareExchange,
  exchange,
  moves,
  conditions,
  lea,
  test,
  single,
  bswap,
  stack,
  branches,
  strings,
  xlat,
  offsets,
]

/** 32-bit code: the same and what 64-bit code has lost. */
export const GROUPS_32: Group[] = [...GROUPS, only32, only32, all32]

/** Instructions that define all flags. */
export const SEQUENCE_GROUPS: Group[] = [
  aluTwo,
  aluTwo,
  aluImmediate,
  unary,
  unary,
  exchange,
  moves,
  conditions,
  conditions,
  test,
  single,
  rotateOne,
  rotateOne,
  bswap,
]
