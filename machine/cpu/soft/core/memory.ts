/**
 * Guest memory as instructions see it: segment bounds, TLBs, page walks (Intel SDM vol. 3, chapter 4), and what lies
 * behind a physical address.
 *
 * A fast access is: one compare against the segment's bound, one compare against the TLB's tag (which also catches
 * accesses that cross a page), one load. Everything else (faults, MMIO, ROM, code pages, page crossing, expand-down
 * segments, alignment checks, data breakpoints) never enters a TLB or has a bound of 0, and so takes a slow path.
 */
import { mmioRead, mmioWrite } from './host'
import { dropCode, mayHoldCode } from './blocks'
import { raise, raiseNoError } from './fault'
import { has } from './features'
import { F_PDPE1GB } from './generated/features'
import { checkDataBreakpoint, dataBreakpoints } from './debug'
import { ea, isStackSegment, opSeg } from './op'
import {
  A20_MASK, CPL, CR0, CR0_AM, CR0_PG, CR0_WP, CR2, CR3, CR4, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER,
  EFER_LMA, EFER_NXE, EX_AC, EX_GP, EX_PF, EX_SS, FLAG_AC, FLAT, FLAT_SS, FS64, GS64, MODE, MODE_CODE64, PAGE_CODE,
  PAGE_RAM, PHYS_MAP, RFLAGS, SCRATCH, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_READ_BOUND, SP_MASK, STACK_SEG,
  SEG_WRITE_BOUND, RSP, TLB_BANK_COUNT, TLB_BANK_SIZE, TLB_BANKS, TLB_READ_LIFTED, TLB_READ_SUPER, TLB_READ_USER,
  TLB_WRITE_LIFTED, TLB_WRITE_SUPER, TLB_WRITE_USER, DELIVERING,
} from './state'

/** The executing CPU's TLBs. */
let bank: usize = TLB_BANKS
/** Those of its present privilege level. */
export let tlbRead: usize = TLB_BANKS + TLB_READ_SUPER
export let tlbWrite: usize = TLB_BANKS + TLB_WRITE_SUPER
/** The supervisor's, whatever the privilege level. */
export let tlbReadSuper: usize = TLB_BANKS + TLB_READ_SUPER
export let tlbWriteSuper: usize = TLB_BANKS + TLB_WRITE_SUPER
/** Something may have been entered in the TLBs of a lifted SMAP: most guests never do. */
let liftedUsed: bool = true
/** Changes with every flush and every CPU: what remembers a translation elsewhere (the jump cache) compares it. */
export let tlbGeneration: u32 = 1
let lastGeneration: u32 = 1

// What a bank keeps while another CPU has its turn: its generation, and BANK_ bits. u32 each.
const BANK_NOTES: usize = memory.data(<i32>TLB_BANK_COUNT * 8)
const NOTE_BITS: usize = 4
const BANK_LIFTED_USED: u32 = 1
/** What its CPU is to do before its next instruction: flushTlb(), flushWriteTlb(). */
const BANK_FLUSH: u32 = 2
const BANK_FLUSH_WRITE: u32 = 4

export const ACCESS_WRITE: u32 = 1
export const ACCESS_USER: u32 = 2
export const ACCESS_EXECUTE: u32 = 4
/** Descriptor tables and TSS: supervisor whatever the CPL, and EFLAGS.AC does not lift SMAP. */
export const ACCESS_IMPLICIT: u32 = 8

// ---- TLB upkeep ----

/** To be called whenever CPL, EFLAGS.AC or CR4.SMAP changes. */
export function privilegeChanged(): void {
  if (load<u32>(CPL) == 3) {
    tlbRead = bank + TLB_READ_USER
    tlbWrite = bank + TLB_WRITE_USER
  } else if (smapLifted()) {
    tlbRead = bank + TLB_READ_LIFTED
    tlbWrite = bank + TLB_WRITE_LIFTED
  } else {
    tlbRead = bank + TLB_READ_SUPER
    tlbWrite = bank + TLB_WRITE_SUPER
  }
}

@inline function notesOf(cpuBank: usize): usize {
  return BANK_NOTES + (((cpuBank - TLB_BANKS) / TLB_BANK_SIZE) << 3)
}

