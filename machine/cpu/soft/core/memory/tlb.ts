/**
 * The TLBs: which linear pages can be read and written at once, and where in the arena they are. Each CPU has a bank of them,
 * with one for reads and one for writes by supervisor, user, and supervisor with SMAP lifted.
 */
import { dataBreakpoints, isWatchedPage, pagesAreWatched } from '../system/debug'
import { faulted } from '../system/aftermath'
import { forgetFetch, forgetFetches } from '../execute/fetch'
import { ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, translate, walkedBits, walkedDirty, walkedGlobal, walkedWrite } from './page-walk'
import { physMap } from './physical'
import { breakSoon } from '../execute/progress'
import {
  CPL, CR0, CR0_AM, CR4, CR4_PGE, CR4_SMAP, FLAG_AC, PAGE_CODE, PAGE_RAM, RFLAGS, TLB_BANKS, TLB_BANK_COUNT,
  TLB_BANK_SIZE, TLB_READ_LIFTED, TLB_READ_SUPER, TLB_READ_USER, TLB_WRITE_LIFTED, TLB_WRITE_SUPER, TLB_WRITE_USER,
} from '../state'

const TLB_ENTRIES: u64 = 1024
const TLB_ENTRY_SHIFT: usize = 4
export const PAGE_MASK: u64 = ~0xfff

/** The executing CPU's TLBs, and its number. */
let bank: usize = TLB_BANKS
export let bankNumber: u32 = 0
/** Those of its present privilege level. */
export let tlbRead: usize = TLB_BANKS + TLB_READ_SUPER
export let tlbWrite: usize = TLB_BANKS + TLB_WRITE_SUPER
/** The supervisor's, whatever the privilege level. */
export let tlbReadSuper: usize = TLB_BANKS + TLB_READ_SUPER
export let tlbWriteSuper: usize = TLB_BANKS + TLB_WRITE_SUPER
/** Something may have been entered in the TLBs of a lifted SMAP: most guests never do. */
let liftedUsed: bool = true
/**
 * What remembers where code is (the jump cache) compares it: it is another one with every flush, every CPU, and for the user and
 * the supervisor, whose code mostly stays where it is when CR3 is loaded.
 */
export let tlbGeneration: u32 = 1
let userGeneration: u32 = 1
let supervisorGeneration: u32 = 1
let lastGeneration: u32 = 1
/** The supervisor has fetched from a page that is not global, in its present generation. */
let supervisorIsLocal: bool = true

// What a bank keeps while another CPU has its turn, u32 each: BANK_ bits, and its generations.
const BANK_NOTES: usize = memory.data(<i32>TLB_BANK_COUNT * 16)
const NOTES_SHIFT: usize = 4
const NOTE_USER_GENERATION: usize = 4
const NOTE_SUPERVISOR_GENERATION: usize = 8
const BANK_LIFTED_USED: u32 = 1
/** What its CPU is to do before its next instruction: flushTlb(), tagCode(). */
const BANK_FLUSH: u32 = 2
const BANK_TAG_CODE: u32 = 4
const BANK_SUPERVISOR_IS_LOCAL: u32 = 8

// Large pages are entered in pieces of 4 KiB. Which ones were, since a CPU's last flush, is a bit each of a small map, which
// may be another's as well: INVLPG of such a page is to forget all its pieces, wherever they are.
const LARGE_MAP_BYTES: usize = 512
const LARGE_MAPS: usize = memory.data(<i32>TLB_BANK_COUNT * 512)
/** Sizes of pages by the bits of an address within them, which have been entered: bits 21, 22 and 30. */
let largeSizes: u32 = 0
/** The other CPUs' of it, u32 each. */
const LARGE_SIZES: usize = memory.data(<i32>TLB_BANK_COUNT * 4)

@inline function largeBit(linear: u64, bits: u64): u32 {
  return <u32>(((linear >> bits) * 0x9e3779b97f4a7c15 + bits) >> 52)
}

/** The page of `linear`, which was walked to just now, is remembered in pieces. */
export function noteLarge(linear: u64): void {
  if (walkedBits == 12) return
  const bit = largeBit(linear, walkedBits)
  const byte = LARGE_MAPS + <usize>bankNumber * LARGE_MAP_BYTES + <usize>(bit >> 3)
  store<u8>(byte, load<u8>(byte) | (<u8>1 << <u8>(bit & 7)))
  largeSizes |= 1 << <u32>walkedBits
}

