/**
 * The run loop. `run()` looks at what asks for attention (interrupts, traps, HLT, budget) at an instruction boundary and
 * then executes blocks until something asks again.
 *
 * The instruction count is exact at every moment: ICOUNT counts a block when it is entered, and what is left of it is
 * known from the addresses of its ops. An interrupt or a timer so lands on the same instruction in every run.
 */
import { BLOCK_COUNT, BLOCK_HEADER, BLOCK_MODE, cachedBlock, codeLinear, findBlock, poolGeneration } from './blocks'
import { execute } from './generated/dispatch'
import { takeHits } from './debug'
import { acknowledge } from './host'
import { deliverDebugTrap, deliverException, deliverInterrupt, deliverNmi } from './interrupt'
import { enterSmm } from './smm'
import { raiseNoError, refuse } from './fault'
import { REFUSED_CANONICAL, REFUSED_LIMIT } from './fault-log'
import { OP_IP, OP_LINK_NEXT, OP_NEXT, OP_SIZE } from './op'
import {
  ATTENTION, ATTN_DEBUG, ATTN_INTR, ATTN_NMI, ATTN_SMI, ATTN_STEP, ATTN_STOP, CS, DELIVERING, DR, EX_DB, EX_GP,
  EXIT_BUDGET, EXIT_HALT, EXIT_REASON, EXIT_STOP, FLAG_IF, FLAG_RF, FLAG_TF, HALTED, ICOUNT, ICOUNT_END, ICOUNT_LIMIT, IN_SMM, MODE,
  MODE_CODE64, MODE_CS_LIMIT, NMI_MASKED, NO_VECTOR, PENDING_VECTOR, REG_BLOCK_IP, RFLAGS, RIP, SEG_LIMIT, SHADOW, STALLED,
} from './state'

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
  return load<u64>(ICOUNT) - (blockStart ? <u64>((blockEnd - currentOp) / OP_SIZE) : 0)
}

/** The CPU waits for a slower bus as long as `instructions` would have taken: time passes, nothing is retired. */
export function stall(instructions: u64): void {
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
  store<u64>(ICOUNT, instructionCount())
  store<u64>(RIP, instructionPointer())
  blockStart = 0
}

/** What of ATTENTION can be taken now: the rest waits for an instruction that ends its block (STI, POPF, IRET, RSM). */
export function pressing(): u32 {
  let attention = load<u32>(ATTENTION)
  if (!(load<u32>(RFLAGS) & FLAG_IF)) attention &= ~ATTN_INTR
  if (load<u32>(NMI_MASKED)) attention &= ~ATTN_NMI
  if (load<u32>(IN_SMM)) attention &= ~ATTN_SMI
  return attention
}

/** Starts `block`, whose first byte is at `ip`; 0 when something wants attention first or the budget is spent. */
@inline function enter(block: usize, ip: u64): usize {
  const ops = load<u32>(block, BLOCK_COUNT)
  const after = load<u64>(ICOUNT) + <u64>ops
  if (after > load<u64>(ICOUNT_LIMIT)) return enterSlow(block, ip)
  store<u64>(ICOUNT, after)
  store<u64>(REG_BLOCK_IP, ip)
  blockStart = block + BLOCK_HEADER
  limit = blockEnd = blockStart + <usize>ops * OP_SIZE
  return blockStart
}

@noInline function enterSlow(block: usize, ip: u64): usize {
  blockStart = 0
  store<u64>(RIP, ip)
  if (pressing()) return 0
  // Below zero where the host pulled the end in while an instruction executed.
  const left = <i64>(load<u64>(ICOUNT_END) - load<u64>(ICOUNT))
  return left > 0 ? enterLimited(block, <u64>left) : 0
}

/** Starts `block` at RIP for at most `ops` instructions. */
function enterLimited(block: usize, ops: u64): usize {
  const n = min<u64>(ops, <u64>load<u32>(block, BLOCK_COUNT))
  store<u64>(ICOUNT, load<u64>(ICOUNT) + n)
  store<u64>(ICOUNT_LIMIT, pressing() ? 0 : load<u64>(ICOUNT_END))
  store<u64>(REG_BLOCK_IP, load<u64>(RIP))
  blockStart = block + BLOCK_HEADER
  limit = blockEnd = blockStart + <usize>n * OP_SIZE
  return blockStart
}

