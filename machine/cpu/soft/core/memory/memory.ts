/**
 * Guest memory as instructions see it: segment bounds, then linear addresses through the TLBs (`tlb.ts`) or, where those have
 * none, through the page tables (`page-walk.ts`).
 *
 * A fast access is: one compare against the segment's bound, one compare against the TLB's tag (which also catches
 * accesses that cross a page), one load. Everything else (faults, MMIO, ROM, code pages, page crossing, expand-down
 * segments, alignment checks, data breakpoints) never enters a TLB or has a bound of 0, and so takes a slow path.
 * Behind a fault of the executing instruction (`../system/aftermath.ts`) reads give 0 and writes write nothing.
 */
import { dropCode, mayHoldCode } from '../execute/code-map'
import { checkDataBreakpoint } from '../system/debug'
import { faulted } from '../system/aftermath'
import { raiseInside, refuseAccess } from '../system/fault'
import { REFUSED_CANONICAL, REFUSED_DOWN, REFUSED_LIMIT, REFUSED_NULL, REFUSED_TYPE } from '../system/fault-log'
import { ea, isStackSegment, opSeg } from '../execute/op'
import { ACCESS_IMPLICIT, ACCESS_UNALIGNED, ACCESS_USER, ACCESS_WRITE, translate } from './page-walk'
import { loadBytes, physRead, physWrite, storeBytes } from './physical'
import {
  CPL, EFER, EFER_LMA, EX_AC, EX_GP, EX_SS, FLAT, MODE, MODE_CODE64, RSP, SCRATCH, SEG_ACCESS, SEG_BASE, SEG_LIMIT,
  SEG_READ_BOUND, SEG_WRITE_BOUND, SP_MASK, STACK_SEG,
} from '../state'
import {
  TAG_CODE, alignmentChecked, knowsWatched, tlbEntry, tlbHits, tlbKnows, tlbPlace, tlbRead, tlbWrite, tlbWriteShown,
  tlbWriteSuperShown, translateAndFill,
} from './tlb'
import { keepBefore } from './kept-memory'

/** True when 64-bit canonical form is broken (only asked in 64-bit code). */
@inline export function nonCanonical(linear: u64): bool {
  return <u64>((<i64>linear << 16) >> 16) != linear
}

// ---- linear accesses ----

@inline function cpuAccess(): u32 {
  return load<u32>(CPL) == 3 ? ACCESS_USER : 0
}

/**
 * A linear address behind another one that the executing instruction reaches: outside 64-bit code, compatibility mode
 * included, linear addresses have 32 bits and wrap (Intel SDM vol. 3, 3.3.4).
 */
@inline export function wrapLinear(linear: u64): u64 {
  return load<u32>(MODE) & MODE_CODE64 ? linear : linear & 0xffffffff
}

/** The same for descriptor tables and TSSs, whose bases have 64 bits in compatibility mode too. */
@inline function wrapTable(linear: u64): u64 {
  return load<u32>(EFER) & EFER_LMA ? linear : linear & 0xffffffff
}

/** First address of the page after `linear`'s, for an access that crosses into it. */
function nextPage(linear: u64, access: u32): u64 {
  const next = (linear | 0xfff) + 1
  return access & ACCESS_IMPLICIT ? wrapTable(next) : wrapLinear(next)
}

/** Alignment is looked at before the page is: a misaligned access to an absent page is #AC. */
@inline function checkAlignment(linear: u64, size: u32, access: u32): void {
  if ((access & (ACCESS_USER | ACCESS_UNALIGNED)) == ACCESS_USER && linear & (size - 1) && alignmentChecked()) raiseInside(EX_AC, 0)
}