function mayBeLarge(linear: u64, bits: u64): bool {
  if (!(largeSizes & (1 << <u32>bits))) return false
  const bit = largeBit(linear, bits)
  return ((load<u8>(LARGE_MAPS + <usize>bankNumber * LARGE_MAP_BYTES + <usize>(bit >> 3)) >> <u8>(bit & 7)) & 1) != 0
}

// Which entries were filled since a CPU's last load of CR3, in any of its TLBs and not globally, while they are few: such a
// load looks at no others.
const MOST_FILLED: u32 = 256
/** Their numbers, u16 each. */
const FILLED: usize = memory.data(<i32>TLB_BANK_COUNT * 512)
/** How many there are; more than MOST_FILLED, and any may be. */
let filled: u32 = MOST_FILLED + 1
/** The other CPUs' of it, u32 each. */
const FILLED_COUNTS: usize = memory.data(<i32>TLB_BANK_COUNT * 4)

@inline function noteFilled(entry: usize): void {
  if (filled < MOST_FILLED) store<u16>(FILLED + ((<usize>bankNumber * MOST_FILLED + filled) << 1), <u16>(entry >> TLB_ENTRY_SHIFT))
  if (filled <= MOST_FILLED) filled++
}

/** The entry of `table` where `linear` belongs. */
@inline export function tlbEntry(table: usize, linear: u64): usize {
  return table + (<usize>((linear >> 12) & (TLB_ENTRIES - 1)) << TLB_ENTRY_SHIFT)
}

/** Whether the entry has the page of `size` bytes at `linear`; not where they reach into the next one. */
@inline export function tlbHits(entry: usize, linear: u64, size: u64): bool {
  return ((linear + (size - 1)) & PAGE_MASK) == load<u64>(entry)
}

/** The same for an entry of the write TLBs, though the page hold code. */
@inline export function tlbKnows(entry: usize, linear: u64, size: u64): bool {
  return ((linear + (size - 1)) & PAGE_MASK) == (load<u64>(entry) & ~TAG_CODE)
}

/** Where in the arena they are then. */
@inline export function tlbPlace(entry: usize, linear: u64): usize {
  return <u32>linear + load<u32>(entry, 8)
}

/** Something may have been entered that is global: many guests never do. */
let globalUsed: bool = true
/** Something may have been entered in the user's TLBs. */
let userUsed: bool = true

/** A table that has nothing: while it stands in for a TLB every access takes the slow path. */
const NOTHING: usize = memory.data(0x4000)
let writesHidden: bool = false
/** What `tlbWrite` and `tlbWriteSuper` are when nothing is hidden. */
export let tlbWriteShown: usize = TLB_BANKS + TLB_WRITE_SUPER
export let tlbWriteSuperShown: usize = TLB_BANKS + TLB_WRITE_SUPER

/** For spin.ts: until further notice every write is to be seen. */
export function hideWriteTlb(hide: bool): void {
  writesHidden = hide
  privilegeChanged()
}

/** For aftermath.ts: until privilegeChanged() the executing instruction has no translations, and finds no place to write to. */
export function hideTlbs(): void {
  tlbRead = tlbWrite = tlbWriteShown = NOTHING
}

@inline function showWrites(table: usize): void {
  tlbWriteShown = table
  tlbWrite = writesHidden ? NOTHING : table
  tlbWriteSuperShown = bank + TLB_WRITE_SUPER
  tlbWriteSuper = writesHidden ? NOTHING : tlbWriteSuperShown
}

/** To be called whenever CPL, EFLAGS.AC or CR4.SMAP changes; CR0.AM changes at CPL 0 only. */
export function privilegeChanged(): void {
  const isUser = load<u32>(CPL) == 3
  tlbGeneration = isUser ? userGeneration : supervisorGeneration
  if (isUser) {
    // While alignment is checked the user's TLBs stay empty, however the check was switched on.
    if (userUsed && alignmentChecked()) {
      memory.fill(bank + TLB_READ_USER, 0xff, 0x4000)
      memory.fill(bank + TLB_WRITE_USER, 0xff, 0x4000)
      userUsed = false
    }
    tlbRead = bank + TLB_READ_USER
    showWrites(bank + TLB_WRITE_USER)
  } else if (smapLifted()) {
    tlbRead = bank + TLB_READ_LIFTED
    showWrites(bank + TLB_WRITE_LIFTED)
  } else {
    tlbRead = bank + TLB_READ_SUPER
    showWrites(bank + TLB_WRITE_SUPER)
  }
}

