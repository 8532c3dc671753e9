/**
 * Decoded blocks: kept by physical address and mode, found by linear address through the jump cache, dropped when the
 * bytes they were made from are written (`code-map.ts`).
 */
import {
  BLOCK_BYTES, BLOCK_COUNT, BLOCK_DROPPED, BLOCK_HASH_NEXT, BLOCK_HEADER, BLOCK_HEADS, BLOCK_HEAT, BLOCK_LED, BLOCK_LINEAR,
  BLOCK_MODE, BLOCK_PAGE_NEXT, BLOCK_PHYS, BLOCK_ROOM, BLOCK_SOUGHT, BLOCK_TAIL, CODE_MAP_BYTES, NEVER_HOT, SOUGHT_CROSSES,
  SOUGHT_WATCHED, codeMap, forgetLeft, hashSlot, markCode, takeLeft,
} from './code-map'
import { forgetSeen, settle } from './coverage'
import { faulted } from '../system/aftermath'
import { checkInstructionBreakpoint, isWatched } from '../system/debug'
import { MAX_OPS, crossed, decodeBlock, secondPhys } from './decode'
import { refuse } from '../system/fault'
import { REFUSED_CANONICAL, REFUSED_LIMIT } from '../system/fault-log'
import { fetchAddress } from './fetch'
import { nonCanonical } from '../memory/memory'
import { physMap } from '../memory/physical'
import { pageHoldsCode, tlbGeneration } from '../memory/tlb'
import { OP_SIZE } from './op'
import { breakSoon } from './progress'
import {
  BLOCK_HASH, CODE_POOL, CODE_POOL_END, COVERAGE, CS, EX_GP, JUMP_CACHE, JUMP_CACHE_SIZE, MODE, MODE_CODE64, MODE_CS_LIMIT, MODE_USER, PAGE_BLOCKS,
  PAGE_CODE, PAGE_CODE_MAP, PHYS_MAP, RIP, SEG_BASE, SEG_LIMIT,
} from '../state'

const LARGEST: usize = BLOCK_HEADER + (<usize>MAX_OPS + 1) * OP_SIZE

const JUMP_ENTRIES: u64 = 8192

let pool: usize = CODE_POOL
let codeMaps: usize = CODE_POOL_END
/** Grows whenever the pool is emptied: addresses of blocks and ops from before are no longer theirs. */
export let poolGeneration: u32 = 0

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

@inline function isBlock(block: usize, phys: u64, mode: u32, ip: u64): bool {
  return load<u64>(block, BLOCK_PHYS) == phys && load<u32>(block, BLOCK_MODE) == mode && fits(block, ip)
}

/** The block at CS:`ip`, which is `linear`, from the jump cache, or 0. */
@inline export function cachedBlock(linear: u64, ip: u64): usize {
  const slot = jumpSlot(linear)
  if (load<u64>(slot) != linear || load<u32>(slot, 12) != tlbGeneration) return 0
  const block = <usize>load<u32>(slot, 8)
  return load<u32>(block, BLOCK_MODE) == load<u32>(MODE) && fits(block, ip) ? block : 0
}

/** Linear address of the page behind that of `linear`. */
@inline function nextPage(linear: u64): u64 {
  const next = (linear | 0xfff) + 1
  return load<u32>(MODE) & MODE_CODE64 ? next : next & 0xffffffff
}

/** Whether the page into which the instruction of `block` reaches is where it was; the fetch from it may have `faulted`. */
function goesOn(block: usize, linear: u64): bool {
  const sought = load<u32>(block, BLOCK_SOUGHT)
  if (!(sought & SOUGHT_CROSSES)) return true
  const next = nextPage(linear)
  if (load<u32>(MODE) & MODE_CODE64 && nonCanonical(next)) return false
  return fetchAddress(next) == <u64>(sought & ~0xfff) && !faulted
}

/** Raises #GP where no instruction can begin: the end of CS comes before what its pages say. */
function checkFetch(ip: u64): void {
  const mode = load<u32>(MODE)
  if (mode & MODE_CODE64) {
    if (nonCanonical(ip)) refuse(EX_GP, 0, REFUSED_CANONICAL, CS, ip, 2)
  } else if (ip > <u64>load<u32>(CS, SEG_LIMIT)) refuse(EX_GP, 0, REFUSED_LIMIT, CS, ip, 2)
}

/** What is found where the fetch has faulted; nothing enters it. */
const NO_BLOCK: usize = memory.data(<i32>BLOCK_HEADER, 16)

function noBlock(): usize {
  store<u32>(NO_BLOCK, BLOCK_DROPPED, BLOCK_MODE)
  return NO_BLOCK
}