@noInline function linearReadSlow(linear: u64, size: u32, access: u32): u64 {
  checkAlignment(linear, size, access)
  if ((linear & 0xfff) + size <= 0x1000) {
    const phys = translateAndFill(linear, access)
    if (faulted) return 0
    checkDataBreakpoint(linear, size, 3)
    return physRead(phys, size)
  }
  const first = translate(linear, access)
  const second = translate(nextPage(linear, access), access)
  if (faulted) return 0
  checkDataBreakpoint(linear, size, 3)
  let value: u64 = 0
  const head: u32 = 0x1000 - <u32>(linear & 0xfff)
  for (let i: u32 = 0; i < size; i++) value |= physRead(i < head ? first + i : second + i - head, 1) << (<u64>i * 8)
  return value
}

@noInline function linearWriteSlow(linear: u64, value: u64, size: u32, access: u32): void {
  checkAlignment(linear, size, access)
  if ((linear & 0xfff) + size <= 0x1000) {
    const phys = translateAndFill(linear, access | ACCESS_WRITE)
    if (faulted) return
    checkDataBreakpoint(linear, size, 1)
    physWrite(phys, value, size)
    return
  }
  const first = translate(linear, access | ACCESS_WRITE)
  const second = translate(nextPage(linear, access), access | ACCESS_WRITE)
  if (faulted) return
  checkDataBreakpoint(linear, size, 1)
  const head: u32 = 0x1000 - <u32>(linear & 0xfff)
  for (let i: u32 = 0; i < size; i++) physWrite(i < head ? first + i : second + i - head, (value >> (<u64>i * 8)) & 0xff, 1)
}

@inline export function linearRead<T>(linear: u64): T {
  const e = tlbEntry(tlbRead, linear)
  if (tlbHits(e, linear, sizeof<T>())) return load<T>(tlbPlace(e, linear))
  return <T>linearReadSlow(linear, sizeof<T>(), cpuAccess())
}

/**
 * Where to store what the write TLB has but does not let pass at once, because the page holds code or a trial is under way;
 * blocks made from these bytes are dropped, unless the value that comes is known and is there already: programs patch an
 * instruction with the same number again and again. 0 where the TLB does not have it. A walk instead would show which bytes
 * are decoded, wherever a guest has changed its page tables and not flushed.
 */
@inline function placeToWrite(table: usize, linear: u64, size: u32, known: bool, value: u64): usize {
  const e = tlbEntry(table, linear)
  if (!tlbKnows(e, linear, size)) return 0
  const place = tlbPlace(e, linear)
  keepBefore(place, size)
  if (load<u64>(e) & TAG_CODE) {
    const phys = (load<u32>(e, 12) & ~0xfff) | (<u32>linear & 0xfff)
    if (mayHoldCode(phys, size) && !(known && loadBytes(place, size) == value)) dropCode(phys, size)
  }
  return place
}

@noInline function linearWriteMiss(linear: u64, value: u64, size: u32): void {
  const place = placeToWrite(tlbWriteShown, linear, size, true, value)
  if (place) storeBytes(place, value, size)
  else linearWriteSlow(linear, value, size, cpuAccess())
}

@inline export function linearWrite<T>(linear: u64, value: T): void {
  const e = tlbEntry(tlbWrite, linear)
  if (tlbHits(e, linear, sizeof<T>())) store<T>(tlbPlace(e, linear), value)
  else linearWriteMiss(linear, <u64>value, sizeof<T>())
}

/** Descriptor tables, TSS, IDT: supervisor rights whatever the CPL. Returns zero-extended. */
export function systemRead<T>(linear: u64): T {
  return <T>linearReadSlow(wrapTable(linear), sizeof<T>(), ACCESS_IMPLICIT)
}

export function systemWrite<T>(linear: u64, value: T): void {
  const place = placeToWrite(tlbWriteSuperShown, linear, sizeof<T>(), true, <u64>value)
  if (place) store<T>(place, value)
  else linearWriteSlow(wrapTable(linear), <u64>value, sizeof<T>(), ACCESS_IMPLICIT)
}

// ---- segmented accesses ----