@inline function notesOf(cpuBank: usize): usize {
  return BANK_NOTES + (((cpuBank - TLB_BANKS) / TLB_BANK_SIZE) << NOTES_SHIFT)
}

/** Once: what lies in the banks means nothing yet. */
export function initializeTlbs(): void {
  noteForOthers(BANK_LIFTED_USED | BANK_FLUSH)
  for (let i: usize = 0; i < TLB_BANK_COUNT; i++) store<u32>(FILLED_COUNTS + (i << 2), MOST_FILLED + 1)
  memory.fill(NOTHING, 0xff, 0x4000)
}

/** CPU `cpu` executes from now on, with TLBs of its own. `privilegeChanged()` is to follow. */
export function selectTlb(cpu: u32): void {
  const old = notesOf(bank)
  // What is to be done for others was noted while this one executed; its own it did at once.
  store<u32>(old, (liftedUsed ? BANK_LIFTED_USED : 0) | (supervisorIsLocal ? BANK_SUPERVISOR_IS_LOCAL : 0))
  store<u32>(old, userGeneration, NOTE_USER_GENERATION)
  store<u32>(old, supervisorGeneration, NOTE_SUPERVISOR_GENERATION)
  store<u32>(LARGE_SIZES + (<usize>bankNumber << 2), largeSizes)
  store<u32>(FILLED_COUNTS + (<usize>bankNumber << 2), filled)
  bank = TLB_BANKS + <usize>cpu * TLB_BANK_SIZE
  bankNumber = cpu
  largeSizes = load<u32>(LARGE_SIZES + (<usize>cpu << 2))
  filled = load<u32>(FILLED_COUNTS + (<usize>cpu << 2))
  tlbReadSuper = bank + TLB_READ_SUPER
  tlbWriteSuper = bank + TLB_WRITE_SUPER
  const notes = notesOf(bank)
  userGeneration = load<u32>(notes, NOTE_USER_GENERATION)
  supervisorGeneration = load<u32>(notes, NOTE_SUPERVISOR_GENERATION)
  const bits = load<u32>(notes)
  liftedUsed = (bits & BANK_LIFTED_USED) != 0
  supervisorIsLocal = (bits & BANK_SUPERVISOR_IS_LOCAL) != 0
  userUsed = globalUsed = true
  if (bits & BANK_FLUSH) flushTlb()
  else if (bits & BANK_TAG_CODE) tagCode()
}

/** All CPUs but the executing one have something to do when their turn comes. */
function noteForOthers(bits: u32): void {
  for (let i: u32 = 0; i < TLB_BANK_COUNT; i++) {
    const notes = BANK_NOTES + (<usize>i << NOTES_SHIFT)
    store<u32>(notes, load<u32>(notes) | bits)
  }
}

/** SMAP is on and EFLAGS.AC lets the supervisor at user pages all the same: these translations hold only so long. */
@inline function smapLifted(): bool {
  return (load<u32>(CR4) & CR4_SMAP) != 0 && (load<u32>(RFLAGS) & FLAG_AC) != 0
}

@inline function empty(entry: usize, table: usize): void {
  store<u64>(entry + table, u64.MAX_VALUE)
}

function emptyAll(entry: usize): void {
  empty(entry, TLB_READ_SUPER)
  empty(entry, TLB_READ_USER)
  empty(entry, TLB_WRITE_SUPER)
  empty(entry, TLB_WRITE_USER)
  empty(entry, TLB_READ_LIFTED)
  empty(entry, TLB_WRITE_LIFTED)
}

/** The entry of the `n`th that was filled. */
@inline function filledEntry(n: u32): usize {
  return bank + (<usize>load<u16>(FILLED + ((<usize>bankNumber * MOST_FILLED + n) << 1)) << TLB_ENTRY_SHIFT)
}

