/**
 * Which pages code was fetched from since the CPU's translations were flushed, and where they are: a page is walked to for
 * its first fetch and for no later one. So the accessed bits that fetches set, and what else a walk may do, come at the same
 * moments however a run is cut into slices, which blocks are compiled, and what the jump cache has forgotten. For that it
 * must never forget a page of which the jump cache, a link or the executing block could still know.
 */
import { ACCESS_EXECUTE, ACCESS_USER, translate } from './page-walk'
import { CPL, FETCHED_PAGES, JUMP_CACHE, JUMP_CACHE_SIZE } from './state'
import { tlbGeneration } from './tlb'

const SLOTS: u64 = 8192
const SLOT_SHIFT: usize = 4
/** More than these, and all are forgotten, with the jump cache. */
const MOST: u32 = 4096
// Of a slot: u64 linear page and these bits, u32 number of the physical page, u32 generation.
const TAKEN: u64 = 1
const BY_USER: u64 = 2

let pages: u32 = 0

/** Physical address of `linear`, from which the CPU fetches; raises what the fetch raises. */
export function fetchAddress(linear: u64): u64 {
  const user = load<u32>(CPL) == 3
  const tag = (linear & ~0xfff) | TAKEN | (user ? BY_USER : 0)
  const home = (linear >> 12) ^ (linear >> 25) ^ (<u64>tlbGeneration << 4)
  let i = home & (SLOTS - 1)
  let slot = FETCHED_PAGES + (<usize>i << SLOT_SHIFT)
  while (load<u64>(slot)) {
    if (load<u64>(slot) == tag && load<u32>(slot, 12) == tlbGeneration) {
      return (<u64>load<u32>(slot, 8) << 12) | (linear & 0xfff)
    }
    i = (i + 1) & (SLOTS - 1)
    slot = FETCHED_PAGES + (<usize>i << SLOT_SHIFT)
  }
  const phys = translate(linear, user ? ACCESS_EXECUTE | ACCESS_USER : ACCESS_EXECUTE)
  if (pages == MOST) {
    forgetFetches()
    slot = FETCHED_PAGES + (<usize>(home & (SLOTS - 1)) << SLOT_SHIFT)
  }
  pages++
  store<u64>(slot, tag)
  store<u32>(slot, <u32>(phys >> 12), 8)
  store<u32>(slot, tlbGeneration, 12)
  return phys
}

export function forgetFetches(): void {
  pages = 0
  memory.fill(FETCHED_PAGES, 0, <usize>SLOTS << SLOT_SHIFT)
  memory.fill(JUMP_CACHE, 0, JUMP_CACHE_SIZE)
}