/** Once: what lies in the banks means nothing yet. */
export function initializeTlbs(): void {
  noteForOthers(BANK_LIFTED_USED | BANK_FLUSH)
}

/** CPU `cpu` executes from now on, with TLBs of its own. `privilegeChanged()` is to follow. */
export function selectTlb(cpu: u32): void {
  const old = notesOf(bank)
  store<u32>(old, tlbGeneration)
  // What is to be done for others was noted while this one executed; its own it did at once.
  store<u32>(old, liftedUsed ? BANK_LIFTED_USED : 0, NOTE_BITS)
  bank = TLB_BANKS + <usize>cpu * TLB_BANK_SIZE
  tlbReadSuper = bank + TLB_READ_SUPER
  tlbWriteSuper = bank + TLB_WRITE_SUPER
  const notes = notesOf(bank)
  tlbGeneration = load<u32>(notes)
  const bits = load<u32>(notes, NOTE_BITS)
  liftedUsed = (bits & BANK_LIFTED_USED) != 0
  if (bits & BANK_FLUSH) flushTlb()
  else if (bits & BANK_FLUSH_WRITE) clearWriteTlb()
}

/** All CPUs but the executing one have something to do when their turn comes. */
function noteForOthers(bits: u32): void {
  for (let i: u32 = 0; i < TLB_BANK_COUNT; i++) {
    const notes = BANK_NOTES + (<usize>i << 3) + NOTE_BITS
    store<u32>(notes, load<u32>(notes) | bits)
  }
}

/** SMAP is on and EFLAGS.AC lets the supervisor at user pages all the same: these translations hold only so long. */
@inline function smapLifted(): bool {
  return (load<u32>(CR4) & CR4_SMAP) != 0 && (load<u32>(RFLAGS) & FLAG_AC) != 0
}

/** Forgets every translation of this CPU: CR3, CR0.PG/WP, CR4 paging bits, EFER.NXE changed. */
export function flushTlb(): void {
  memory.fill(bank, 0xff, 0x10000)
  if (liftedUsed) memory.fill(bank + TLB_READ_LIFTED, 0xff, 0x8000)
  liftedUsed = false
  // Never another CPU's, whose addresses mean something else.
  tlbGeneration = ++lastGeneration
}

/** Forgets every translation of all CPUs: A20 or the memory map changed, the machine is saved. */
export function flushAllTlbs(): void {
  flushTlb()
  noteForOthers(BANK_FLUSH)
}

/** INVLPG. Large pages are entered in 4 KiB pieces, so all go when paging uses them. */
export function flushPage(linear: u64): void {
  if (load<u32>(CR4) & (CR4_PSE | CR4_PAE)) {
    flushTlb()
    return
  }
  const e = bank + (<usize>((linear >> 12) & 1023) << 4)
  store<u64>(e, -1, TLB_READ_SUPER)
  store<u64>(e, -1, TLB_READ_USER)
  store<u64>(e, -1, TLB_WRITE_SUPER)
  store<u64>(e, -1, TLB_WRITE_USER)
  store<u64>(e, -1, TLB_READ_LIFTED)
  store<u64>(e, -1, TLB_WRITE_LIFTED)
  tlbGeneration = ++lastGeneration
}

/** No page may be written without the slow path seeing it: code was decoded from a page that was not code before. */
export function flushWriteTlb(): void {
  clearWriteTlb()
  noteForOthers(BANK_FLUSH_WRITE)
}

function clearWriteTlb(): void {
  memory.fill(bank + TLB_WRITE_SUPER, 0xff, 0x8000)
  if (liftedUsed) memory.fill(bank + TLB_WRITE_LIFTED, 0xff, 0x4000)
}

@inline function alignmentChecked(): bool {
  return load<u32>(CPL) == 3 && (load<u32>(CR0) & CR0_AM) != 0 && (load<u32>(RFLAGS) & FLAG_AC) != 0
}

// ---- physical memory ----

