/**
 * Which bytes of the guest's memory were decoded, and dropping the blocks made from them when they are written: a bit for
 * each byte of a page that has blocks, and the blocks of each page in a chain.
 */
import { OP_SIZE } from './op'
import { breakSoon } from './progress'
import { BLOCK_HASH, JIT_THRESHOLD, PAGE_BLOCKS, PAGE_CODE, PAGE_CODE_MAP, PHYS_MAP } from '../state'

// A block's header has the size of two ops and stands in front of its ops.
export const BLOCK_PHYS: usize = 0 // u64: guest-physical address of its first byte
export const BLOCK_MODE: usize = 8 // u32: MODE it was decoded for; BLOCK_DROPPED when its bytes have changed
export const BLOCK_COUNT: usize = 12 // u32: ops
export const BLOCK_HASH_NEXT: usize = 16 // u32
export const BLOCK_PAGE_NEXT: usize = 20 // u32
export const BLOCK_BYTES: usize = 24 // u32: bytes of code
/** u32: how often it is entered before it is compiled, counted down. */
export const BLOCK_HEAT: usize = 28
export const NEVER_HOT: u32 = 0x7fffffff
/** u32: the function table's index of the compiled region that it is in, or 0; u16: its entry there, and what must hold for it (u8: FLAT_* bits; MODE and bit 7), 0 where it has none. */
export const BLOCK_JIT: usize = 32
export const BLOCK_ENTRY: usize = 36
export const BLOCK_HEADER: usize = 2 * OP_SIZE
/**
 * u32: SOUGHT_* bits where no link leads to it, because more is looked at than where it begins. Bits 31:12 are the physical
 * page that its instruction reaches into.
 */
export const BLOCK_SOUGHT: usize = 40
/** Its first instruction may have a breakpoint: findBlock() alone finds it. */
export const SOUGHT_WATCHED: u32 = 1
/** It is one instruction that crosses into another page, whose translation findBlock() and the jump cache know of. */
export const SOUGHT_CROSSES: u32 = 2
/** u32: ops that there is room for. */
export const BLOCK_ROOM: usize = 44
/** u64: linear address where it was found last; u32: the block that its indirect branch led to last, or 0. Hints for the JIT alone. */
export const BLOCK_LINEAR: usize = 48
export const BLOCK_LED: usize = 56
/** u32: how many of its ops, from the first on, are known to have been executed (`coverage.ts`). */
export const BLOCK_SEEN: usize = 60

export const BLOCK_DROPPED: u32 = 0xffffffff
/** No block, but the bytes of one that lie in this page: BLOCK_LED is the physical address of that one. */
export const BLOCK_TAIL: u32 = 0xfffffffd
/** In its place, from the first: what was fetched is not memory. A device may answer otherwise each time, and counts. */
export const BLOCK_FETCHED: u32 = 0xfffffffe
export const BLOCK_HEADS: u32 = 0x10000

/** Where the chain of the blocks at `phys` begins. */
@inline export function hashSlot(phys: u64): usize {
  const h = <u32>phys ^ (<u32>phys >> 14)
  return BLOCK_HASH + (<usize>(h & (BLOCK_HEADS - 1)) << 2)
}

// ---- room that dropped blocks leave ----

/** The block that was dropped last, by its physical address: u32 each. */
const LEFT: usize = memory.data(0x1000)
const LEFT_SLOTS: u32 = 0x400

@inline function leftSlot(phys: u32): usize {
  return LEFT + (<usize>((phys ^ (phys >> 10)) & (LEFT_SLOTS - 1)) << 2)
}

/**
 * Where a block stood that was made from the bytes at `phys` and was dropped, if `ops` ops fit there; else 0. Code that a
 * program writes anew all the time so stays in the same place, and what leads to it does so again.
 */
export function takeLeft(phys: u32, ops: u32): usize {
  const slot = leftSlot(phys)
  const block = <usize>load<u32>(slot)
  if (!block || load<u32>(block, BLOCK_PHYS) != phys || load<u32>(block, BLOCK_ROOM) < ops) return 0
  store<u32>(slot, 0)
  return block
}

/** The pool is emptied. */
export function forgetLeft(): void {
  memory.fill(LEFT, 0, <usize>LEFT_SLOTS << 2)
}

// ---- which bytes of a page were decoded: a bit each ----

/** Behind the bits, u32: how often blocks of the page were dropped. Compiled code of another page that has copies of them compares it. */
export const CODE_MAP_VERSION: usize = 512
export const CODE_MAP_BYTES: usize = 520

@inline export function codeMap(page: usize): usize {
  return <usize>load<u32>(PAGE_CODE_MAP + (page << 2))
}

/** Whether a block was made from some of `size` bytes (8 at most) at `phys`, within one page. */
@inline export function mayHoldCode(phys: u32, size: u32): bool {
  const map = codeMap(<usize>(phys >> 12))
  const bits = <u32>load<u16>(map + <usize>((phys & 0xfff) >> 3)) >> (phys & 7)
  return map != 0 && (bits & ((1 << size) - 1)) != 0
}