/**
 * What presses is taken before the next instruction is fetched, whose page may be absent (Intel SDM vol. 3, 6.9: traps on
 * the instruction before, then interrupts, then faults from fetching the next one).
 */
@inline function pressesFirst(): bool {
  return !load<u64>(ICOUNT_LIMIT) && pressing() != 0
}

/** On to the block at RIP. 0 leaves. */
@inline function proceed(): usize {
  blockStart = 0
  if (pressesFirst()) return 0
  const ip = load<u64>(RIP)
  return enter(findBlock(), ip)
}

/** After the last op of a block (or of what the budget or breakSoon() left of it): on to the next one. 0 leaves. */
export function advance(op: usize): usize {
  store<u64>(RIP, nextIp(op))
  store<u64>(ICOUNT, load<u64>(ICOUNT) + 1 - <u64>((blockEnd - op) / OP_SIZE))
  return proceed()
}

/** After an op that set RIP itself and may have changed anything; it is its block's last. 0 leaves. */
export function leave(op: usize): usize {
  if (pressing() | load<u32>(SHADOW) | load<u32>(HALTED) | (load<u32>(RFLAGS) & (FLAG_TF | FLAG_RF))) {
    blockStart = 0
    return 0
  }
  return proceed()
}

/** A near branch to `target`, already cut to the operand size. Returns the next op, or 0 to leave. */
export function jumpTo(op: usize, target: u64): usize {
  if (load<u32>(MODE) & MODE_CODE64) checkTarget(target)
  const block = cachedBlock(codeLinear(target), target)
  if (block) return enter(block, target)
  if (load<u32>(MODE) & MODE_CS_LIMIT) checkTarget(target)
  store<u64>(RIP, target)
  return proceed()
}

/** Past a branch that is not taken: where `target` is beyond the segment's end its fetch faults, not the branch. */
function fallTo(target: u64): usize {
  const block = cachedBlock(codeLinear(target), target)
  if (block) return enter(block, target)
  store<u64>(RIP, target)
  return proceed()
}

/** Raises #GP for a branch target beyond CS's limit or not canonical; to be asked where MODE has CS_LIMIT or CODE64. */
export function checkTarget(target: u64): void {
  if (load<u32>(MODE) & MODE_CODE64) {
    if (<u64>((<i64>target << 16) >> 16) != target) refuse(EX_GP, 0, REFUSED_CANONICAL, CS, target, 2)
  } else if (target > <u64>load<u32>(CS, SEG_LIMIT)) refuse(EX_GP, 0, REFUSED_LIMIT, CS, target, 2)
}

/** A direct branch: through its link when it has one. `slot` is OP_LINK_TAKEN or OP_LINK_NEXT. */
@inline export function follow(op: usize, slot: usize, target: u64): usize {
  const block = <usize>load<u32>(op + slot)
  if (block && load<u32>(block, BLOCK_MODE) == load<u32>(MODE)) return enter(block, target)
  return followUnlinked(op, slot, target)
}

@noInline function followUnlinked(op: usize, slot: usize, target: u64): usize {
  const mode = load<u32>(MODE)
  // Within a page the way from here to there is the same wherever the page is mapped. (With a limit on CS every branch is
  // checked, and 16-bit offsets wrap: no links there.)
  if ((codeLinear(load<u64>(REG_BLOCK_IP)) ^ codeLinear(target)) >> 12 || mode & MODE_CS_LIMIT) {
    return slot == OP_LINK_NEXT ? fallTo(target) : jumpTo(op, target)
  }
  // Neither end may be a block that is not kept: the next one takes its place, as after findBlock() has emptied the pool.
  const kept = load<u32>(blockStart - BLOCK_HEADER, BLOCK_MODE) == mode
  const generation = poolGeneration
  store<u64>(RIP, target)
  blockStart = 0
  if (pressesFirst()) return 0
  const block = findBlock()
  if (kept && generation == poolGeneration && load<u32>(block, BLOCK_MODE) == mode) store<u32>(op + slot, <u32>block)
  return enter(block, target)
}