/** Arena address of guest-physical `address` with PAGE_ bits of its page in bits 2:0 of the map entry; 0 is MMIO or nothing. */
@inline export function physMap(address: u64): u32 {
  return address >> 32 ? 0 : load<u32>(PHYS_MAP + ((<usize>address >> 12) << 2))
}

function physAddress(address: u64): u64 {
  return address & ~(<u64>((load<u32>(A20_MASK) ^ 1) << 20))
}

/** Reads `size` bytes (1, 2, 4, 8) that do not cross a page. */
export function physRead(address: u64, size: u32): u64 {
  const entry = physMap(address)
  if (entry) {
    const p = <usize>(entry & 0xfffff000) + (<usize>address & 0xfff)
    if (size == 4) return load<u32>(p)
    if (size == 1) return load<u8>(p)
    if (size == 2) return load<u16>(p)
    return load<u64>(p)
  }
  if (address >> 32) return size == 8 ? u64.MAX_VALUE : ((<u64>1 << (<u64>size * 8)) - 1)
  if (size == 8) return <u64>mmioRead(<u32>address, 4) | (<u64>mmioRead(<u32>address + 4, 4) << 32)
  return <u64>mmioRead(<u32>address, size)
}

@inline function storeBytes(place: usize, value: u64, size: u32): void {
  if (size == 4) store<u32>(place, <u32>value)
  else if (size == 1) store<u8>(place, <u8>value)
  else if (size == 2) store<u16>(place, <u16>value)
  else store<u64>(place, value)
}

export function physWrite(address: u64, value: u64, size: u32): void {
  const entry = physMap(address)
  if (entry & PAGE_RAM) {
    storeBytes(<usize>(entry & 0xfffff000) + (<usize>address & 0xfff), value, size)
    if (entry & PAGE_CODE) dropCode(<u32>address, size)
    return
  }
  if (address >> 32) return
  if (size == 8) {
    mmioWrite(<u32>address, <u32>value, 4)
    mmioWrite(<u32>address + 4, <u32>(value >> 32), 4)
  } else mmioWrite(<u32>address, <u32>value, size)
}

@inline function walkRead32(address: u64): u32 {
  return <u32>physRead(physAddress(address), 4)
}

@inline function walkRead64(address: u64): u64 {
  return physRead(physAddress(address), 8)
}

// ---- page walks ----

const PTE_P: u64 = 1
const PTE_W: u64 = 2
const PTE_U: u64 = 4
const PTE_A: u64 = 32
const PTE_D: u64 = 64
const PTE_PS: u64 = 128
const PTE_NX: u64 = 0x8000000000000000
/** Physical address width 40 bits: bits 51:40 of an entry are reserved. */
const RESERVED_PHYS: u64 = 0x000fff0000000000
const ADDRESS_BITS: u64 = 0x000000fffffff000

function pageFault(linear: u64, access: u32, bits: u32): void {
  store<u64>(CR2, linear)
  let code = bits
  if (access & ACCESS_WRITE) code |= 2
  if (access & ACCESS_USER) code |= 4
  if (access & ACCESS_EXECUTE && (load<u32>(EFER) & EFER_NXE && (load<u32>(CR4) & CR4_PAE) || load<u32>(CR4) & CR4_SMEP)) code |= 16
  raise(EX_PF, code)
}

/** Rights of the last walk: PTE_W and PTE_U as they hold for the page, and whether the page is dirty. */
let walkedWrite: bool = false
let walkedUser: bool = false
let walkedDirty: bool = false

