/**
 * The core's side of compiled code (`machine/cpu/soft/jit/`). Blocks that are entered often are told to the host, which makes
 * functions of them; such a function, a region, takes over several blocks of a page, and goes to other regions by itself.
 *
 * What a region cannot do itself it leaves to the interpreter: it returns the op to go on with, in a block that is counted
 * already, all registers in their places. So nothing that a region does by itself can raise an exception, nor ask for
 * attention: results do not depend on what is compiled.
 */
import {
  BLOCK_COUNT, BLOCK_ENTRY, BLOCK_HEADER, BLOCK_HEAT, BLOCK_JIT, BLOCK_MODE, BLOCK_PHYS, NEVER_HOT, mayHoldCode,
} from './code-map'
import { wantsAttention } from './chain'
import { compile, enterLongRegion, enterRegion } from '../host'
import { tlbEntry, tlbHits, tlbKnows, tlbPlace, tlbRead, tlbWrite } from '../memory/tlb'
import { endOps, limit, nextIp, opsFrom, setCurrentOp, startOps } from './progress'
import { OP_HANDLER } from './op'
import {
  FLAT_DATA, GPR, HANDLER_TABLE, ICOUNT, ICOUNT_LIMIT, JIT_BLOCK, JIT_QUEUE, JIT_QUEUED, JIT_QUEUE_SIZE, JIT_THRESHOLD, MODE,
  MODE_CODE64, RIP,
} from '../state'

/** A region is left after so many instructions: only then can V8 put better code in its place. */
const LONGEST: u64 = 0x200000

/** Puts `block` in the queue; what waits is compiled when it is long enough or when a block has waited long. */
export function askForCompilation(block: usize): void {
  const threshold = load<u32>(JIT_THRESHOLD)
  if (!threshold || load<u32>(block, BLOCK_MODE) != load<u32>(MODE)) {
    // Nothing is compiled, or a block that is not kept.
    store<u32>(block, NEVER_HOT, BLOCK_HEAT)
    return
  }
  const queued = load<u32>(JIT_QUEUED)
  let waits = false
  for (let i: u32 = 0; i < queued; i++) if (<usize>load<u32>(JIT_QUEUE + (<usize>i << 2)) == block) waits = true
  if (!waits) {
    store<u32>(JIT_QUEUE + (<usize>queued << 2), <u32>block)
    store<u32>(JIT_QUEUED, queued + 1)
    if (queued + 1 < min<u32>(threshold, JIT_QUEUE_SIZE)) {
      store<u32>(block, threshold, BLOCK_HEAT)
      return
    }
  }
  compile()
  store<u32>(JIT_QUEUED, 0)
}

/** Whether `block` is compiled for what holds of the CPU now. */
@inline export function hasRegion(block: usize): bool {
  return load<u32>(block, BLOCK_JIT) != 0 && !(<u32>load<u8>(block, BLOCK_ENTRY + 2) & ~load<u32>(FLAT_DATA))
}

