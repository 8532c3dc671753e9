/**
 * Segments: descriptor tables, segment loads, and the mode that CS, SS and the control registers make
 * (Intel SDM vol. 3, chapters 3 and 5).
 *
 * A load has three steps, so that a fault leaves nothing half done: `fetchDescriptor` reads the descriptor into
 * `descLow`, `descHigh`; the caller checks it and lays it down in a record with `prepare`; `commit` makes that record
 * the register.
 */
import { watchInstructions } from './debug'
import { raise, refuse } from './fault'
import { REFUSED_CANONICAL, REFUSED_LIMIT } from './fault-log'
import { nonCanonical, systemRead, systemWrite } from '../memory/memory'
import { privilegeChanged, tlbEntry, tlbHits, tlbPlace, tlbReadSuper, tlbWriteSuper } from '../memory/tlb'
import {
  CPL, CR0, CR0_PE, CS, DR, DS, EFER, EFER_LMA, ES, EX_GP, EX_NP, EX_SS, FLAG_VM, FLAT_DATA, FLAT_SEGMENTS, FLAT_SS, FLAT_UPPER_CLEAR, FS, FS64, GDTR_BASE,
  GDTR_LIMIT, GS, GS64, LDTR, MODE, MODE_CODE32, MODE_CODE64, MODE_CS_LIMIT, MODE_USER, RAX, RBP, RBX, RCX, RDI, RDX, RFLAGS, RSI, RSP, SEG_ACCESS, SEG_BASE,
  SEG_LIMIT, SEG_READ_BOUND, SEG_SELECTOR, SEG_SIZE, SEG_WRITE_BOUND, SP_MASK, SS, STACK_SEG,
} from '../state'

/** Records in the making: the next CS, the next SS, and any other segment. Not registers, so no access goes through them. */
export const NEW_CS: usize = 0x2100
export const NEW_SS: usize = 0x2140
export const NEW_SEG: usize = 0x2180
/** Field of such a record: linear address of the descriptor it came from, u64. */
const SEG_DESCRIPTOR: usize = 40

// Bits of SEG_ACCESS.
export const ACC_ACCESSED: u32 = 1
export const ACC_WRITABLE: u32 = 2 // data; readable for code
export const ACC_DOWN: u32 = 4 // expand-down for data; conforming for code
export const ACC_CODE: u32 = 8
export const ACC_S: u32 = 0x10
export const ACC_P: u32 = 0x80
export const ACC_LONG: u32 = 0x2000
export const ACC_BIG: u32 = 0x4000
export const ACC_UNUSABLE: u32 = 0x10000

// Types of system descriptors.
export const TYPE_TSS16: u32 = 1
export const TYPE_LDT: u32 = 2
export const TYPE_TSS16_BUSY: u32 = 3
export const TYPE_CALL_GATE16: u32 = 4
export const TYPE_TASK_GATE: u32 = 5
export const TYPE_TSS32: u32 = 9
export const TYPE_TSS32_BUSY: u32 = 11
export const TYPE_CALL_GATE32: u32 = 12

// ---- modes ----

@inline export function longMode(): bool {
  return (load<u32>(EFER) & EFER_LMA) != 0
}

@inline export function code64(): bool {
  return (load<u32>(MODE) & MODE_CODE64) != 0
}

@inline export function virtual8086(): bool {
  return (load<u32>(RFLAGS) & FLAG_VM) != 0
}

/** CR0.PE is set and EFLAGS.VM is not: segment registers hold selectors. */
@inline export function protectedMode(): bool {
  return (load<u32>(CR0) & CR0_PE) != 0 && !virtual8086()
}

// ---- descriptor tables ----

/** The descriptor that was fetched last, and where it is. */
export let descLow: u32 = 0
export let descHigh: u32 = 0
export let descAddress: u64 = 0

/** Reads from a descriptor table or TSS: supervisor rights whatever the CPL, through the supervisor's TLB. */
@inline export function tableRead<T>(linear: u64): T {
  const e = tlbEntry(tlbReadSuper, linear)
  if (tlbHits(e, linear, sizeof<T>())) return load<T>(tlbPlace(e, linear))
  return systemRead<T>(linear)
}

@inline export function tableWrite<T>(linear: u64, value: T): void {
  const e = tlbEntry(tlbWriteSuper, linear)
  if (tlbHits(e, linear, sizeof<T>())) store<T>(tlbPlace(e, linear), value)
  else systemWrite<T>(linear, value)
}