/** Physical address of `linear` for `access`, with accessed and dirty bits set as the access needs; raises #PF. */
export function translate(linear: u64, access: u32): u64 {
  const cr0 = load<u32>(CR0)
  if (!(cr0 & CR0_PG)) {
    walkedWrite = walkedUser = walkedDirty = true
    return physAddress(linear)
  }
  const cr4 = load<u32>(CR4)
  const efer = load<u32>(EFER)
  let entryAddress: u64
  let entry: u64
  let page: u64 = 0
  let rights: u64 = PTE_W | PTE_U
  let nx: u64 = 0
  // The directory entry of a 32-bit walk: its accessed bit is set only when nothing faults.
  let upperAddress: u64 = 0
  let upper: u64 = PTE_A
  if (cr4 & CR4_PAE) {
    const nxe = (efer & EFER_NXE) != 0
    const reserved: u64 = RESERVED_PHYS | (nxe ? 0 : PTE_NX)
    let table: u64
    let level: i32
    if (efer & EFER_LMA) {
      table = load<u64>(CR3) & ADDRESS_BITS
      level = 4
    } else {
      const pdpte = walkRead64((load<u64>(CR3) & 0xffffffe0) + ((linear >> 30) & 3) * 8)
      if (!(pdpte & PTE_P)) pageFault(linear, access, 0)
      table = pdpte & ADDRESS_BITS
      level = 2
    }
    while (true) {
      entryAddress = table + ((linear >> <u64>(12 + (level - 1) * 9)) & 511) * 8
      entry = walkRead64(entryAddress)
      if (!(entry & PTE_P)) pageFault(linear, access, 0)
      if (entry & reserved || ((level == 4 || (level == 3 && !has(F_PDPE1GB))) && entry & PTE_PS)) pageFault(linear, access, 9)
      rights &= entry
      nx |= entry & PTE_NX
      if (level == 1) {
        page = (entry & ADDRESS_BITS) | (linear & 0xfff)
        break
      }
      if (level < 4 && entry & PTE_PS) {
        const mask = (<u64>1 << <u64>(12 + (level - 1) * 9)) - 1
        // Bits between PAT (12) and the frame are reserved.
        if (entry & mask & 0x000fffffffffe000) pageFault(linear, access, 9)
        page = (entry & ADDRESS_BITS & ~mask) | (linear & mask)
        break
      }
      if (!(entry & PTE_A)) physWrite(physAddress(entryAddress), entry | PTE_A, 8)
      table = entry & ADDRESS_BITS
      level--
    }
  } else {
    entryAddress = (load<u64>(CR3) & 0xfffff000) + ((linear >> 22) & 1023) * 4
    entry = walkRead32(entryAddress)
    if (!(entry & PTE_P)) pageFault(linear, access, 0)
    rights &= entry
    if (entry & PTE_PS && cr4 & CR4_PSE) {
      // PSE-36: bits 20:13 are address bits 39:32; bit 21 is reserved.
      if (entry & 0x200000) pageFault(linear, access, 9)
      page = (entry & 0xffc00000) | ((entry & 0x1fe000) << 19) | (linear & 0x3fffff)
    } else {
      upperAddress = entryAddress
      upper = entry
      entryAddress = (entry & 0xfffff000) + ((linear >> 12) & 1023) * 4
      entry = walkRead32(entryAddress)
      if (!(entry & PTE_P)) pageFault(linear, access, 0)
      rights &= entry
      page = (entry & 0xfffff000) | (linear & 0xfff)
    }
  }
  walkedUser = (rights & PTE_U) != 0
  walkedWrite = (rights & PTE_W) != 0
  if (access & ACCESS_USER) {
    if (!walkedUser) pageFault(linear, access, 1)
    if (access & ACCESS_WRITE && !walkedWrite) pageFault(linear, access, 1)
  } else {
    if (access & ACCESS_WRITE && !walkedWrite && cr0 & CR0_WP) pageFault(linear, access, 1)
    if (walkedUser) {
      if (access & ACCESS_EXECUTE) {
        if (cr4 & CR4_SMEP) pageFault(linear, access, 1)
      } else if (cr4 & CR4_SMAP && (access & ACCESS_IMPLICIT || !(load<u32>(RFLAGS) & FLAG_AC))) pageFault(linear, access, 1)
    }
    if (!(cr0 & CR0_WP)) walkedWrite = true
  }
  if (nx && access & ACCESS_EXECUTE) pageFault(linear, access, 1)
  if (!(upper & PTE_A)) physWrite(physAddress(upperAddress), upper | PTE_A, 4)
  const set: u64 = access & ACCESS_WRITE ? PTE_A | PTE_D : PTE_A
  if ((entry & set) != set) {
    entry |= set
    physWrite(physAddress(entryAddress), entry, cr4 & CR4_PAE ? 8 : 4)
  }
  walkedDirty = (entry & PTE_D) != 0
  return physAddress(page)
}

