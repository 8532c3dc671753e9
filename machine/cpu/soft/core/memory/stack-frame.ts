/**
 * Frames of several words on a stack: the current one, or a more privileged one that the TSS names (Intel SDM vol. 3,
 * 5.8.5). Nothing is committed until `frameCommit`, so a fault half-way leaves RSP and SS as they were.
 */
import { raise, refuse } from '../system/fault'
import { REFUSED_CANONICAL, REFUSED_DOWN, REFUSED_LIMIT } from '../system/fault-log'
import { nonCanonical, read, write } from './memory'
import {
  ACC_BIG, ACC_DOWN, commit, descDpl, descIsWritableData, descPresent, fetchDescriptor, longMode, NEW_SS, prepare,
  setAccessed, setNullStack, tableRead, tableWrite,
} from '../system/segment'
import {
  EX_SS, EX_TS, FLAT_SS, RSP, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SP_MASK, SS, STACK_SEG, TR,
} from '../state'

// Where a frame goes.
const ON_CURRENT: u32 = 0
/** NEW_SS: supervisor accesses, checked against that record. */
const ON_INNER: u32 = 1
/** IA-32e mode: no segment. */
const ON_FLAT: u32 = 2
const ON_FLAT_INNER: u32 = 3

let where: u32 = ON_CURRENT
let size: u32 = 0
let mask: u64 = 0
let sp: u64 = 0
let high: u64 = 0
let nullStack: bool = false

/** Stack pointer that the TSS gives for the inner level. */
let innerSp: u64 = 0

/** Reads SS and ESP of `level` from the TSS into NEW_SS and checks them. Raises #TS or #SS. */
export function innerStack(level: u32): void {
  const base = load<u64>(TR, SEG_BASE)
  const limit = load<u32>(TR, SEG_LIMIT)
  let selector: u32
  if (longMode()) {
    // The new SS is null with the new level as RPL.
    const at: u32 = 4 + level * 8
    if (at + 7 > limit) raise(EX_TS, load<u16>(TR, SEG_SELECTOR) & 0xfffc)
    innerSp = tableRead<u64>(base + at)
    store<u16>(NEW_SS, <u16>level, SEG_SELECTOR)
    return
  }
  if (load<u32>(TR, SEG_ACCESS) & 8) {
    const at: u32 = 4 + level * 8
    if (at + 5 > limit) raise(EX_TS, load<u16>(TR, SEG_SELECTOR) & 0xfffc)
    innerSp = tableRead<u32>(base + at)
    selector = tableRead<u16>(base + at + 4)
  } else {
    const at: u32 = 2 + level * 4
    if (at + 3 > limit) raise(EX_TS, load<u16>(TR, SEG_SELECTOR) & 0xfffc)
    innerSp = tableRead<u16>(base + at)
    selector = tableRead<u16>(base + at + 2)
  }
  if (!(selector & 0xfffc)) raise(EX_TS, 0)
  fetchDescriptor(selector, EX_TS)
  if ((selector & 3) != level || descDpl() != level || !descIsWritableData()) raise(EX_TS, selector & 0xfffc)
  if (!descPresent()) raise(EX_SS, selector & 0xfffc)
  prepare(NEW_SS, selector)
}

/** The stack of interrupt stack table entry `ist` (1 to 7), for a handler at `level`. */
export function interruptStackTable(ist: u32, level: u32): void {
  const at: u32 = 36 + (ist - 1) * 8
  if (at + 7 > load<u32>(TR, SEG_LIMIT)) raise(EX_TS, load<u16>(TR, SEG_SELECTOR) & 0xfffc)
  innerSp = tableRead<u64>(load<u64>(TR, SEG_BASE) + at)
  store<u16>(NEW_SS, <u16>level, SEG_SELECTOR)
}

/** A frame of words of `bytes` on the current stack. */
export function frameBegin(bytes: u32): void {
  where = ON_CURRENT
  size = bytes
  mask = load<u64>(SP_MASK)
  sp = load<u64>(RSP) & mask
  high = load<u64>(RSP) & ~mask
}

/** A frame on the stack that innerStack() found. */
export function frameBeginInner(bytes: u32): void {
  size = bytes
  if (longMode()) {
    where = ON_FLAT_INNER
    nullStack = true
    mask = u64.MAX_VALUE
  } else {
    where = ON_INNER
    mask = load<u32>(NEW_SS, SEG_ACCESS) & ACC_BIG ? 0xffffffff : 0xffff
  }
  sp = innerSp & mask
  high = innerSp & ~mask
}

/**
 * The frame of an IA-32e mode interrupt: 16-byte aligned, on the stack that innerStack() or interruptStackTable() found
 * (`other`), or on the current one with no segment. SS becomes null where the privilege changes (`inner`).
 */
export function frameBeginLong(other: bool, inner: bool): void {
  where = other ? ON_FLAT_INNER : ON_FLAT
  nullStack = inner
  size = 8
  mask = u64.MAX_VALUE
  sp = (other ? innerSp : load<u64>(RSP)) & ~15
  high = 0
}

function checkInner(at: u64): void {
  const access = load<u32>(NEW_SS, SEG_ACCESS)
  const limit = <u64>load<u32>(NEW_SS, SEG_LIMIT)
  const last = at + size - 1
  const fits = access & ACC_DOWN ? at > limit && last <= (access & ACC_BIG ? 0xffffffff : 0xffff) : last <= limit
  if (!fits) refuse(EX_SS, load<u16>(NEW_SS, SEG_SELECTOR) & 0xfffc, access & ACC_DOWN ? REFUSED_DOWN : REFUSED_LIMIT, NEW_SS, at, 1)
}

export function framePush(value: u64): void {
  const at = (sp - size) & mask
  if (where == ON_INNER || where == ON_FLAT_INNER) {
    let linear = at
    if (where == ON_INNER) {
      checkInner(at)
      linear += load<u64>(NEW_SS, SEG_BASE)
    } else if (nonCanonical(at)) refuse(EX_SS, 0, REFUSED_CANONICAL, NEW_SS, at, 1)
    if (size == 4) tableWrite<u32>(linear, <u32>value)
    else if (size == 2) tableWrite<u16>(linear, <u16>value)
    else tableWrite<u64>(linear, value)
  } else {
    const seg = where == ON_CURRENT ? <usize>load<u32>(STACK_SEG) : FLAT_SS
    if (size == 4) write<u32>(seg, at, <u32>value)
    else if (size == 2) write<u16>(seg, at, <u16>value)
    else write<u64>(seg, at, value)
  }
  sp = at
}

/** The accessed bit of the new SS: the last step that can fault. */
export function framePrepareCommit(): void {
  if (where == ON_INNER) setAccessed(NEW_SS)
}

/** RSP, and SS where the stack changed. updateMode() is the caller's. */
export function frameCommit(): void {
  if (where == ON_INNER) commit(SS, NEW_SS)
  else if (where == ON_FLAT_INNER && nullStack) setNullStack(load<u16>(NEW_SS, SEG_SELECTOR))
  store<u64>(RSP, high | sp)
}

/** Word of `bytes` at `displacement` above the top of the current stack, without popping. */
export function stackRead(displacement: u64, bytes: u32): u64 {
  const seg = <usize>load<u32>(STACK_SEG)
  const at = (load<u64>(RSP) + displacement) & load<u64>(SP_MASK)
  if (bytes == 4) return <u64>read<u32>(seg, at)
  if (bytes == 2) return <u64>read<u16>(seg, at)
  return read<u64>(seg, at)
}
