/** The core's exports: what `soft-engine.ts` calls. */
import { fillHandlerTable } from './generated/dispatch'
import { flushAllTlbs, initializeTlbs, selectTlb } from './memory/tlb'
import { breakSoon, instructionCount, stall } from './execute/progress'
import { updateMode } from './system/segment'
import { ATTENTION, ICOUNT_END, REG_PAGE, STALLED } from './state'

export { run } from './execute/run'
export { askForLoop, foundLoop } from './execute/spin'
export { settle, watchExecution } from './execute/coverage'
export { watchNoPage, watchOffset, watchPage } from './system/debug'
export { faultCount, faultEntry } from './system/fault-log'
export { tellHost } from './system/told'
export { executeLast, executeOp, loadPlace, storePlace } from './execute/compiled'
export { poolGeneration } from './execute/blocks'
export { tagWatched, tlbGeneration, tlbRead, tlbWrite } from './memory/tlb'
export { TABLE_HASH } from './generated/tables'
export { dropEverything } from './execute/blocks'
export { dropRange } from './execute/code-map'
export { msrStorage, readTsc, writeTsc } from './system/msr'
export { getFlags, setFlags } from './integer/flags'
export { settleFlags } from './integer/parked-flags'
export { resetCpu } from './system/reset'
export { setSegmentBounds } from './system/segment'
export { flushAllTlbs, updateMode }

/** Once, before anything runs. */
export function initialize(): void {
  fillHandlerTable()
  store<u64>(REG_PAGE, 0x1000)
  initializeTlbs()
}

/** The state of CPU `cpu` is in place. */
export function cpuSwitched(cpu: u32): void {
  selectTlb(cpu)
  updateMode()
}

/** Retired instructions, exact inside host calls. A double holds them for three years at a billion a second. */
export function retired(): f64 {
  return <f64>instructionCount()
}

/** Guest time in instructions' worth: retired ones and what the CPU waited for ports. */
export function elapsed(): f64 {
  return <f64>(instructionCount() + load<u64>(STALLED))
}

/** The elapsed() at which run() is to come back. */
export function setEnd(end: f64): void {
  const stalled = load<u64>(STALLED)
  const count = <u64>end
  store<u64>(ICOUNT_END, count > stalled ? count - stalled : 0)
  breakSoon()
}

/** The same, where it is sooner than what was set. */
export function shortenEnd(end: f64): void {
  // Inside an instruction the budget cannot end before it.
  const least = <f64>(instructionCount() + 1 + load<u64>(STALLED))
  if (end < <f64>(load<u64>(ICOUNT_END) + load<u64>(STALLED))) setEnd(max<f64>(end, least))
}

/** The access that executes takes as long as `instructions` would: what a device says of itself. */
export function stallFor(instructions: f64): void {
  stall(<u64>instructions)
}

/** Sets ATTN_* bits and makes the executing block end after its present instruction. */
export function raiseAttention(bits: u32): void {
  store<u32>(ATTENTION, load<u32>(ATTENTION) | bits)
  breakSoon()
}

export function lowerAttention(bits: u32): void {
  store<u32>(ATTENTION, load<u32>(ATTENTION) & ~bits)
}