/** In the tag of a write TLB, which then matches no address: the page holds code, so mayHoldCode() is to be asked. */
const TAG_CODE: u64 = 1

/** Translates and enters the TLBs that the page's rights allow. */
function translateAndFill(linear: u64, access: u32): u64 {
  const phys = translate(linear, access)
  const entry = physMap(phys)
  if (!entry) return phys
  const tag = linear & ~0xfff
  if (dataBreakpoints(tag)) return phys
  const user = (access & ACCESS_USER) != 0
  if (user && alignmentChecked()) return phys
  const i = <usize>((linear >> 12) & 1023) << 4
  const addend = (entry & 0xfffff000) - <u32>tag
  const lifted = !(access & (ACCESS_USER | ACCESS_IMPLICIT)) && smapLifted()
  if (lifted) liftedUsed = true
  const read = bank + (user ? TLB_READ_USER : lifted ? TLB_READ_LIFTED : TLB_READ_SUPER) + i
  store<u64>(read, tag)
  store<u64>(read, addend, 8)
  if (walkedWrite && walkedDirty && entry & PAGE_RAM) {
    const write = bank + (user ? TLB_WRITE_USER : lifted ? TLB_WRITE_LIFTED : TLB_WRITE_SUPER) + i
    store<u64>(write, entry & PAGE_CODE ? tag | TAG_CODE : tag)
    store<u32>(write, addend, 8)
    store<u32>(write, <u32>phys, 12)
  }
  return phys
}

/** True when 64-bit canonical form is broken (only asked in 64-bit code). */
@inline export function nonCanonical(linear: u64): bool {
  return <u64>((<i64>linear << 16) >> 16) != linear
}

// ---- linear accesses ----

@inline function cpuAccess(): u32 {
  return load<u32>(CPL) == 3 ? ACCESS_USER : 0
}

/** Cuts a linear address to the mode's width: 32 bits outside long mode. */
@inline function cut(linear: u64): u64 {
  return load<u32>(EFER) & EFER_LMA ? linear : linear & 0xffffffff
}

@noInline function linearReadSlow(linearIn: u64, size: u32, access: u32): u64 {
  const linear = cut(linearIn)
  if (access & ACCESS_USER && alignmentChecked() && linear & (size - 1)) raise(EX_AC, 0)
  checkDataBreakpoint(linear, size, 3)
  if ((linear & 0xfff) + size <= 0x1000) return physRead(translateAndFill(linear, access), size)
  const first = translate(linear, access)
  const second = translate(cut((linear | 0xfff) + 1), access)
  let value: u64 = 0
  const head: u32 = 0x1000 - <u32>(linear & 0xfff)
  for (let i: u32 = 0; i < size; i++) value |= physRead(i < head ? first + i : second + i - head, 1) << (<u64>i * 8)
  return value
}

@noInline function linearWriteSlow(linearIn: u64, value: u64, size: u32, access: u32): void {
  const linear = cut(linearIn)
  if (access & ACCESS_USER && alignmentChecked() && linear & (size - 1)) raise(EX_AC, 0)
  checkDataBreakpoint(linear, size, 1)
  if ((linear & 0xfff) + size <= 0x1000) {
    physWrite(translateAndFill(linear, access | ACCESS_WRITE), value, size)
    return
  }
  const first = translate(linear, access | ACCESS_WRITE)
  const second = translate(cut((linear | 0xfff) + 1), access | ACCESS_WRITE)
  const head: u32 = 0x1000 - <u32>(linear & 0xfff)
  for (let i: u32 = 0; i < size; i++) physWrite(i < head ? first + i : second + i - head, (value >> (<u64>i * 8)) & 0xff, 1)
}

@inline export function linearRead<T>(linear: u64): T {
  const e = tlbRead + (<usize>((linear >> 12) & 1023) << 4)
  if (((linear + (sizeof<T>() - 1)) & ~0xfff) == load<u64>(e)) return load<T>(<u32>linear + load<u32>(e, 8))
  return <T>linearReadSlow(linear, sizeof<T>(), cpuAccess())
}