/** Enters the region of `block`. Returns the op to go on with in the interpreter, or 0: at RIP, between two blocks. */
@inline export function runRegion(block: usize, ip: u64): usize {
  const count = load<u64>(ICOUNT)
  const end = count + min<u64>(load<u64>(ICOUNT_LIMIT) - count, LONGEST)
  // Whoever enters a block pays for it.
  const left = end - count - <u64>load<u32>(block, BLOCK_COUNT)
  const page = ip - <u64>(load<u32>(block, BLOCK_PHYS) & 0xfff)
  const entry = <u32>load<u16>(block, BLOCK_ENTRY)
  const index = load<u32>(block, BLOCK_JIT)
  const op = load<u32>(MODE) & MODE_CODE64
    ? enterLongRegion(
      entry, page, <i32>left, end, index, tlbRead,
      load<u64>(GPR), load<u64>(GPR, 8), load<u64>(GPR, 16), load<u64>(GPR, 24),
      load<u64>(GPR, 32), load<u64>(GPR, 40), load<u64>(GPR, 48), load<u64>(GPR, 56),
      load<u64>(GPR, 64), load<u64>(GPR, 72), load<u64>(GPR, 80), load<u64>(GPR, 88),
      load<u64>(GPR, 96), load<u64>(GPR, 104), load<u64>(GPR, 112), load<u64>(GPR, 120),
    )
    : enterRegion(
      entry, page, <i32>left, end, index, tlbRead,
      load<u32>(GPR), load<u32>(GPR, 8), load<u32>(GPR, 16), load<u32>(GPR, 24),
      load<u32>(GPR, 32), load<u32>(GPR, 40), load<u32>(GPR, 48), load<u32>(GPR, 56),
    )
  if (op) {
    const inside = <usize>load<u32>(JIT_BLOCK)
    startOps(inside + BLOCK_HEADER, <usize>load<u32>(inside, BLOCK_COUNT))
  }
  return op
}

/**
 * For regions: has the interpreter execute an op in the midst of `block`. 0 where the block is left after it: the region
 * returns at once.
 */
export function executeOp(op: usize, block: usize): usize {
  startOps(block + BLOCK_HEADER, <usize>load<u32>(block, BLOCK_COUNT))
  setCurrentOp(op)
  call_indirect<void>(<u32>load<u16>(HANDLER_TABLE + (<usize>load<u16>(op, OP_HANDLER) << 1)), op)
  const going = limit
  if (!going) {
    store<u64>(RIP, nextIp(op))
    store<u64>(ICOUNT, load<u64>(ICOUNT) + 1 - opsFrom(op))
  }
  endOps()
  return going
}

/**
 * For regions: has the interpreter execute the last op of `block`, which sets RIP. Whether a region may go on there, for which
 * FLAT_* bits `needs` hold and MODE is what it was; else the region returns at once.
 */
export function executeLast(op: usize, block: usize, needs: u32): bool {
  startOps(block + BLOCK_HEADER, <usize>load<u32>(block, BLOCK_COUNT))
  setCurrentOp(op)
  const mode = load<u32>(MODE)
  call_indirect<void>(<u32>load<u16>(HANDLER_TABLE + (<usize>load<u16>(op, OP_HANDLER) << 1)), op)
  const going = limit
  endOps()
  if (!going || wantsAttention() || load<u64>(ICOUNT) >= load<u64>(ICOUNT_LIMIT)) return false
  return load<u32>(MODE) == mode && !(needs & ~load<u32>(FLAT_DATA))
}

/**
 * For regions: where to store at `linear`, which the write TLB does not let pass because code was decoded from the page, though
 * not from these bytes. 0 where the interpreter is to see to it.
 */
export function storePlace(linear: u64, size: u32): usize {
  const e = tlbEntry(tlbWrite, linear)
  if (!tlbKnows(e, linear, size)) return placeOverPages(tlbWrite, linear, size)
  const phys = (load<u32>(e, 12) & ~0xfff) | (<u32>linear & 0xfff)
  for (let i: u32 = 0; i < size; i += 8) if (mayHoldCode(phys + i, min<u32>(size - i, 8))) return 0
  return tlbPlace(e, linear)
}

/** For regions: where bytes are that are looked up together, and lie in two pages. 0 where the interpreter is to see to it. */
export function loadPlace(linear: u64, size: u32): usize {
  return placeOverPages(tlbRead, linear, size)
}

/** Of two pages that the arena has one behind the other. */
function placeOverPages(table: usize, linear: u64, size: u32): usize {
  const last = linear + (size - 1)
  const e = tlbEntry(table, linear)
  const next = tlbEntry(table, last)
  if (!tlbHits(e, linear, 1) || !tlbHits(next, last, 1) || load<u32>(e, 8) != load<u32>(next, 8)) return 0
  return tlbPlace(e, linear)
}
