/**
 * How far the executing block is: the present op, where the block ends, and the counts that follow from them.
 *
 * The instruction count is exact at every moment: ICOUNT counts a block when it is entered, and what is left of it is
 * known from the addresses of its ops.
 */
import { cutEntry, entered } from './coverage'
import { asksOutside } from '../memory/kept-memory'
import { OP_IP, OP_NEXT, OP_SIZE } from './op'
import { ICOUNT, ICOUNT_END, ICOUNT_LIMIT, MODE, MODE_CODE64, REG_BLOCK_IP, RIP, STALLED } from '../state'

/** First op of the block that is executing; 0 between blocks. */
export let blockStart: usize = 0
/** Ops from here on are not executed: the block's end, the budget's end, or 0 after breakSoon(). */
export let limit: usize = 0
/** Where the executing block ends, or its part that the budget allows: ICOUNT counts up to here. */
let blockEnd: usize = 0
/** The op that is executing. */
export let currentOp: usize = 0

@inline export function setCurrentOp(op: usize): void {
  currentOp = op
}

/** The ops from `first` on execute, `count` of them, which ICOUNT has counted. */
@inline export function startOps(first: usize, count: usize): usize {
  blockStart = first
  limit = blockEnd = first + count * OP_SIZE
  return first
}

/** Between blocks. */
@inline export function endOps(): void {
  blockStart = 0
}

/** Those that ICOUNT has counted from `op` on. */
@inline export function opsFrom(op: usize): u64 {
  return <u64>((blockEnd - op) / OP_SIZE)
}

@inline function cutIp(ip: u64): u64 {
  return load<u32>(MODE) & MODE_CODE64 ? ip : ip & 0xffffffff
}

/** Offset in CS of the executing instruction. */
export function instructionPointer(): u64 {
  return blockStart ? cutIp(load<u64>(REG_BLOCK_IP) + load<u16>(currentOp, OP_IP)) : load<u64>(RIP)
}

/** Offset in CS of the instruction after `op`. */
@inline export function nextIp(op: usize): u64 {
  return cutIp(load<u64>(REG_BLOCK_IP) + load<u16>(op, OP_NEXT))
}

/** Retired instructions, exact inside a handler. */
export function instructionCount(): u64 {
  return load<u64>(ICOUNT) - (blockStart ? opsFrom(currentOp) : 0)
}

/** The CPU waits for a slower bus as long as `instructions` would have taken: time passes, nothing is retired. */
export function stall(instructions: u64): void {
  asksOutside()
  wait(instructions)
}

/** The same for what always takes as long, whoever watches. */
export function wait(instructions: u64): void {
  store<u64>(STALLED, load<u64>(STALLED) + instructions)
  // The present instruction still counts: the budget never falls behind it.
  const least = instructionCount() + 1
  const end = load<u64>(ICOUNT_END)
  if (end > least + instructions) {
    store<u64>(ICOUNT_END, end - instructions)
    if (load<u64>(ICOUNT_LIMIT)) store<u64>(ICOUNT_LIMIT, end - instructions)
    const left = end - instructions - least
    if (blockStart && limit > currentOp && left < <u64>((limit - currentOp) / OP_SIZE)) breakSoon()
  } else {
    store<u64>(ICOUNT_END, least)
    breakSoon()
  }
}

/** Ends the block after the present instruction, so that ATTENTION and the budget are looked at. */
export function breakSoon(): void {
  limit = 0
  store<u64>(ICOUNT_LIMIT, 0)
}

/** Puts RIP and ICOUNT to the executing instruction: it faults. */
export function syncForFault(): void {
  if (!blockStart) return
  if (entered) cutEntry(blockStart, currentOp)
  store<u64>(ICOUNT, instructionCount())
  store<u64>(RIP, instructionPointer())
  blockStart = 0
}