/**
 * Where to store what the write TLB does not let pass at once, because the page holds code: not in these bytes, though,
 * as when a program keeps its data beside it. 0 where it is not so simple.
 */
@inline function besideCode(linear: u64, size: u32): usize {
  const e = tlbWrite + (<usize>((linear >> 12) & 1023) << 4)
  if (((linear + (size - 1)) & ~0xfff | TAG_CODE) != load<u64>(e)) return 0
  return mayHoldCode((load<u32>(e, 12) & ~0xfff) | (<u32>linear & 0xfff), size) ? 0 : <u32>linear + load<u32>(e, 8)
}

@noInline function linearWriteMiss(linear: u64, value: u64, size: u32): void {
  const place = besideCode(linear, size)
  if (place) storeBytes(place, value, size)
  else linearWriteSlow(linear, value, size, cpuAccess())
}

@inline export function linearWrite<T>(linear: u64, value: T): void {
  const e = tlbWrite + (<usize>((linear >> 12) & 1023) << 4)
  if (((linear + (sizeof<T>() - 1)) & ~0xfff) == load<u64>(e)) store<T>(<u32>linear + load<u32>(e, 8), value)
  else linearWriteMiss(linear, <u64>value, sizeof<T>())
}

/** Descriptor tables, TSS, IDT: supervisor rights whatever the CPL. Returns zero-extended. */
export function systemRead<T>(linear: u64): T {
  return <T>linearReadSlow(linear, sizeof<T>(), ACCESS_IMPLICIT)
}

export function systemWrite<T>(linear: u64, value: T): void {
  linearWriteSlow(linear, <u64>value, sizeof<T>(), ACCESS_IMPLICIT)
}

// ---- segmented accesses ----

/**
 * The only check of 64-bit code. To be asked where no TLB has the page (none ever has one that is not canonical): the
 * bounds of its pseudo-segments let everything pass.
 */
function checkCanonical(seg: usize, linear: u64, size: u32): void {
  if (nonCanonical(linear) || nonCanonical(linear + size - 1)) raise(isStackSegment(seg) ? EX_SS : EX_GP, 0)
}

/** The slow side of the segment check: faults, or lets an access pass that the bound could not decide. */
@noInline function checkSegment(seg: usize, offset: u64, size: u32, write: bool): void {
  const access = load<u32>(seg, SEG_ACCESS)
  const limit = <u64>load<u32>(seg, SEG_LIMIT)
  const vector = isStackSegment(seg) ? EX_SS : EX_GP
  if (access & 0x10000) raise(vector, 0)
  if (access & 8) {
    // Code: never writable, readable when bit 1 says so.
    if (write || !(access & 2)) raise(vector, 0)
  } else if (write && !(access & 2)) raise(vector, 0)
  const last = offset + size - 1
  if ((access & 0xc) == 4) {
    // Expand-down: from limit + 1 to the top.
    const top: u64 = access & 0x4000 ? 0xffffffff : 0xffff
    if (offset <= limit || last > top) raise(vector, 0)
  } else if (last > limit) raise(vector, 0)
}

/** Linear address of a checked access; for instructions that do their own transfers. */
export function linearOf(seg: usize, offset: u64, size: u32, write: bool): u64 {
  const linear = offset + load<u64>(seg, SEG_BASE)
  if (seg >= FLAT) {
    checkCanonical(seg, linear, size)
    return linear
  }
  if (offset + size > load<u64>(seg + (write ? SEG_WRITE_BOUND : SEG_READ_BOUND))) checkSegment(seg, offset, size, write)
  return cut(linear)
}

@noInline function readMiss(seg: usize, linear: u64, size: u32): u64 {
  if (seg >= FLAT) checkCanonical(seg, linear, size)
  return linearReadSlow(linear, size, cpuAccess())
}

@noInline function writeMiss(seg: usize, linear: u64, value: u64, size: u32): void {
  const place = besideCode(linear, size)
  if (place) {
    storeBytes(place, value, size)
    return
  }
  if (seg >= FLAT) checkCanonical(seg, linear, size)
  linearWriteSlow(linear, value, size, cpuAccess())
}