/** Reads the 8 bytes of `selector`'s descriptor; false when its table does not reach so far. */
export function tryFetch(selector: u32): bool {
  const offset = selector & 0xfff8
  let base: u64
  if (selector & 4) {
    if (load<u32>(LDTR, SEG_ACCESS) & ACC_UNUSABLE || offset + 7 > load<u32>(LDTR, SEG_LIMIT)) return false
    base = load<u64>(LDTR, SEG_BASE)
  } else {
    if (offset + 7 > load<u32>(GDTR_LIMIT)) return false
    base = load<u64>(GDTR_BASE)
  }
  const address = base + offset
  const both = tableRead<u64>(address)
  descAddress = address
  descLow = <u32>both
  descHigh = <u32>(both >> 32)
  return true
}

/** The same; raises `vector` with the selector as error code where the table ends before it. */
export function fetchDescriptor(selector: u32, vector: u32): void {
  if (!tryFetch(selector)) raise(vector, selector & 0xfffc)
}

/** Base address bits 63:32 of a 16-byte system descriptor in IA-32e mode; raises `vector` when it is malformed. */
export function fetchHighBase(selector: u32, vector: u32): u64 {
  const limit = selector & 4 ? load<u32>(LDTR, SEG_LIMIT) : load<u32>(GDTR_LIMIT)
  if ((selector & 0xfff8) + 15 > limit) raise(vector, selector & 0xfffc)
  const both = tableRead<u64>(descAddress + 8)
  // Bits 12:8 of the fourth dword stand where a type would: they must be zero.
  if (both & 0x1f0000000000) raise(vector, selector & 0xfffc)
  return both << 32
}

@inline export function descType(): u32 {
  return (descHigh >> 8) & 15
}

@inline export function descDpl(): u32 {
  return (descHigh >> 13) & 3
}

@inline export function descPresent(): bool {
  return (descHigh & 0x8000) != 0
}

@inline export function descIsSystem(): bool {
  return !(descHigh & 0x1000)
}

@inline export function descIsCode(): bool {
  return (descHigh & 0x1800) == 0x1800
}

@inline export function descIsConforming(): bool {
  return (descHigh & 0x1c00) == 0x1c00
}

@inline export function descIsWritableData(): bool {
  return (descHigh & 0x1a00) == 0x1200
}

/** Data, or code that may be read. */
@inline export function descIsReadable(): bool {
  return (descHigh & 0x1000) != 0 && (descHigh & 0x0a00) != 0x0800
}

@inline export function descBase(): u32 {
  return (descLow >> 16) | ((descHigh & 0xff) << 16) | (descHigh & 0xff000000)
}

export function descLimit(): u32 {
  const limit = (descLow & 0xffff) | (descHigh & 0xf0000)
  return descHigh & 0x800000 ? (limit << 12) | 0xfff : limit
}

// ---- records ----

/** Lays the fetched descriptor down in `record`. */
export function prepare(record: usize, selector: u32): void {
  store<u16>(record, <u16>selector, SEG_SELECTOR)
  store<u32>(record, (descHigh >> 8) & 0xf0ff, SEG_ACCESS)
  store<u64>(record, <u64>descBase(), SEG_BASE)
  store<u32>(record, descLimit(), SEG_LIMIT)
  store<u64>(record, descAddress, SEG_DESCRIPTOR)
}

/** Sets the accessed bit of the descriptor behind `record`, in memory too: the last thing of a load that can fault. */
export function setAccessed(record: usize): void {
  const access = load<u32>(record, SEG_ACCESS)
  if (access & ACC_ACCESSED) return
  tableWrite<u8>(load<u64>(record, SEG_DESCRIPTOR) + 5, <u8>(access | ACC_ACCESSED))
  store<u32>(record, access | ACC_ACCESSED, SEG_ACCESS)
}

/** Makes `record` the register `seg`. CS and SS want updateMode() afterwards. */
export function commit(seg: usize, record: usize): void {
  store<u64>(seg, load<u64>(record))
  store<u64>(seg, load<u64>(record, SEG_BASE), SEG_BASE)
  store<u32>(seg, load<u32>(record, SEG_LIMIT), SEG_LIMIT)
  setSegmentBounds(seg)
}

/** Whether two records show the same bytes with the same rights, whatever their selectors. */
@inline export function sameSegment(seg: usize, record: usize): bool {
  const shown = load<u64>(seg, SEG_BASE) == load<u64>(record, SEG_BASE) && load<u32>(seg, SEG_LIMIT) == load<u32>(record, SEG_LIMIT)
  return shown && load<u32>(seg, SEG_ACCESS) == load<u32>(record, SEG_ACCESS)
}

/** A null selector: nothing can be reached through the register. */
export function setNull(seg: usize, selector: u32): void {
  store<u16>(seg, <u16>selector, SEG_SELECTOR)
  store<u32>(seg, ACC_UNUSABLE, SEG_ACCESS)
  store<u64>(seg, 0, SEG_BASE)
  store<u32>(seg, 0, SEG_LIMIT)
  setSegmentBounds(seg)
}