/** Forgets every translation of this CPU: CR0.PG/WP, CR4 paging bits, EFER.NXE changed. */
export function flushTlb(): void {
  if (globalUsed || filled > MOST_FILLED) {
    memory.fill(bank, 0xff, 0x10000)
    if (liftedUsed) memory.fill(bank + TLB_READ_LIFTED, 0xff, 0x8000)
  } else for (let n: u32 = 0; n < filled; n++) emptyAll(filledEntry(n))
  filled = 0
  liftedUsed = userUsed = globalUsed = false
  memory.fill(LARGE_MAPS + <usize>bankNumber * LARGE_MAP_BYTES, 0, LARGE_MAP_BYTES)
  largeSizes = 0
  // Never another CPU's, whose addresses mean something else.
  userGeneration = ++lastGeneration
  renewSupervisor()
}

/** No code of the supervisor's is known any longer. */
function renewSupervisor(): void {
  supervisorGeneration = ++lastGeneration
  supervisorIsLocal = false
  tlbGeneration = load<u32>(CPL) == 3 ? userGeneration : supervisorGeneration
}

/** The executing code's privilege level fetches from the page that was walked to just now. */
@inline export function noteFetch(user: bool): void {
  if (!user && !walkedGlobal) supervisorIsLocal = true
}

/** Whether what was known of the page is still so, by the generation that was noted then. */
@inline export function isCurrent(generation: u32, user: bool): bool {
  return generation == (user ? userGeneration : supervisorGeneration)
}

/** Empties an entry of one TLB that no load of CR3 leaves alone. */
@inline function emptyLocal(entry: usize, table: usize): void {
  if (!(load<u32>(entry + table, 12) & GLOBAL)) empty(entry, table)
}

function emptyAllLocal(entry: usize): void {
  emptyLocal(entry, TLB_READ_SUPER)
  emptyLocal(entry, TLB_READ_USER)
  emptyLocal(entry, TLB_WRITE_SUPER)
  emptyLocal(entry, TLB_WRITE_USER)
  emptyLocal(entry, TLB_READ_LIFTED)
  emptyLocal(entry, TLB_WRITE_LIFTED)
}

/** CR3 was loaded: translations of global pages stay (Intel SDM vol. 3, 4.10.2.4). */
export function flushLocal(): void {
  if (!(load<u32>(CR4) & CR4_PGE) || !globalUsed) {
    flushTlb()
    return
  }
  const every = filled > MOST_FILLED
  const count: u32 = every ? <u32>TLB_ENTRIES : filled
  for (let n: u32 = 0; n < count; n++) emptyAllLocal(every ? bank + (<usize>n << TLB_ENTRY_SHIFT) : filledEntry(n))
  filled = 0
  userGeneration = ++lastGeneration
  if (supervisorIsLocal) renewSupervisor()
  else if (load<u32>(CPL) == 3) tlbGeneration = userGeneration
}

/**
 * Forgets every translation of all CPUs: A20 or the memory map changed, the machine is saved. Where an instruction did it
 * (a port write), the next one is fetched anew, though its block has it.
 */
export function flushAllTlbs(): void {
  breakSoon()
  forgetFetches()
  flushTlb()
  noteForOthers(BANK_FLUSH)
}

/** INVLPG: forgets the page of `linear`. */
export function flushPage(linear: u64): void {
  if (mayBeLarge(linear, 21) || mayBeLarge(linear, 22) || mayBeLarge(linear, 30)) {
    flushTlb()
    return
  }
  emptyAll(tlbEntry(bank, linear))
  forgetFetch(linear)
}

/**
 * Code was decoded from a page that was not code before: it may not be written without the slow path seeing it. Its
 * translations stay: when a guest's page tables are walked must not depend on what is decoded.
 */
export function pageHoldsCode(): void {
  tagCode()
  noteForOthers(BANK_TAG_CODE)
}

function tagCode(): void {
  tagCodeIn(bank + TLB_WRITE_SUPER)
  if (userUsed) tagCodeIn(bank + TLB_WRITE_USER)
  if (liftedUsed) tagCodeIn(bank + TLB_WRITE_LIFTED)
}

function tagCodeIn(table: usize): void {
  const end = table + (<usize>TLB_ENTRIES << TLB_ENTRY_SHIFT)
  for (let e = table; e < end; e += 1 << TLB_ENTRY_SHIFT) {
    const tag = load<u64>(e)
    if (tag != u64.MAX_VALUE && physMap(load<u32>(e, 12)) & PAGE_CODE) store<u64>(e, tag | TAG_CODE)
  }
}