@inline export function read<T>(seg: usize, offset: u64): T {
  if (offset + sizeof<T>() > load<u64>(seg, SEG_READ_BOUND)) checkSegment(seg, offset, sizeof<T>(), false)
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbRead + (<usize>((linear >> 12) & 1023) << 4)
  if (((linear + (sizeof<T>() - 1)) & ~0xfff) == load<u64>(e)) return load<T>(<u32>linear + load<u32>(e, 8))
  return <T>readMiss(seg, linear, sizeof<T>())
}

@inline export function write<T>(seg: usize, offset: u64, value: T): void {
  if (offset + sizeof<T>() > load<u64>(seg, SEG_WRITE_BOUND)) checkSegment(seg, offset, sizeof<T>(), true)
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbWrite + (<usize>((linear >> 12) & 1023) << 4)
  if (((linear + (sizeof<T>() - 1)) & ~0xfff) == load<u64>(e)) store<T>(<u32>linear + load<u32>(e, 8), value)
  else writeMiss(seg, linear, <u64>value, sizeof<T>())
}

/** The memory operand of a decoded instruction. */
@inline export function readEa<T>(op: usize): T {
  return read<T>(opSeg(op), ea(op))
}

@inline export function writeEa<T>(op: usize, value: T): void {
  write<T>(opSeg(op), ea(op), value)
}

/** Checks that the whole of [offset, offset + size) can be written, so that a store in pieces cannot fault half-way. */
export function probeWrite(seg: usize, offset: u64, size: u32): void {
  const linear = linearOf(seg, offset, size, true)
  const access = cpuAccess() | ACCESS_WRITE
  translate(linear, access)
  if ((linear & 0xfff) + size > 0x1000) translate(cut((linear | 0xfff) + 1), access)
}

let rmwLinear: u64 = 0

/** A place to read and write: host memory itself where it is plain RAM, else SCRATCH, which rmwEnd writes out. The write cannot fault later. */
@inline export function rmwBegin<T>(seg: usize, offset: u64): usize {
  if (offset + sizeof<T>() > load<u64>(seg, SEG_WRITE_BOUND)) checkSegment(seg, offset, sizeof<T>(), true)
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbWrite + (<usize>((linear >> 12) & 1023) << 4)
  if (((linear + (sizeof<T>() - 1)) & ~0xfff) == load<u64>(e)) return <u32>linear + load<u32>(e, 8)
  return rmwSlow(seg, linear, sizeof<T>())
}

@noInline function rmwSlow(seg: usize, linearIn: u64, size: u32): usize {
  const place = besideCode(linearIn, size)
  if (place) return place
  if (seg >= FLAT) checkCanonical(seg, linearIn, size)
  const linear = cut(linearIn)
  rmwLinear = linear
  const access = cpuAccess()
  translate(linear, access | ACCESS_WRITE)
  if ((linear & 0xfff) + size > 0x1000) translate(cut((linear | 0xfff) + 1), access | ACCESS_WRITE)
  store<u64>(SCRATCH, linearReadSlow(linear, size, access))
  return SCRATCH
}

@inline export function rmwEnd<T>(place: usize): void {
  if (place == SCRATCH) linearWriteSlow(rmwLinear, <u64>load<T>(SCRATCH), sizeof<T>(), cpuAccess())
}

// ---- stack ----

/** Pushes without committing RSP until the write has succeeded. */
@inline export function push<T>(value: T): void {
  const mask = load<u64>(SP_MASK)
  const sp = (load<u64>(RSP) - sizeof<T>()) & mask
  write<T>(<usize>load<u32>(STACK_SEG), sp, value)
  store<u64>(RSP, (load<u64>(RSP) & ~mask) | sp)
}

/** Reads the top of the stack plus `displacement` bytes without popping. */
@inline export function peek<T>(displacement: u64): T {
  return read<T>(<usize>load<u32>(STACK_SEG), (load<u64>(RSP) + displacement) & load<u64>(SP_MASK))
}

@inline export function addSp(bytes: u64): void {
  const mask = load<u64>(SP_MASK)
  store<u64>(RSP, (load<u64>(RSP) & ~mask) | ((load<u64>(RSP) + bytes) & mask))
}
