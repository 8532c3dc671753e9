/**
 * Guest memory as instructions see it: segment bounds, then linear addresses through the TLBs (`tlb.ts`) or, where those have
 * none, through the page tables (`page-walk.ts`).
 *
 * A fast access is: one compare against the segment's bound, one compare against the TLB's tag (which also catches
 * accesses that cross a page), one load. Everything else (faults, MMIO, ROM, code pages, page crossing, expand-down
 * segments, alignment checks, data breakpoints) never enters a TLB or has a bound of 0, and so takes a slow path.
 */
import { mayHoldCode } from './blocks'
import { checkDataBreakpoint } from './debug'
import { raise } from './fault'
import { ea, isStackSegment, opSeg } from './op'
import { ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, translate } from './page-walk'
import { physRead, physWrite, storeBytes } from './physical'
import {
  CPL, EFER, EFER_LMA, EX_AC, EX_GP, EX_SS, FLAT, RSP, SCRATCH, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_READ_BOUND,
  SEG_WRITE_BOUND, SP_MASK, STACK_SEG,
} from './state'
import { TAG_CODE, alignmentChecked, tlbRead, tlbWrite, translateAndFill } from './tlb'

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
