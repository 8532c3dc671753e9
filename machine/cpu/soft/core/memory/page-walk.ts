/** From linear to physical addresses through the page tables (Intel SDM vol. 3, chapter 4). */
import { faulted } from '../system/aftermath'
import { raiseInFetch, raiseInside } from '../system/fault'
import { has } from '../system/features'
import { F_PDPE1GB } from '../generated/features'
import { physAddress, physMap, physRead, physWrite } from './physical'
import {
  CR0, CR0_PG, CR0_WP, CR2, CR3, CR4, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER, EFER_LMA, EFER_NXE, EX_PF, FLAG_AC,
  PAGE_RAM, RFLAGS,
} from '../state'

export const ACCESS_WRITE: u32 = 1
export const ACCESS_USER: u32 = 2
export const ACCESS_EXECUTE: u32 = 4
/** Descriptor tables and TSS: supervisor whatever the CPL, and EFLAGS.AC does not lift SMAP. */
export const ACCESS_IMPLICIT: u32 = 8
/** No alignment check: see `readUnaligned()`. */
export const ACCESS_UNALIGNED: u32 = 16

// Page tables lie in memory: where there is none, or a device, an entry reads as all ones, untold, and is not written. How
// often the CPU walks is its own affair, and must not show in what a device answers next or counts.

@inline function walkRead32(address: u64): u32 {
  const phys = physAddress(address)
  return physMap(phys) ? <u32>physRead(phys, 4) : u32.MAX_VALUE
}

@inline function walkRead64(address: u64): u64 {
  const phys = physAddress(address)
  return physMap(phys) ? physRead(phys, 8) : u64.MAX_VALUE
}

@inline function walkWrite(address: u64, entry: u64, size: u32): void {
  const phys = physAddress(address)
  if (physMap(phys) & PAGE_RAM) physWrite(phys, entry, size)
}

const PTE_P: u64 = 1
const PTE_W: u64 = 2
const PTE_U: u64 = 4
const PTE_A: u64 = 32
const PTE_D: u64 = 64
const PTE_PS: u64 = 128
const PTE_G: u64 = 256
const PTE_NX: u64 = 0x8000000000000000
/** Physical address width 40 bits: bits 51:40 of an entry are reserved. */
const RESERVED_PHYS: u64 = 0x000fff0000000000
const ADDRESS_BITS: u64 = 0x000000fffffff000

/** No address. */
function pageFault(linear: u64, access: u32, bits: u32): u64 {
  store<u64>(CR2, linear)
  let code = bits
  if (access & ACCESS_WRITE) code |= 2
  if (access & ACCESS_USER) code |= 4
  if (access & ACCESS_EXECUTE && (load<u32>(EFER) & EFER_NXE && (load<u32>(CR4) & CR4_PAE) || load<u32>(CR4) & CR4_SMEP)) code |= 16
  if (access & ACCESS_EXECUTE) raiseInFetch(EX_PF, code)
  else raiseInside(EX_PF, code)
  return 0
}

/** Rights of the last walk: PTE_W and PTE_U as they hold for the page, and whether the page is dirty. */
export let walkedWrite: bool = false
export let walkedUser: bool = false
export let walkedDirty: bool = false
/** Its translation outlasts a load of CR3. */
export let walkedGlobal: bool = false
/** Bits of the address within that page: 12, or 21, 22 or 30 of a large one. */
export let walkedBits: u64 = 12