/** One instruction breakpoint in DR0 to DR3 matches CS:RIP. */
function instructionBreakpoint(): bool {
  const dr7 = load<u32>(DR + 56)
  const linear = codeLinear(load<u64>(RIP))
  let hit: u32 = 0
  for (let i: u32 = 0; i < 4; i++) {
    if (((dr7 >> (i * 2)) & 3) && ((dr7 >> (16 + i * 4)) & 15) == 0 && load<u64>(DR + i * 8) == linear) hit |= 1 << i
  }
  if (!hit) return false
  store<u32>(DR + 48, (load<u32>(DR + 48) & ~15) | hit)
  return true
}

@inline function executeBreakpointsArmed(): bool {
  const dr7 = load<u32>(DR + 56)
  if (!(dr7 & 0xff)) return false
  for (let i: u32 = 0; i < 4; i++) if ((dr7 >> (i * 2)) & 3 && !((dr7 >> (16 + i * 4)) & 3)) return true
  return false
}

/** What delivering an exception takes, in instructions of 10 ns: some hundred cycles on any CPU. */
const EXCEPTION_STALL: u64 = 20

/**
 * Runs until the budget (ICOUNT_END) is spent or something else comes up; returns EXIT_*. When the host catches an
 * unwound fault it calls run() again: the pending exception is delivered first.
 */
export function run(): u32 {
  blockStart = 0
  // Delivering an exception costs an instruction, so that a guest that only faults still spends its budget.
  if (load<u32>(PENDING_VECTOR) != NO_VECTOR) {
    stall(EXCEPTION_STALL)
    deliverException()
    store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
  }
  while (true) {
    takeHits()
    if (load<u32>(EXIT_REASON)) {
      const reason = load<u32>(EXIT_REASON)
      store<u32>(EXIT_REASON, 0)
      return reason
    }
    if (load<u64>(ICOUNT) >= load<u64>(ICOUNT_END)) return EXIT_BUDGET
    let attention = load<u32>(ATTENTION) & ~ATTN_STEP
    const shadow = load<u32>(SHADOW)
    if (attention & ATTN_STOP) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_STOP)
      return EXIT_STOP
    }
    if (attention & ATTN_DEBUG && shadow != 2) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_DEBUG)
      deliverDebugTrap()
      continue
    }
    if (attention & ATTN_SMI && !load<u32>(IN_SMM)) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_SMI)
      store<u32>(HALTED, 0)
      enterSmm()
      continue
    }
    if (attention & ATTN_NMI && !load<u32>(NMI_MASKED) && !shadow) {
      store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_NMI)
      store<u32>(HALTED, 0)
      deliverNmi()
      continue
    }
    if (attention & ATTN_INTR && !shadow && load<u32>(RFLAGS) & FLAG_IF) {
      store<u32>(HALTED, 0)
      deliverInterrupt(acknowledge(), 0)
      store<u64>(ICOUNT, load<u64>(ICOUNT) + 1)
      continue
    }
    if (load<u32>(HALTED)) return EXIT_HALT
    store<u32>(SHADOW, 0)
    const flags = load<u32>(RFLAGS)
    const breakpoints = executeBreakpointsArmed()
    if (flags & (FLAG_TF | FLAG_RF) || shadow || breakpoints) {
      step((flags & FLAG_TF) != 0, breakpoints)
      continue
    }
    store<u32>(ATTENTION, attention)
    const block = findBlock()
    execute(enterLimited(block, load<u64>(ICOUNT_END) - load<u64>(ICOUNT)))
    blockStart = 0
  }
}

/** One instruction, with what TF, a shadow or instruction breakpoints ask. */
function step(trap: bool, breakpoints: bool): void {
  if (breakpoints && !(load<u32>(RFLAGS) & FLAG_RF) && instructionBreakpoint()) raiseNoError(EX_DB)
  store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_STEP)
  const flags = load<u32>(RFLAGS)
  execute(enterLimited(findBlock(), 1))
  blockStart = 0
  // RF lasts for one instruction, unless that instruction (IRET, POPF) set it anew.
  if (flags & FLAG_RF && load<u32>(RFLAGS) & FLAG_RF) store<u32>(RFLAGS, load<u32>(RFLAGS) & ~FLAG_RF)
  store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_STEP)
  if (trap) {
    store<u32>(DR + 48, load<u32>(DR + 48) | 0x4000)
    store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_DEBUG)
  }
}