/**
 * The only check of 64-bit code. To be asked where no TLB has the page (none ever has one that is not canonical): the
 * bounds of its pseudo-segments let everything pass.
 */
function checkCanonical(seg: usize, linear: u64, size: u32, write: bool): void {
  if (!nonCanonical(linear) && !nonCanonical(linear + size - 1)) return
  refuseAccess(isStackSegment(seg) ? EX_SS : EX_GP, 0, REFUSED_CANONICAL, seg, linear, write ? 1 : 0)
}

/** The slow side of the segment check: faults, or lets an access pass that the bound could not decide. */
@noInline function checkSegment(seg: usize, offset: u64, size: u32, write: bool): void {
  const access = load<u32>(seg, SEG_ACCESS)
  const limit = <u64>load<u32>(seg, SEG_LIMIT)
  let why: u32 = 0
  const last = offset + size - 1
  if (access & 0x10000) why = REFUSED_NULL
  // Code: never writable, readable when bit 1 says so.
  else if (access & 8 ? write || !(access & 2) : write && !(access & 2)) why = REFUSED_TYPE
  else if ((access & 0xc) == 4) {
    // Expand-down: from limit + 1 to the top.
    const top: u64 = access & 0x4000 ? 0xffffffff : 0xffff
    if (offset <= limit || last > top) why = REFUSED_DOWN
  } else if (last > limit) why = REFUSED_LIMIT
  if (why) refuseAccess(isStackSegment(seg) ? EX_SS : EX_GP, 0, why, seg, offset, write ? 1 : 0)
}

/** Linear address of a checked access; for instructions that do their own transfers. */
export function linearOf(seg: usize, offset: u64, size: u32, write: bool): u64 {
  const linear = offset + load<u64>(seg, SEG_BASE)
  if (seg >= FLAT) {
    checkCanonical(seg, linear, size, write)
    return linear
  }
  if (offset + size > load<u64>(seg + (write ? SEG_WRITE_BOUND : SEG_READ_BOUND))) checkSegment(seg, offset, size, write)
  return linear & 0xffffffff
}

@noInline function readMiss(seg: usize, linear: u64, size: u32): u64 {
  if (seg >= FLAT) checkCanonical(seg, linear, size, false)
  return linearReadSlow(linear, size, cpuAccess())
}

/** What the bound does not let pass: a fault, an expand-down segment, or a sum of base and offset that wraps. */
@noInline function readOutside(seg: usize, offset: u64, size: u32): u64 {
  checkSegment(seg, offset, size, false)
  const linear = (offset + load<u64>(seg, SEG_BASE)) & 0xffffffff
  const e = tlbEntry(tlbRead, linear)
  if (tlbHits(e, linear, size)) return loadBytes(tlbPlace(e, linear), size)
  return linearReadSlow(linear, size, cpuAccess())
}

@noInline function writeMiss(seg: usize, linear: u64, value: u64, size: u32): void {
  const place = placeToWrite(tlbWriteShown, linear, size, true, value)
  if (place) {
    storeBytes(place, value, size)
    return
  }
  if (seg >= FLAT) checkCanonical(seg, linear, size, true)
  linearWriteSlow(linear, value, size, cpuAccess())
}

@noInline function writeOutside(seg: usize, offset: u64, value: u64, size: u32): void {
  checkSegment(seg, offset, size, true)
  const linear = (offset + load<u64>(seg, SEG_BASE)) & 0xffffffff
  const e = tlbEntry(tlbWrite, linear)
  if (tlbHits(e, linear, size)) storeBytes(tlbPlace(e, linear), value, size)
  else linearWriteMiss(linear, value, size)
}

// Within its bound an access does not wrap (`setSegmentBounds`), so the fast paths need not cut its address.