@inline export function alignmentChecked(): bool {
  return load<u32>(CPL) == 3 && (load<u32>(CR0) & CR0_AM) != 0 && (load<u32>(RFLAGS) & FLAG_AC) != 0
}

/** In the last word of an entry, whose other bits are those of the physical page. */
const GLOBAL: u32 = 1
/** In the tag of a write TLB, which then matches no address: the page holds code, so mayHoldCode() is to be asked. */
export const TAG_CODE: u64 = 1

/** In the tag of a page with a debugger's watchpoints, which then matches no address: knowsWatched() is to be asked. */
const TAG_WATCHED: u64 = 2

/** Where the bytes are that knowsWatched() knows. */
export let watchedPhys: u64 = 0

/**
 * Whether a TLB has the page of `size` bytes at `linear`, which is watched. A walk instead would show that a debugger looks
 * on, wherever a guest has changed its page tables and not flushed.
 */
export function knowsWatched(linear: u64, size: u64, access: u32): bool {
  if (!pagesAreWatched() || faulted) return false
  const user = (access & ACCESS_USER) != 0
  const lifted = !(access & (ACCESS_USER | ACCESS_IMPLICIT)) && smapLifted()
  const table = access & ACCESS_WRITE
    ? user ? TLB_WRITE_USER : lifted ? TLB_WRITE_LIFTED : TLB_WRITE_SUPER
    : user ? TLB_READ_USER : lifted ? TLB_READ_LIFTED : TLB_READ_SUPER
  const e = tlbEntry(bank + table, linear)
  const tag = load<u64>(e)
  if (tag == u64.MAX_VALUE || !(tag & TAG_WATCHED)) return false
  if (((linear + (size - 1)) & PAGE_MASK) != (tag & PAGE_MASK)) return false
  watchedPhys = (load<u32>(e, 12) & ~0xfff) | (<u32>linear & 0xfff)
  return true
}

/** Host side: other pages are watched than before. What the TLBs hold stays there. */
export function tagWatched(): void {
  const end = TLB_BANKS + <usize>TLB_BANK_COUNT * TLB_BANK_SIZE
  for (let e = TLB_BANKS; e < end; e += 1 << TLB_ENTRY_SHIFT) {
    const tag = load<u64>(e)
    if (tag == u64.MAX_VALUE) continue
    store<u64>(e, isWatchedPage(tag & PAGE_MASK) ? tag | TAG_WATCHED : tag & ~TAG_WATCHED)
  }
}

/** Translates and enters the TLBs that the page's rights allow. */
export function translateAndFill(linear: u64, access: u32): u64 {
  if (knowsWatched(linear, 1, access)) return watchedPhys
  const phys = translate(linear, access)
  const entry = physMap(phys)
  if (!entry || faulted) return phys
  noteLarge(linear)
  const page = linear & ~0xfff
  if (dataBreakpoints(page)) return phys
  const tag = isWatchedPage(page) ? page | TAG_WATCHED : page
  const user = (access & ACCESS_USER) != 0
  if (user) {
    if (alignmentChecked()) return phys
    userUsed = true
  }
  const i = tlbEntry(0, linear)
  const addend = (entry & 0xfffff000) - <u32>page
  const lifted = !(access & (ACCESS_USER | ACCESS_IMPLICIT)) && smapLifted()
  if (lifted) liftedUsed = true
  const global: u32 = walkedGlobal ? GLOBAL : 0
  if (global) globalUsed = true
  else noteFilled(i)
  const read = bank + (user ? TLB_READ_USER : lifted ? TLB_READ_LIFTED : TLB_READ_SUPER) + i
  store<u64>(read, tag)
  store<u32>(read, addend, 8)
  store<u32>(read, (<u32>phys & ~0xfff) | global, 12)
  if (walkedWrite && walkedDirty && entry & PAGE_RAM) {
    const write = bank + (user ? TLB_WRITE_USER : lifted ? TLB_WRITE_LIFTED : TLB_WRITE_SUPER) + i
    store<u64>(write, entry & PAGE_CODE ? tag | TAG_CODE : tag)
    store<u32>(write, addend, 8)
    store<u32>(write, (<u32>phys & ~0xfff) | global, 12)
  }
  return phys
}