/** The block at CS:RIP, decoded if need be; raises what the fetch raises, or is NO_BLOCK. */
export function findBlock(): usize {
  const ip = load<u64>(RIP)
  const linear = codeLinear(ip)
  let block = cachedBlock(linear, ip)
  if (block) return block
  const watched = isWatched(linear)
  if (watched) checkInstructionBreakpoint(linear)
  checkFetch(ip)
  const phys = fetchAddress(linear)
  if (faulted) return noBlock()
  const mode = load<u32>(MODE)
  const slot = jumpSlot(linear)
  // Mostly the page is where it was before translations were forgotten.
  if (load<u64>(slot) == linear) block = load<u32>(slot, 8)
  if (!block || !isBlock(block, phys, mode, ip)) block = load<u32>(hashSlot(phys))
  while (block && !(isBlock(block, phys, mode, ip) && goesOn(block, linear))) {
    if (faulted) return noBlock()
    block = load<u32>(block, BLOCK_HASH_NEXT)
  }
  if (!block) {
    settle()
    if (pool + LARGEST + BLOCK_HEADER + 2 * CODE_MAP_BYTES > codeMaps) dropEverything()
    block = pool
    const cached = decodeBlock(block, linear, phys)
    if (faulted) return noBlock()
    // Code whose bytes change untold is decoded afresh each time.
    if (!cached) return block
    block = place(block, phys)
    const sought = (watched ? SOUGHT_WATCHED : 0) | (crossed ? <u32>secondPhys | SOUGHT_CROSSES : 0)
    store<u32>(block, sought, BLOCK_SOUGHT)
    if (watched && !load<u32>(COVERAGE)) store<u32>(block, NEVER_HOT, BLOCK_HEAT)
    enterBlock(block, phys)
    if (crossed) enterTail(block, <u32>phys, <u32>secondPhys)
  } else if (load<u32>(COVERAGE) && !(mode & MODE_USER) && load<u64>(block, BLOCK_LINEAR) != linear) forgetSeen(block)
  store<u64>(block, linear, BLOCK_LINEAR)
  if (watched) return block
  store<u64>(slot, linear)
  store<u32>(slot, <u32>block, 8)
  store<u32>(slot, tlbGeneration, 12)
  return block
}

/** Where a block that was decoded at the pool's end is kept. */
function place(block: usize, phys: u64): usize {
  const ops = load<u32>(block, BLOCK_COUNT)
  const bytes = BLOCK_HEADER + <usize>ops * OP_SIZE
  const left = takeLeft(<u32>phys, ops)
  if (left) {
    const room = load<u32>(left, BLOCK_ROOM)
    memory.copy(left, block, bytes)
    store<u32>(left, room, BLOCK_ROOM)
    return left
  }
  store<u32>(block, ops, BLOCK_ROOM)
  pool += bytes
  return block
}

function enterBlock(block: usize, phys: u64): void {
  const head = hashSlot(phys)
  store<u32>(block, load<u32>(head), BLOCK_HASH_NEXT)
  store<u32>(head, <u32>block)
  enterInPage(block, phys)
}

/** What of `block`, which begins at `phys`, lies in the page `second` is told there: where it is written, the block goes. */
function enterTail(block: usize, phys: u32, second: u32): void {
  const bytes = (phys & 0xfff) + load<u32>(block, BLOCK_BYTES) - 0x1000
  let tail = <usize>load<u32>(PAGE_BLOCKS + (<usize>(second >> 12) << 2))
  while (tail) {
    const known = load<u32>(tail, BLOCK_MODE) == BLOCK_TAIL && load<u32>(tail, BLOCK_LED) == phys
    if (known && load<u32>(tail, BLOCK_BYTES) == bytes) return
    tail = load<u32>(tail, BLOCK_PAGE_NEXT)
  }
  tail = pool
  pool += BLOCK_HEADER
  memory.fill(tail, 0, BLOCK_HEADER)
  store<u64>(tail, second, BLOCK_PHYS)
  store<u32>(tail, BLOCK_TAIL, BLOCK_MODE)
  store<u32>(tail, bytes, BLOCK_BYTES)
  store<u32>(tail, phys, BLOCK_LED)
  enterInPage(tail, second)
}

function enterInPage(block: usize, phys: u64): void {
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
  markCode(map, start, min<u32>(start + load<u32>(block, BLOCK_BYTES), 0x1000))
  const entry = physMap(phys)
  if (!(entry & PAGE_CODE)) {
    store<u32>(PHYS_MAP + (page << 2), entry | PAGE_CODE)
    pageHoldsCode()
  }
}

/** Drops every block: the pool is full, or the memory map changed. */
export function dropEverything(): void {
  settle()
  // The blocks stand one behind the other in the pool.
  for (let block = CODE_POOL; block < pool; ) {
    const page = <usize>(load<u32>(block, BLOCK_PHYS) >> 12)
    store<u32>(PAGE_BLOCKS + (page << 2), 0)
    store<u32>(PAGE_CODE_MAP + (page << 2), 0)
    const map = PHYS_MAP + (page << 2)
    store<u32>(map, load<u32>(map) & ~PAGE_CODE)
    block += BLOCK_HEADER + <usize>load<u32>(block, BLOCK_ROOM) * OP_SIZE
  }
  pool = CODE_POOL
  codeMaps = CODE_POOL_END
  forgetLeft()
  poolGeneration++
  memory.fill(BLOCK_HASH, 0, BLOCK_HEADS << 2)
  memory.fill(JUMP_CACHE, 0, JUMP_CACHE_SIZE)
  breakSoon()
}
