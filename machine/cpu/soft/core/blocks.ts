/**
 * Decoded blocks: kept by physical address and mode, found by linear address through the jump cache, dropped when the
 * bytes they were made from are written.
 */
import { decodeBlock } from './decode'
import { refuse } from './fault'
import { REFUSED_CANONICAL, REFUSED_LIMIT } from './fault-log'
import { nonCanonical } from './memory'
import { ACCESS_EXECUTE, ACCESS_USER, translate } from './page-walk'
import { physMap } from './physical'
import { flushWriteTlb, tlbGeneration } from './tlb'
import { OP_SIZE } from './op'
import { breakSoon } from './run'
import {
  BLOCK_HASH, CODE_POOL, CODE_POOL_END, CPL, CS, EX_GP, JUMP_CACHE, MODE, MODE_CODE64, MODE_CS_LIMIT, PAGE_BLOCKS,
  PAGE_CODE, PAGE_CODE_MAP, PHYS_MAP, RIP, SEG_BASE, SEG_LIMIT,
} from './state'

// A block's header has the size of an op and stands in front of its ops.
export const BLOCK_PHYS: usize = 0 // u64: guest-physical address of its first byte
export const BLOCK_MODE: usize = 8 // u32: MODE it was decoded for; BLOCK_DROPPED when its bytes have changed
export const BLOCK_COUNT: usize = 12 // u32: ops
export const BLOCK_HASH_NEXT: usize = 16 // u32
export const BLOCK_PAGE_NEXT: usize = 20 // u32
export const BLOCK_BYTES: usize = 24 // u32: bytes of code
export const BLOCK_HEADER: usize = OP_SIZE

export const BLOCK_DROPPED: u32 = 0xffffffff
/** Ops of the longest block. */
export const MAX_OPS: u32 = 64
const BLOCK_ROOM: usize = BLOCK_HEADER + (<usize>MAX_OPS + 1) * OP_SIZE

const BLOCK_HEADS: u32 = 0x10000
const JUMP_ENTRIES: u64 = 8192

let pool: usize = CODE_POOL
let codeMaps: usize = CODE_POOL_END
/** Grows whenever the pool is emptied: addresses of blocks and ops from before are no longer theirs. */
export let poolGeneration: u32 = 0

@inline function hashSlot(phys: u64): usize {
  const h = <u32>phys ^ (<u32>phys >> 14)
  return BLOCK_HASH + (<usize>(h & (BLOCK_HEADS - 1)) << 2)
}

@inline export function jumpSlot(linear: u64): usize {
  return JUMP_CACHE + (<usize>((linear ^ (linear >> 13)) & (JUMP_ENTRIES - 1)) << 4)
}

/** Linear address of offset `ip` in CS, whose base 64-bit code does not have. */
@inline export function codeLinear(ip: u64): u64 {
  return load<u32>(MODE) & MODE_CODE64 ? ip : (load<u64>(CS, SEG_BASE) + ip) & 0xffffffff
}

/** Where CS has a limit: whether all of `block`, begun at `ip`, lies within it. Other segments may show the same bytes. */
@inline function fits(block: usize, ip: u64): bool {
  return !(load<u32>(MODE) & MODE_CS_LIMIT) || ip + load<u32>(block, BLOCK_BYTES) - 1 <= <u64>load<u32>(CS, SEG_LIMIT)
}

/** The block at CS:`ip`, which is `linear`, from the jump cache, or 0. */
@inline export function cachedBlock(linear: u64, ip: u64): usize {
  const slot = jumpSlot(linear)
  if (load<u64>(slot) != linear || load<u32>(slot, 12) != tlbGeneration) return 0
  const block = <usize>load<u32>(slot, 8)
  return load<u32>(block, BLOCK_MODE) == load<u32>(MODE) && fits(block, ip) ? block : 0
}

/** Raises #GP where no instruction can begin: the end of CS comes before what its pages say. */
function checkFetch(ip: u64): void {
  const mode = load<u32>(MODE)
  if (mode & MODE_CODE64) {
    if (nonCanonical(ip)) refuse(EX_GP, 0, REFUSED_CANONICAL, CS, ip, 2)
  } else if (ip > <u64>load<u32>(CS, SEG_LIMIT)) refuse(EX_GP, 0, REFUSED_LIMIT, CS, ip, 2)
}

