/**
 * From one block to the next: by links between blocks of a page, through the jump cache, or back to the run loop where
 * something wants attention or the budget ends.
 */
import { cachedBlock, codeLinear, findBlock, poolGeneration } from './blocks'
import {
  BLOCK_COUNT, BLOCK_DROPPED, BLOCK_FETCHED, BLOCK_HEADER, BLOCK_HEAT, BLOCK_JIT, BLOCK_LED, BLOCK_MODE, BLOCK_SOUGHT,
} from './code-map'
import { askForCompilation, hasRegion, runRegion } from './compiled'
import { cutEntry, entered, noteEntry } from './coverage'
import { decodedIn } from './decode'
import { faulted } from '../system/aftermath'
import { refuse } from '../system/fault'
import { REFUSED_CANONICAL, REFUSED_LIMIT } from '../system/fault-log'
import { OP_LINK_NEXT } from './op'
import { blockStart, endOps, limit, nextIp, opsFrom, startOps } from './progress'
import {
  ATTENTION, ATTN_INTR, ATTN_NMI, ATTN_SMI, COVERAGE, CS, EX_GP, FLAG_IF, FLAG_RF, FLAG_TF, HALTED, ICOUNT, ICOUNT_END, ICOUNT_LIMIT,
  IN_SMM, MODE, MODE_CODE64, MODE_CS_LIMIT, NMI_MASKED, REG_BLOCK_IP, RFLAGS, RIP, SEG_LIMIT, SHADOW,
} from '../state'

/** What of ATTENTION can be taken now: the rest waits for an instruction that ends its block (STI, POPF, IRET, RSM). */
export function pressing(): u32 {
  let attention = load<u32>(ATTENTION)
  if (!(load<u32>(RFLAGS) & FLAG_IF)) attention &= ~ATTN_INTR
  if (load<u32>(NMI_MASKED)) attention &= ~ATTN_NMI
  if (load<u32>(IN_SMM)) attention &= ~ATTN_SMI
  return attention
}

/**
 * Whether a repeated instruction ends here, and its next iteration is fetched anew, as it is where the budget cuts it: that
 * must not show. It is so where this iteration has changed what is there (bytes of a block, the memory map, A20), and where
 * nobody would hear of that, because the block is not kept: it crosses a page, is seen at two addresses, or is no memory's.
 */
@inline export function refetched(): bool {
  return !limit || load<u32>(blockStart - BLOCK_HEADER, BLOCK_MODE) >= BLOCK_FETCHED
}

/** Whether it can do many iterations at once, of which the last store goes to the arena page of `place`. */
@inline export function mayRepeat(place: usize): bool {
  const mode = load<u32>(blockStart - BLOCK_HEADER, BLOCK_MODE)
  return mode < BLOCK_FETCHED || (mode == BLOCK_DROPPED && !decodedIn(place))
}

/** Starts `block`, whose first byte is at `ip`; 0 when something wants attention first or the budget is spent. */
@inline function enter(block: usize, ip: u64): usize {
  const ops = load<u32>(block, BLOCK_COUNT)
  const after = load<u64>(ICOUNT) + <u64>ops
  if (after > load<u64>(ICOUNT_LIMIT)) return enterSlow(block, ip)
  const heat = load<u32>(block, BLOCK_HEAT)
  if (!heat) return enterHot(block, ip)
  store<u32>(block, heat - 1, BLOCK_HEAT)
  store<u64>(ICOUNT, after)
  store<u64>(REG_BLOCK_IP, ip)
  return startOps(block + BLOCK_HEADER, <usize>ops)
}

/** `block` has been entered often, or is compiled; the budget has room for it. */
@noInline function enterHot(block: usize, ip: u64): usize {
  if (load<u32>(COVERAGE) && !noteEntry(block, codeLinear(ip), load<u32>(block, BLOCK_COUNT))) return interpret(block, ip)
  if (!load<u32>(block, BLOCK_JIT)) askForCompilation(block)
  return hasRegion(block) ? executeCompiled(block, ip) : interpret(block, ip)
}

function interpret(block: usize, ip: u64): usize {
  const ops = load<u32>(block, BLOCK_COUNT)
  store<u64>(ICOUNT, load<u64>(ICOUNT) + <u64>ops)
  store<u64>(REG_BLOCK_IP, ip)
  return startOps(block + BLOCK_HEADER, <usize>ops)
}

/**
 * Runs compiled regions from `block` on, whose first byte is at `ip`, until one hands over to the interpreter. Returns
 * the op to go on with, or 0 to leave.
 */
