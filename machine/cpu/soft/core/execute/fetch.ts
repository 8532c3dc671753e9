/**
 * Which pages code was fetched from since the CPU's translations were flushed, and where they are: a page is walked to for
 * its first fetch and for no later one. So the accessed bits that fetches set, and what else a walk may do, come at the same
 * moments however a run is cut into slices, which blocks are compiled, and what the jump cache has forgotten. For that it
 * must never forget a page of which the jump cache, a link or the executing block could still know.
 */
import { jumpSlot } from './blocks'
import { faulted } from '../system/aftermath'
import { ACCESS_EXECUTE, ACCESS_USER, translate } from '../memory/page-walk'
import { CPL, FETCHED_PAGES, JUMP_CACHE, JUMP_CACHE_SIZE } from '../state'
import { bankNumber, isCurrent, noteFetch, noteLarge, tlbGeneration } from '../memory/tlb'

const SLOTS: u64 = 8192
const SLOT_BITS: u64 = 13
const SLOT_SHIFT: usize = 4
/** Bytes. */
const LONGEST_INSTRUCTION: u64 = 15
/** More pages than these, and all are forgotten, with the jump cache. */
const MOST: u32 = 4096
// Of a slot: u64 linear page and these bits, u32 number of the physical page, u32 generation: another one than the CPU's
// present one, and the page is to be walked to again.
const TAKEN: u64 = 1
const BY_USER: u64 = 2
/** The CPU's number stands here. */
const CPU_SHIFT: u64 = 2

let pages: u32 = 0

/** The slot of a page, or the free one where it is to be entered. */
@inline function fetchSlot(tag: u64): usize {
  let i = (tag * 0x9e3779b97f4a7c15) >> (64 - SLOT_BITS)
  let slot = FETCHED_PAGES + (<usize>i << SLOT_SHIFT)
  while (load<u64>(slot) && load<u64>(slot) != tag) {
    i = (i + 1) & (SLOTS - 1)
    slot = FETCHED_PAGES + (<usize>i << SLOT_SHIFT)
  }
  return slot
}

@inline function fetchTag(linear: u64, user: bool): u64 {
  return (linear & ~0xfff) | (<u64>bankNumber << CPU_SHIFT) | (user ? TAKEN | BY_USER : TAKEN)
}

/** Physical address of `linear`, from which the CPU fetches; raises what the fetch raises, which may have `faulted` then. */
export function fetchAddress(linear: u64): u64 {
  const user = load<u32>(CPL) == 3
  const tag = fetchTag(linear, user)
  let slot = fetchSlot(tag)
  if (load<u32>(slot, 12) == tlbGeneration && load<u64>(slot) == tag) return (<u64>load<u32>(slot, 8) << 12) | (linear & 0xfff)
  const phys = translate(linear, user ? ACCESS_EXECUTE | ACCESS_USER : ACCESS_EXECUTE)
  if (faulted) return 0
  noteLarge(linear)
  noteFetch(user)
  if (!load<u64>(slot)) {
    if (pages == MOST) {
      forgetFetches()
      slot = fetchSlot(tag)
    }
    pages++
  }
  store<u64>(slot, tag)
  store<u32>(slot, <u32>(phys >> 12), 8)
  store<u32>(slot, tlbGeneration, 12)
  return phys
}

@inline function forgetSlot(linear: u64): void {
  const slot = jumpSlot(linear)
  if (load<u64>(slot) == linear) store<u32>(slot, 0, 12)
}

/** The page of `linear` is walked to anew. */
export function forgetFetch(linear: u64): void {
  const bySupervisor = fetchSlot(fetchTag(linear, false))
  const byUser = fetchSlot(fetchTag(linear, true))
  if (!isCurrent(load<u32>(bySupervisor, 12), false) && !isCurrent(load<u32>(byUser, 12), true)) return
  store<u32>(bySupervisor, 0, 12)
  store<u32>(byUser, 0, 12)
  // Addresses of a page stand in one half of the jump cache.
  const page = linear >> 12
  const first = JUMP_CACHE + (jumpSlot(linear) - JUMP_CACHE & ~(JUMP_CACHE_SIZE / 2 - 1))
  for (let at = first; at < first + JUMP_CACHE_SIZE / 2; at += 16) if (load<u64>(at) >> 12 == page) store<u32>(at, 0, 12)
  // Instructions of the page before that reach into this one.
  for (let before: u64 = 1; before < LONGEST_INSTRUCTION; before++) {
    forgetSlot((page << 12) - before)
    forgetSlot(((page << 12) - before) & 0xffffffff)
  }
}

export function forgetFetches(): void {
  pages = 0
  memory.fill(FETCHED_PAGES, 0, <usize>SLOTS << SLOT_SHIFT)
  memory.fill(JUMP_CACHE, 0, JUMP_CACHE_SIZE)
}