function mapHolds(map: usize, from: u32, to: u32): bool {
  for (let i = from; i < to; ) {
    if (!(i & 63) && i + 64 <= to) {
      if (load<u64>(map + <usize>(i >> 3))) return true
      i += 64
    } else {
      if ((load<u8>(map + <usize>(i >> 3)) >> <u8>(i & 7)) & 1) return true
      i++
    }
  }
  return false
}

export function markCode(map: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const byte = map + <usize>(i >> 3)
    store<u8>(byte, load<u8>(byte) | (<u8>1 << <u8>(i & 7)))
  }
}

function unmarkCode(map: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const byte = map + <usize>(i >> 3)
    store<u8>(byte, load<u8>(byte) & ~(<u8>1 << <u8>(i & 7)))
  }
}

/** `size` bytes at `phys` (within one page) were written: the blocks made from them go. */
export function dropCode(phys: u32, size: u32): void {
  const page = <usize>(phys >> 12)
  const map = codeMap(page)
  if (!map || !mapHolds(map, phys & 0xfff, (phys & 0xfff) + size)) return
  // The bytes of the blocks that go, which blocks that stay may share.
  let from: u32 = 0x1000
  let to: u32 = 0
  let previous = PAGE_BLOCKS + (page << 2)
  let block = <usize>load<u32>(previous)
  while (block) {
    const next = <usize>load<u32>(block, BLOCK_PAGE_NEXT)
    const start = load<u32>(block, BLOCK_PHYS)
    const bytes = load<u32>(block, BLOCK_BYTES)
    if (phys < start + bytes && phys + size > start) {
      store<u32>(previous, <u32>next)
      if (load<u32>(block, BLOCK_MODE) == BLOCK_TAIL) dropCode(load<u32>(block, BLOCK_LED), 1)
      else {
        forgetRegion(block, page)
        unhash(block)
        store<u32>(leftSlot(start), <u32>block)
      }
      store<u32>(block, BLOCK_DROPPED, BLOCK_MODE)
      from = min<u32>(from, start & 0xfff)
      to = max<u32>(to, min<u32>((start & 0xfff) + bytes, 0x1000))
    } else previous = block + BLOCK_PAGE_NEXT
    block = next
  }
  unmarkCode(map, from, to)
  store<u32>(map, load<u32>(map, CODE_MAP_VERSION) + 1, CODE_MAP_VERSION)
  block = <usize>load<u32>(PAGE_BLOCKS + (page << 2))
  if (!block) {
    const entry = PHYS_MAP + (page << 2)
    store<u32>(entry, load<u32>(entry) & ~PAGE_CODE)
  }
  while (block) {
    const start = load<u32>(block, BLOCK_PHYS) & 0xfff
    markCode(map, max<u32>(start, from), min<u32>(start + load<u32>(block, BLOCK_BYTES), to))
    block = <usize>load<u32>(block, BLOCK_PAGE_NEXT)
  }
  breakSoon()
}

/** The compiled region that `block` is in holds for none of its blocks any longer; they are all of one page. */
function forgetRegion(block: usize, page: usize): void {
  const region = load<u32>(block, BLOCK_JIT)
  if (!region) return
  store<u64>(block, 0, BLOCK_JIT)
  let other = <usize>load<u32>(PAGE_BLOCKS + (page << 2))
  while (other) {
    if (load<u32>(other, BLOCK_JIT) == region) {
      store<u64>(other, 0, BLOCK_JIT)
      // Code that changes again and again is not worth it.
      store<u32>(other, load<u32>(JIT_THRESHOLD) << 2, BLOCK_HEAT)
    }
    other = <usize>load<u32>(other, BLOCK_PAGE_NEXT)
  }
}

function unhash(block: usize): void {
  let link = hashSlot(load<u64>(block, BLOCK_PHYS))
  while (<usize>load<u32>(link) != block) link = <usize>load<u32>(link) + BLOCK_HASH_NEXT
  store<u32>(link, load<u32>(block, BLOCK_HASH_NEXT))
}

/** The blocks go that were made from the byte at `offset` of any page. */
export function dropAtOffset(offset: u32): void {
  for (let page: usize = 0; page < 0x100000; page += 2) {
    if (!load<u64>(PAGE_BLOCKS + (page << 2))) continue
    dropCode((<u32>page << 12) | offset, 1)
    dropCode((<u32>(page + 1) << 12) | offset, 1)
  }
}

/** Host side: bytes of RAM changed from outside. Any length. */
export function dropRange(phys: u32, length: u32): void {
  let at = phys
  let left = length
  while (left) {
    const n = min<u32>(left, 0x1000 - (at & 0xfff))
    if (load<u32>(PHYS_MAP + (<usize>(at >> 12) << 2)) & PAGE_CODE) dropCode(at, n)
    at += n
    left -= n
  }
}