/**
 * A segment register load in real mode: the base follows the selector, the limit stays ("unreal mode"). What was
 * loaded in protected mode becomes writable data, for real mode knows no other kind.
 */
export function setReal(seg: usize, selector: u32): void {
  store<u16>(seg, <u16>selector, SEG_SELECTOR)
  store<u64>(seg, <u64>(selector & 0xffff) << 4, SEG_BASE)
  const access = load<u32>(seg, SEG_ACCESS)
  if (access & ACC_UNUSABLE) {
    store<u32>(seg, 0xffff, SEG_LIMIT)
    store<u32>(seg, 0x93, SEG_ACCESS)
  } else store<u32>(seg, (access & 0xf000) | 0x93, SEG_ACCESS)
  setSegmentBounds(seg)
}

export function setVirtual8086(seg: usize, selector: u32): void {
  store<u16>(seg, <u16>selector, SEG_SELECTOR)
  store<u64>(seg, <u64>(selector & 0xffff) << 4, SEG_BASE)
  store<u32>(seg, 0xffff, SEG_LIMIT)
  store<u32>(seg, 0xf3, SEG_ACCESS)
  setSegmentBounds(seg)
}

/** A flat 4 GiB segment of the kind that SYSENTER, SYSCALL and RSM make without a descriptor. */
export function setFlat(seg: usize, selector: u32, access: u32): void {
  store<u16>(seg, <u16>selector, SEG_SELECTOR)
  store<u64>(seg, 0, SEG_BASE)
  store<u32>(seg, 0xffffffff, SEG_LIMIT)
  store<u32>(seg, access, SEG_ACCESS)
  setSegmentBounds(seg)
}

/** The register of segment number `n`: ES CS SS DS FS GS. */
@inline export function segmentAddress(n: u32): usize {
  return ES + <usize>n * SEG_SIZE
}

/**
 * Derives the fast-path bounds from access, limit and base; to be called after every change of a record, and updateMode() behind it
 * after one of CS or SS. What lies where base and offset together pass 4 GiB, and so wrap, is left to the slow path.
 */
export function setSegmentBounds(seg: usize): void {
  const access = load<u32>(seg, SEG_ACCESS)
  const base = load<u64>(seg, SEG_BASE)
  let readBound: u64 = base >> 32 ? 0 : min<u64>(<u64>load<u32>(seg, SEG_LIMIT) + 1, 0x100000000 - base)
  let writeBound = readBound
  if (access & ACC_UNUSABLE) readBound = writeBound = 0
  else if (access & ACC_CODE) {
    writeBound = 0
    if (!(access & ACC_WRITABLE)) readBound = 0
  } else if (access & ACC_DOWN) readBound = writeBound = 0
  else if (!(access & ACC_WRITABLE)) writeBound = 0
  store<u64>(seg, readBound, SEG_READ_BOUND)
  store<u64>(seg, writeBound, SEG_WRITE_BOUND)
  if (seg == DS || seg == ES) flatChanged()
  else if (seg == FS) setFlat64(FS64, base)
  else if (seg == GS) setFlat64(GS64, base)
}

/** The base of FS or GS alone, in 64 bits, as 64-bit code sets it. */
export function setBase(seg: usize, base: u64): void {
  store<u64>(seg, base, SEG_BASE)
  setSegmentBounds(seg)
}

function reachesAll(seg: usize): bool {
  return load<u64>(seg, SEG_BASE) == 0 && load<u64>(seg, SEG_READ_BOUND) == 0x100000000 && load<u64>(seg, SEG_WRITE_BOUND) == 0x100000000
}

/** Derives FLAT_DATA, for code that is not of 64 bits; after any change of DS, ES, SS or the stack's width. */
function flatChanged(): void {
  let flat: u32 = reachesAll(DS) && reachesAll(ES) && reachesAll(SS) && load<u64>(SP_MASK) == 0xffffffff ? FLAT_SEGMENTS : 0
  const low = load<u64>(RAX) | load<u64>(RCX) | load<u64>(RDX) | load<u64>(RBX)
  const upper = (low | load<u64>(RSP) | load<u64>(RBP) | load<u64>(RSI) | load<u64>(RDI)) >> 32
  if (!upper) flat |= FLAT_UPPER_CLEAR
  store<u32>(FLAT_DATA, flat)
}

/** A pseudo-segment of 64-bit code: without a bound; what is not canonical is found where no TLB has it. */
export function setFlat64(seg: usize, base: u64): void {
  store<u64>(seg, base, SEG_BASE)
  store<u32>(seg, 0x93, SEG_ACCESS)
  store<u64>(seg, u64.MAX_VALUE, SEG_READ_BOUND)
  store<u64>(seg, u64.MAX_VALUE, SEG_WRITE_BOUND)
}