/** The block at CS:RIP, decoded if need be; raises what the fetch raises. */
export function findBlock(): usize {
  const ip = load<u64>(RIP)
  const linear = codeLinear(ip)
  let block = cachedBlock(linear, ip)
  if (block) return block
  checkFetch(ip)
  const phys = translate(linear, load<u32>(CPL) == 3 ? ACCESS_EXECUTE | ACCESS_USER : ACCESS_EXECUTE)
  const mode = load<u32>(MODE)
  block = load<u32>(hashSlot(phys))
  while (block) {
    if (load<u64>(block, BLOCK_PHYS) == phys && load<u32>(block, BLOCK_MODE) == mode && fits(block, ip)) break
    block = load<u32>(block, BLOCK_HASH_NEXT)
  }
  if (!block) {
    if (pool + BLOCK_ROOM + CODE_MAP_BYTES > codeMaps) dropEverything()
    block = pool
    const cached = decodeBlock(block, linear, phys)
    // An instruction that crosses a page, and code whose bytes change untold, is decoded afresh each time.
    if (!cached) return block
    pool += BLOCK_HEADER + <usize>load<u32>(block, BLOCK_COUNT) * OP_SIZE
    enterBlock(block, phys)
  }
  const slot = jumpSlot(linear)
  store<u64>(slot, linear)
  store<u32>(slot, <u32>block, 8)
  store<u32>(slot, tlbGeneration, 12)
  return block
}

// ---- which bytes of a page were decoded: a bit each ----

const CODE_MAP_BYTES: usize = 512

@inline function codeMap(page: usize): usize {
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

function markCode(map: usize, from: u32, to: u32): void {
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

function enterBlock(block: usize, phys: u64): void {
  const head = hashSlot(phys)
  store<u32>(block, load<u32>(head), BLOCK_HASH_NEXT)
  store<u32>(head, <u32>block)
  const page = <usize>(<u32>phys >> 12)
  store<u32>(block, load<u32>(PAGE_BLOCKS + (page << 2)), BLOCK_PAGE_NEXT)
  store<u32>(PAGE_BLOCKS + (page << 2), <u32>block)
  let map = codeMap(page)
  if (!map) {
    codeMaps -= CODE_MAP_BYTES
    map = codeMaps
    memory.fill(map, 0, CODE_MAP_BYTES)
    store<u32>(PAGE_CODE_MAP + (page << 2), <u32>map)
  }
  const start = <u32>phys & 0xfff
  markCode(map, start, start + load<u32>(block, BLOCK_BYTES))
  const entry = physMap(phys)
  if (!(entry & PAGE_CODE)) {
    store<u32>(PHYS_MAP + (page << 2), entry | PAGE_CODE)
    flushWriteTlb()
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
      store<u32>(block, BLOCK_DROPPED, BLOCK_MODE)
      unhash(block)
      store<u32>(previous, <u32>next)
      from = min<u32>(from, start & 0xfff)
      to = max<u32>(to, (start & 0xfff) + bytes)
    } else previous = block + BLOCK_PAGE_NEXT
    block = next
  }
  unmarkCode(map, from, to)
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

function unhash(block: usize): void {
  let link = hashSlot(load<u64>(block, BLOCK_PHYS))
  while (<usize>load<u32>(link) != block) link = <usize>load<u32>(link) + BLOCK_HASH_NEXT
  store<u32>(link, load<u32>(block, BLOCK_HASH_NEXT))
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

/** Drops every block: the pool is full, or the memory map changed. */
export function dropEverything(): void {
  // The blocks stand one behind the other in the pool.
  for (let block = CODE_POOL; block < pool; ) {
    const page = <usize>(load<u32>(block, BLOCK_PHYS) >> 12)
    store<u32>(PAGE_BLOCKS + (page << 2), 0)
    store<u32>(PAGE_CODE_MAP + (page << 2), 0)
    const map = PHYS_MAP + (page << 2)
    store<u32>(map, load<u32>(map) & ~PAGE_CODE)
    block += BLOCK_HEADER + <usize>load<u32>(block, BLOCK_COUNT) * OP_SIZE
  }
  pool = CODE_POOL
  codeMaps = CODE_POOL_END
  poolGeneration++
  memory.fill(BLOCK_HASH, 0, BLOCK_HEADS << 2)
  memory.fill(JUMP_CACHE, 0, <usize>JUMP_ENTRIES << 4)
  breakSoon()
}
