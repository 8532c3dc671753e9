/** The core's exports: what `soft-engine.ts` calls. */
import { fillHandlerTable } from './generated/dispatch'
import { breakSoon, instructionCount } from './run'
import { ATTENTION, ICOUNT_END } from './state'

export { run } from './run'
export { dropEverything, dropRange } from './blocks'
export { flushTlb } from './memory'
export { getFlags, setFlags } from './flags'
export { resetCpu } from './reset'
export { setSegmentBounds, updateMode } from './segment'

/** Once, before anything runs. */
export function initialize(): void {
  fillHandlerTable()
}

/** Retired instructions, exact inside host calls. A double holds them for three years at a billion a second. */
export function retired(): f64 {
  return <f64>instructionCount()
}

/** The instruction count at which run() is to come back. */
export function setEnd(count: f64): void {
  store<u64>(ICOUNT_END, <u64>count)
  breakSoon()
}

/** Sets ATTN_* bits and makes the executing block end after its present instruction. */
export function raiseAttention(bits: u32): void {
  store<u32>(ATTENTION, load<u32>(ATTENTION) | bits)
  breakSoon()
}

export function lowerAttention(bits: u32): void {
  store<u32>(ATTENTION, load<u32>(ATTENTION) & ~bits)
}