/** Derives MODE, the stack's mask and segment, and the TLB from CS, SS, CPL, CR0 and EFER; after any change of them. */
export function updateMode(): void {
  const access = load<u32>(CS, SEG_ACCESS)
  let mode: u32 = 0
  if (longMode() && access & ACC_LONG) mode = MODE_CODE64
  else {
    if (access & ACC_BIG) mode = MODE_CODE32
    if (load<u32>(CS, SEG_LIMIT) != 0xffffffff) mode |= MODE_CS_LIMIT
  }
  if (load<u32>(CPL) == 3) mode |= MODE_USER
  store<u32>(MODE, mode)
  // Another CPU's registers, or loaded ones, may be here.
  if (load<u32>(DR + 56) & 0xff) watchInstructions()
  if (mode & MODE_CODE64) {
    store<u64>(SP_MASK, u64.MAX_VALUE)
    store<u32>(STACK_SEG, <u32>FLAT_SS)
  } else {
    store<u64>(SP_MASK, load<u32>(SS, SEG_ACCESS) & ACC_BIG ? 0xffffffff : 0xffff)
    store<u32>(STACK_SEG, <u32>SS)
  }
  // Nobody asks in 64-bit code.
  if (!(mode & MODE_CODE64)) flatChanged()
  privilegeChanged()
}

// ---- loads ----

/** Loads ES, SS, DS, FS or GS as MOV, POP and LxS do. Raises #GP, #NP or #SS; SS wants `end` of the block. */
export function loadSegment(seg: usize, selector: u32): void {
  if (!protectedMode()) {
    if (virtual8086()) setVirtual8086(seg, selector)
    else setReal(seg, selector)
    if (seg == SS) updateMode()
    return
  }
  if (seg == SS) {
    loadStackSegment(selector)
    return
  }
  if (!(selector & 0xfffc)) {
    setNull(seg, selector)
    return
  }
  fetchDescriptor(selector, EX_GP)
  if (!descIsReadable()) raise(EX_GP, selector & 0xfffc)
  if (!descIsConforming() && (descDpl() < load<u32>(CPL) || descDpl() < (selector & 3))) raise(EX_GP, selector & 0xfffc)
  if (!descPresent()) raise(EX_NP, selector & 0xfffc)
  prepare(NEW_SEG, selector)
  setAccessed(NEW_SEG)
  commit(seg, NEW_SEG)
}

function loadStackSegment(selector: u32): void {
  const cpl = load<u32>(CPL)
  if (!(selector & 0xfffc)) {
    // 64-bit code below ring 3 may run without a stack segment.
    if (!code64() || cpl == 3 || (selector & 3) != cpl) raise(EX_GP, 0)
    setNullStack(selector)
    updateMode()
    return
  }
  fetchDescriptor(selector, EX_GP)
  if ((selector & 3) != cpl || !descIsWritableData() || descDpl() != cpl) raise(EX_GP, selector & 0xfffc)
  if (!descPresent()) raise(EX_SS, selector & 0xfffc)
  prepare(NEW_SEG, selector)
  setAccessed(NEW_SEG)
  commit(SS, NEW_SEG)
  updateMode()
}

/** A null SS of 64-bit mode: its DPL is still the privilege level. */
export function setNullStack(selector: u32): void {
  setNull(SS, selector)
  store<u32>(SS, ACC_UNUSABLE | ((selector & 3) << 5), SEG_ACCESS)
}

/** After a return to an outer ring: DS, ES, FS and GS must not keep what that ring may not reach. */
export function dropInnerSegments(cpl: u32): void {
  dropInner(ES, cpl)
  dropInner(DS, cpl)
  dropInner(FS, cpl)
  dropInner(GS, cpl)
}

function dropInner(seg: usize, cpl: u32): void {
  const access = load<u32>(seg, SEG_ACCESS)
  if (access & ACC_UNUSABLE || (access & (ACC_CODE | ACC_DOWN)) == (ACC_CODE | ACC_DOWN)) return
  if (((access >> 5) & 3) < cpl) setNull(seg, 0)
}

/** Raises #GP(0) when `ip` is not in the code segment `record`. */
export function checkCodeOffset(record: usize, ip: u64): void {
  if (longMode() && load<u32>(record, SEG_ACCESS) & ACC_LONG) {
    if (nonCanonical(ip)) refuse(EX_GP, 0, REFUSED_CANONICAL, record, ip, 2)
  } else if (ip > <u64>load<u32>(record, SEG_LIMIT)) refuse(EX_GP, 0, REFUSED_LIMIT, record, ip, 2)
}

/** The fetched descriptor says both 64-bit and D: not allowed in IA-32e mode. */
export function checkLongCode(selector: u32, vector: u32): void {
  if (longMode() && (descHigh & 0x600000) == 0x600000) raise(vector, selector & 0xfffc)
}