@inline export function read<T>(seg: usize, offset: u64): T {
  if (offset + sizeof<T>() > load<u64>(seg, SEG_READ_BOUND)) return <T>readOutside(seg, offset, sizeof<T>())
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbEntry(tlbRead, linear)
  if (tlbHits(e, linear, sizeof<T>())) return load<T>(tlbPlace(e, linear))
  return <T>readMiss(seg, linear, sizeof<T>())
}

@inline export function write<T>(seg: usize, offset: u64, value: T): void {
  if (offset + sizeof<T>() > load<u64>(seg, SEG_WRITE_BOUND)) {
    writeOutside(seg, offset, <u64>value, sizeof<T>())
    return
  }
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbEntry(tlbWrite, linear)
  if (tlbHits(e, linear, sizeof<T>())) store<T>(tlbPlace(e, linear), value)
  else writeMiss(seg, linear, <u64>value, sizeof<T>())
}

/** A read that no alignment check concerns: elements of a gather. */
export function readUnaligned<T>(seg: usize, offset: u64): T {
  const linear = linearOf(seg, offset, sizeof<T>(), false)
  const e = tlbEntry(tlbRead, linear)
  if (tlbHits(e, linear, sizeof<T>())) return load<T>(tlbPlace(e, linear))
  return <T>linearReadSlow(linear, sizeof<T>(), cpuAccess() | ACCESS_UNALIGNED)
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
  // Larger operands have rules of their own.
  if (size <= 8) checkAlignment(linear, size, access)
  translate(linear, access)
  if ((linear & 0xfff) + size > 0x1000) translate(nextPage(linear, access), access)
}

/** Checks one store of several that come later; quick where the write TLB has the page. */
@inline export function checkWrite<T>(seg: usize, offset: u64): void {
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbEntry(tlbWriteShown, linear)
  const within = offset + sizeof<T>() <= load<u64>(seg, SEG_WRITE_BOUND)
  const isKnown = tlbKnows(e, linear, sizeof<T>()) || knowsWatched(linear, sizeof<T>(), cpuAccess() | ACCESS_WRITE)
  if (!within || !isKnown) probeWrite(seg, offset, sizeof<T>())
}

/** Set by rmwSlow() where it gives SCRATCH, for the rmwEnd() of the same instruction. */
let rmwLinear: u64 = 0

/** A place to read and write: host memory itself where it is plain RAM, else SCRATCH, which rmwEnd writes out. The write cannot fault later. */
@inline export function rmwBegin<T>(seg: usize, offset: u64): usize {
  if (offset + sizeof<T>() > load<u64>(seg, SEG_WRITE_BOUND)) return rmwOutside(seg, offset, sizeof<T>())
  const linear = offset + load<u64>(seg, SEG_BASE)
  const e = tlbEntry(tlbWrite, linear)
  if (tlbHits(e, linear, sizeof<T>())) return tlbPlace(e, linear)
  return rmwSlow(seg, linear, sizeof<T>())
}

@noInline function rmwOutside(seg: usize, offset: u64, size: u32): usize {
  checkSegment(seg, offset, size, true)
  const linear = (offset + load<u64>(seg, SEG_BASE)) & 0xffffffff
  const e = tlbEntry(tlbWrite, linear)
  if (tlbHits(e, linear, size)) return tlbPlace(e, linear)
  return rmwSlow(seg, linear, size)
}

@noInline function rmwSlow(seg: usize, linear: u64, size: u32): usize {
  const place = placeToWrite(tlbWriteShown, linear, size, false, 0)
  if (place) return place
  if (seg >= FLAT) checkCanonical(seg, linear, size, true)
  const access = cpuAccess()
  checkAlignment(linear, size, access)
  if (!knowsWatched(linear, size, access | ACCESS_WRITE)) {
    translate(linear, access | ACCESS_WRITE)
    if ((linear & 0xfff) + size > 0x1000) translate(nextPage(linear, access), access | ACCESS_WRITE)
  }
  store<u64>(SCRATCH, linearReadSlow(linear, size, access))
  rmwLinear = linear
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
