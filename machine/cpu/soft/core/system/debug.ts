/**
 * Debug registers: breakpoints on instructions and on memory accesses (Intel SDM vol. 3, 18.2).
 *
 * A breakpoint on an instruction costs only the blocks that begin where it is. Decoding ends a block in front of each page
 * offset that ever had one; blocks that begin there are neither linked nor compiled, nor in the jump cache, so that
 * findBlock() sees every time that they are come to.
 */
import { dropAtOffset } from '../execute/code-map'
import { leaveCore, raiseNoError } from './fault'
import { stopsAt, stopsBehind } from '../host'
import { ATTENTION, ATTN_DEBUG, ATTN_HIT, ATTN_STOP, DEBUG_HITS, DR, EXIT_BREAKPOINT, EXIT_REASON, EX_DB, FLAG_RF, RFLAGS } from '../state'
import { breakSoon } from '../execute/progress'

/** A bit for each page offset at which an instruction ever had a breakpoint. */
const WATCHED: usize = memory.data(512)
let watching: bool = false
/** Linear addresses of pages with a debugger's watchpoints, u64 each: room for 64. */
const WATCHED_PAGES: usize = memory.data(512)
let watchedPages: u32 = 0

@inline export function isWatched(linear: u64): bool {
  const offset = <u32>linear & 0xfff
  return watching && (load<u8>(WATCHED + <usize>(offset >> 3)) >> <u8>(offset & 7) & 1) != 0
}

/** Breakpoint `i` of DR7 is enabled, for instructions. */
@inline function onInstruction(dr7: u32, i: u32): bool {
  return ((dr7 >> (i * 2)) & 3) != 0 && ((dr7 >> (16 + i * 4)) & 15) == 0
}

/** After a change of DR0 to DR3 or DR7. */
export function watchInstructions(): void {
  const dr7 = load<u32>(DR + 56)
  if (!(dr7 & 0xff)) return
  for (let i: u32 = 0; i < 4; i++) {
    const linear = load<u64>(DR + i * 8)
    if (!onInstruction(dr7, i) || isWatched(linear)) continue
    watchOffset(<u32>linear & 0xfff)
  }
}

/** Host side: a debugger may want to stop at instructions with this offset in a page. */
export function watchOffset(offset: u32): void {
  if (isWatched(offset)) return
  const byte = WATCHED + <usize>((offset & 0xfff) >> 3)
  store<u8>(byte, load<u8>(byte) | (<u8>1 << <u8>(offset & 7)))
  watching = true
  dropAtOffset(offset & 0xfff)
}

/** Host side: the page of a linear address with a debugger's watchpoints; no others from now on where `first`. */
export function watchPage(linear: u64, first: bool): void {
  if (first) watchedPages = 0
  store<u64>(WATCHED_PAGES + <usize>(watchedPages++ << 3), linear & ~0xfff)
}

/** Host side: there are no watchpoints any more. */
export function watchNoPage(): void {
  watchedPages = 0
}

/** Raises #DB in front of the instruction at `linear` where a breakpoint is there and RF does not let it pass. */
export function checkInstructionBreakpoint(linear: u64): void {
  if (stopsAt(linear)) leaveCore(EXIT_BREAKPOINT)
  if (load<u32>(RFLAGS) & FLAG_RF) return
  const dr7 = load<u32>(DR + 56)
  let hit: u32 = 0
  for (let i: u32 = 0; i < 4; i++) if (onInstruction(dr7, i) && load<u64>(DR + i * 8) == linear) hit |= 1 << i
  if (!hit) return
  store<u32>(DR + 48, (load<u32>(DR + 48) & ~15) | hit)
  raiseNoError(EX_DB)
}

@inline export function pagesAreWatched(): bool {
  return watchedPages != 0
}

/** A debugger has watchpoints in the page at `page`: no access finds it in a TLB at once. */
export function isWatchedPage(page: u64): bool {
  for (let i: u32 = 0; i < watchedPages; i++) if (load<u64>(WATCHED_PAGES + <usize>(i << 3)) == page) return true
  return false
}

/** True when an enabled data breakpoint lies in the page of `linear`: such a page stays out of the TLBs. */
export function dataBreakpoints(linear: u64): bool {
  const dr7 = load<u32>(DR + 56)
  if (!(dr7 & 0xff)) return false
  for (let i: u32 = 0; i < 4; i++) {
    if (!((dr7 >> (i * 2)) & 3) || !((dr7 >> (16 + i * 4)) & 3)) continue
    if ((load<u64>(DR + i * 8) & ~0xfff) == (linear & ~0xfff)) return true
  }
  return false
}

/** Notes a hit for a trap after this instruction. To be asked once the access is sure to be made. `kind` is 1 for a write, 3 for a read (R/W bits that match it). */
export function checkDataBreakpoint(linear: u64, size: u32, kind: u32): void {
  if (watchedPages && stopsBehind(linear, size, kind)) {
    store<u32>(EXIT_REASON, EXIT_BREAKPOINT)
    store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_STOP)
    breakSoon()
  }
  const dr7 = load<u32>(DR + 56)
  if (!(dr7 & 0xff)) return
  let hit: u32 = 0
  let enabled: u32 = 0
  for (let i: u32 = 0; i < 4; i++) {
    const rw = (dr7 >> (16 + i * 4)) & 3
    if (!(rw == 3 || (rw == 1 && kind == 1))) continue
    const code = (dr7 >> (18 + i * 4)) & 3
    const length: u64 = code == 2 ? 8 : <u64>code + 1
    const start = load<u64>(DR + i * 8) & ~(length - 1)
    if (linear >= start + length || linear + size <= start) continue
    hit |= 1 << i
    enabled |= (dr7 >> (i * 2)) & 3
  }
  if (enabled) noteHits(hit)
}

// Breakpoints are traps: they count when the instruction that hit them is done. Where it faults after an access that
// was made, it is executed again, and hits them again (Intel SDM vol. 3, 6.9 and 18.2.4).

/** The executing instruction hits breakpoints: bits as DR6 has them. */
export function noteHits(hits: u32): void {
  store<u32>(DEBUG_HITS, load<u32>(DEBUG_HITS) | hits)
  store<u32>(ATTENTION, load<u32>(ATTENTION) | ATTN_HIT)
  breakSoon()
}

/** Between instructions: what the last one hit is a trap now. */
export function takeHits(): void {
  if (!(load<u32>(ATTENTION) & ATTN_HIT)) return
  store<u32>(DR + 48, load<u32>(DR + 48) | load<u32>(DEBUG_HITS))
  store<u32>(ATTENTION, (load<u32>(ATTENTION) & ~ATTN_HIT) | ATTN_DEBUG)
  store<u32>(DEBUG_HITS, 0)
}

/** The executing instruction faults: its hits are none. */
@inline export function dropHits(): void {
  store<u32>(ATTENTION, load<u32>(ATTENTION) & ~ATTN_HIT)
  store<u32>(DEBUG_HITS, 0)
}
