/**
 * Which instructions have been executed, where someone wants to know. Each is told to the host once, block by block: when a
 * block was entered for the first time and has come to its end, or as far as it came. Blocks that are not known to have been
 * executed whole keep a heat of 0, which leads their entries here, and are not compiled; all others run as ever.
 */
import {
  BLOCK_COUNT, BLOCK_HEADER, BLOCK_HEAT, BLOCK_JIT, BLOCK_SEEN, BLOCK_SOUGHT, NEVER_HOT, SOUGHT_WATCHED,
} from './code-map'
import { executed } from '../host'
import { OP_NEXT, OP_SIZE } from './op'
import { COVERAGE, JIT_THRESHOLD } from '../state'

/** The block that executes instructions of which it is not known yet, or has done so, or 0. */
export let entered: usize = 0
/** As many of its ops as it does, and where it is. */
let enteredOps: u32 = 0
let enteredAt: u64 = 0

/**
 * `ops` of the ops of `block`, which is at `linear`, are about to execute. Whether it is hot: all of it is known to have been
 * executed, and often. (Known since now alone, it is as cold as it would be if nobody asked: what is compiled too early is
 * compiled without what it is going to lead to.)
 */
export function noteEntry(block: usize, linear: u64, ops: u32): bool {
  // It comes again, so it came to its end.
  if (entered == block) settle()
  if (load<u32>(block, BLOCK_SEEN) >= load<u32>(block, BLOCK_COUNT)) return !load<u32>(block, BLOCK_HEAT)
  settle()
  entered = block
  enteredOps = ops
  enteredAt = linear
  return false
}

/** Nothing of the entered block executes any more: it did what it was to do. */
export function settle(): void {
  if (entered) commit(enteredOps)
}

/** The block whose first op is `first` ends with `op`, before its end. */
export function cutEntry(first: usize, op: usize): void {
  if (first == entered + BLOCK_HEADER) commit(min<u32>(enteredOps, <u32>((op - first) / OP_SIZE) + 1))
}

function commit(ops: u32): void {
  const block = entered
  entered = 0
  if (ops <= load<u32>(block, BLOCK_SEEN)) return
  store<u32>(block, ops, BLOCK_SEEN)
  executed(enteredAt, <u32>load<u16>(block + BLOCK_HEADER + <usize>(ops - 1) * OP_SIZE, OP_NEXT))
  if (ops < load<u32>(block, BLOCK_COUNT)) return
  // One that forgetSeen() was about may be compiled.
  if (load<u32>(block, BLOCK_JIT)) return
  const threshold = load<u32>(JIT_THRESHOLD)
  store<u32>(block, threshold && !(load<u32>(block, BLOCK_SOUGHT) & SOUGHT_WATCHED) ? threshold : NEVER_HOT, BLOCK_HEAT)
}

/** Where the block is found at another address than before: there, nothing of it has been executed. */
export function forgetSeen(block: usize): void {
  settle()
  store<u32>(block, 0, BLOCK_SEEN)
  store<u32>(block, 0, BLOCK_HEAT)
}

/** Host side: what was executed up to now is told. */
export function watchExecution(): void {
  store<u32>(COVERAGE, 1)
  settle()
}
