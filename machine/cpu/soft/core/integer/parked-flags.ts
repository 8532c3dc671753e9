/**
 * Flags that compiled code carries along in locals instead of writing them: which operation made them and its operands. They
 * are settled, that is written as `flags.ts` describes, where a region is left.
 *
 *   PARKED bits 3:0   bytes of the operands; 0: the flags are in memory
 *          bits 6:4   PARKED_* of the operation
 *          bits 11:8  bytes of the result of an INC after it, which has left CF alone; 0: none
 *          bit 12     that was a DEC
 */
import { cmpSub, flagsAdd, incDec } from './arithmetic'
import { setLazy } from './flags'
import { extend } from '../execute/operand'

/** b is added to a. */
export const PARKED_ADD: u32 = 0x00
/** b is subtracted from a; the flags of logic are those of their result less 0. */
export const PARKED_SUB: u32 = 0x10
/** a is the result, bit 0 of b CF, bit 1 OF; AF is 0. */
export const PARKED_SET: u32 = 0x20
export const PARKED_STEP_SHIFT: u32 = 8

/** The first operation's part of what is parked. */
export const PARKED_FIRST: u32 = 0xff

function settleFirst<T>(operation: u32, a: T, b: T): void {
  if (operation == PARKED_SUB) cmpSub<T>(a, b)
  else if (operation == PARKED_SET) setLazy(extend<T>(a), (b & 1) != 0, (b & 2) != 0, false)
  else flagsAdd<T>(a, b, <T>(a + b))
}

function settleStep<T>(result: T, dec: bool): void {
  if (dec) incDec<T>(<T>(result + 1), true)
  else incDec<T>(<T>(result - 1), false)
}

/** For regions: writes what is `parked`. @param stepped The result of the INC or DEC. */
export function settleFlags(parked: u32, a: u64, b: u64, stepped: u64): void {
  const operation = parked & 0xf0
  const size = parked & 0xf
  if (size == 8) settleFirst<u64>(operation, a, b)
  else if (size == 4) settleFirst<u32>(operation, <u32>a, <u32>b)
  else if (size == 2) settleFirst<u16>(operation, <u16>a, <u16>b)
  else if (size == 1) settleFirst<u8>(operation, <u8>a, <u8>b)
  const step = parked >> PARKED_STEP_SHIFT
  if (!step) return
  const dec = (step & PARKED_SUB) != 0
  const width = step & 0xf
  if (width == 8) settleStep<u64>(stepped, dec)
  else if (width == 4) settleStep<u32>(<u32>stepped, dec)
  else if (width == 2) settleStep<u16>(<u16>stepped, dec)
  else settleStep<u8>(<u8>stepped, dec)
}