function executeCompiled(first: usize, firstIp: u64): usize {
  let block = first
  let ip = firstIp
  while (true) {
    endOps()
    const op = runRegion(block, ip)
    if (op) return op
    // Between two blocks, as after advance() or leave().
    if (wantsAttention() || endsFirst()) return 0
    ip = load<u64>(RIP)
    block = findBlock()
    if (load<u64>(ICOUNT) + <u64>load<u32>(block, BLOCK_COUNT) > load<u64>(ICOUNT_LIMIT)) return enterSlow(block, ip)
    const heat = load<u32>(block, BLOCK_HEAT)
    if (heat) store<u32>(block, heat - 1, BLOCK_HEAT)
    else if (!load<u32>(COVERAGE) || noteEntry(block, codeLinear(ip), load<u32>(block, BLOCK_COUNT))) {
      if (!load<u32>(block, BLOCK_JIT)) askForCompilation(block)
      if (hasRegion(block)) continue
    }
    return interpret(block, ip)
  }
}

@noInline function enterSlow(block: usize, ip: u64): usize {
  endOps()
  store<u64>(RIP, ip)
  if (pressing()) return 0
  // Below zero where the host pulled the end in while an instruction executed.
  const left = <i64>(load<u64>(ICOUNT_END) - load<u64>(ICOUNT))
  return left > 0 ? enterLimited(block, <u64>left) : 0
}

/** Starts `block` at RIP for at most `ops` instructions. 0 where its fetch has faulted. */
export function enterLimited(block: usize, ops: u64): usize {
  if (faulted) return 0
  const n = min<u64>(ops, <u64>load<u32>(block, BLOCK_COUNT))
  if (load<u32>(COVERAGE)) noteEntry(block, codeLinear(load<u64>(RIP)), <u32>n)
  store<u64>(ICOUNT, load<u64>(ICOUNT) + n)
  store<u64>(ICOUNT_LIMIT, pressing() ? 0 : load<u64>(ICOUNT_END))
  store<u64>(REG_BLOCK_IP, load<u64>(RIP))
  return startOps(block + BLOCK_HEADER, <usize>n)
}

/**
 * What presses is taken before the next instruction is fetched, whose page may be absent (Intel SDM vol. 3, 6.9: traps on
 * the instruction before, then interrupts, then faults from fetching the next one). And where the budget ends nothing is
 * fetched: that may touch page tables and devices, and it is done when the next slice begins.
 */
@inline function endsFirst(): bool {
  return load<u64>(ICOUNT) >= load<u64>(ICOUNT_LIMIT) && (pressing() != 0 || load<u64>(ICOUNT) >= load<u64>(ICOUNT_END))
}

/** On to the block at RIP. 0 leaves. */
@inline function proceed(): usize {
  endOps()
  if (endsFirst()) return 0
  const ip = load<u64>(RIP)
  return enter(findBlock(), ip)
}

/** After the last op of a block (or of what the budget or breakSoon() left of it): on to the next one. 0 leaves. */
export function advance(op: usize): usize {
  if (entered && !limit) cutEntry(blockStart, op)
  store<u64>(RIP, nextIp(op))
  store<u64>(ICOUNT, load<u64>(ICOUNT) + 1 - opsFrom(op))
  return proceed()
}

/** Whether the run loop has something to see to, whatever the budget. */
@inline export function wantsAttention(): bool {
  return (pressing() | load<u32>(SHADOW) | load<u32>(HALTED) | (load<u32>(RFLAGS) & (FLAG_TF | FLAG_RF))) != 0
}

/** After an op that set RIP itself and may have changed anything; it is its block's last. 0 leaves. */
export function leave(op: usize): usize {
  if (wantsAttention()) {
    endOps()
    return 0
  }
  return proceed()
}

/** A near branch to `target`, already cut to the operand size. Returns the next op, or 0 to leave. */
export function jumpTo(op: usize, target: u64): usize {
  if (load<u32>(MODE) & MODE_CODE64) checkTarget(target)
  const block = cachedBlock(codeLinear(target), target)
  if (block) {
    store<u32>(blockStart - BLOCK_HEADER, <u32>block, BLOCK_LED)
    return enter(block, target)
  }
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
  endOps()
  if (endsFirst()) return 0
  const block = findBlock()
  if (kept && generation == poolGeneration && load<u32>(block, BLOCK_MODE) == mode && !load<u32>(block, BLOCK_SOUGHT)) store<u32>(op + slot, <u32>block)
  return enter(block, target)
}