/** Physical address of `linear` for `access`, with accessed and dirty bits set as the access needs; raises #PF, and behind a fault is 0. */
export function translate(linear: u64, access: u32): u64 {
  if (faulted) return 0
  const cr0 = load<u32>(CR0)
  if (!(cr0 & CR0_PG)) {
    walkedWrite = walkedUser = walkedDirty = true
    walkedGlobal = false
    walkedBits = 12
    return physAddress(linear)
  }
  const cr4 = load<u32>(CR4)
  const efer = load<u32>(EFER)
  let entryAddress: u64
  let entry: u64
  let page: u64 = 0
  let pageBits: u64 = 12
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
      if (!(pdpte & PTE_P)) return pageFault(linear, access, 0)
      table = pdpte & ADDRESS_BITS
      level = 2
    }
    while (true) {
      entryAddress = table + ((linear >> <u64>(12 + (level - 1) * 9)) & 511) * 8
      entry = walkRead64(entryAddress)
      if (!(entry & PTE_P)) return pageFault(linear, access, 0)
      if (entry & reserved || ((level == 4 || (level == 3 && !has(F_PDPE1GB))) && entry & PTE_PS)) return pageFault(linear, access, 9)
      rights &= entry
      nx |= entry & PTE_NX
      if (level == 1) {
        page = (entry & ADDRESS_BITS) | (linear & 0xfff)
        break
      }
      if (level < 4 && entry & PTE_PS) {
        pageBits = <u64>(12 + (level - 1) * 9)
        const mask = (<u64>1 << pageBits) - 1
        // Bits between PAT (12) and the frame are reserved.
        if (entry & mask & 0x000fffffffffe000) return pageFault(linear, access, 9)
        page = (entry & ADDRESS_BITS & ~mask) | (linear & mask)
        break
      }
      if (!(entry & PTE_A)) walkWrite(entryAddress, entry | PTE_A, 8)
      table = entry & ADDRESS_BITS
      level--
    }
  } else {
    entryAddress = (load<u64>(CR3) & 0xfffff000) + ((linear >> 22) & 1023) * 4
    entry = walkRead32(entryAddress)
    if (!(entry & PTE_P)) return pageFault(linear, access, 0)
    rights &= entry
    if (entry & PTE_PS && cr4 & CR4_PSE) {
      // PSE-36: bits 20:13 are address bits 39:32; bit 21 is reserved.
      if (entry & 0x200000) return pageFault(linear, access, 9)
      pageBits = 22
      page = (entry & 0xffc00000) | ((entry & 0x1fe000) << 19) | (linear & 0x3fffff)
    } else {
      upperAddress = entryAddress
      upper = entry
      entryAddress = (entry & 0xfffff000) + ((linear >> 12) & 1023) * 4
      entry = walkRead32(entryAddress)
      if (!(entry & PTE_P)) return pageFault(linear, access, 0)
      rights &= entry
      page = (entry & 0xfffff000) | (linear & 0xfff)
    }
  }
  walkedUser = (rights & PTE_U) != 0
  walkedWrite = (rights & PTE_W) != 0
  if (access & ACCESS_USER) {
    if (!walkedUser) return pageFault(linear, access, 1)
    if (access & ACCESS_WRITE && !walkedWrite) return pageFault(linear, access, 1)
  } else {
    if (access & ACCESS_WRITE && !walkedWrite && cr0 & CR0_WP) return pageFault(linear, access, 1)
    if (walkedUser) {
      if (access & ACCESS_EXECUTE) {
        if (cr4 & CR4_SMEP) return pageFault(linear, access, 1)
      } else if (cr4 & CR4_SMAP && (access & ACCESS_IMPLICIT || !(load<u32>(RFLAGS) & FLAG_AC))) return pageFault(linear, access, 1)
    }
    if (!(cr0 & CR0_WP)) walkedWrite = true
  }
  if (nx && access & ACCESS_EXECUTE) return pageFault(linear, access, 1)
  if (!(upper & PTE_A)) walkWrite(upperAddress, upper | PTE_A, 4)
  const set: u64 = access & ACCESS_WRITE ? PTE_A | PTE_D : PTE_A
  if ((entry & set) != set) {
    entry |= set
    walkWrite(entryAddress, entry, cr4 & CR4_PAE ? 8 : 4)
  }
  walkedDirty = (entry & PTE_D) != 0
  walkedGlobal = (entry & PTE_G) != 0 && (cr4 & CR4_PGE) != 0
  walkedBits = pageBits
  return physAddress(page)
}
