/** Debug registers: data breakpoints on memory accesses (Intel SDM vol. 3, 18.2). */
import { ATTENTION, ATTN_DEBUG, ATTN_HIT, DEBUG_HITS, DR } from './state'
import { breakSoon } from './progress'

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
