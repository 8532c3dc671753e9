/** The last exceptions, for reports on a guest that went wrong: a ring that the host reads. No part of any state. */
import { CR2, CS, ICOUNT, RIP, SEG_LIMIT, SEG_SELECTOR } from '../state'

const ENTRIES: u32 = 16
const ENTRY: usize = 64
const VECTOR: usize = 0 // u32
const HAS_ERROR: usize = 4 // u32
const ERROR: usize = 8 // u32
const SELECTOR: usize = 12 // u32: CS
const IP: usize = 16 // u64
const LINEAR: usize = 24 // u64: CR2
const RETIRED: usize = 32 // u64
const REFUSAL: usize = 40 // u32: REFUSED_, 0 where no segment refused an access
const SEGMENT: usize = 44 // u32: the record's address
const OFFSET: usize = 48 // u64: in the segment; where it is not canonical the linear address
const LIMIT: usize = 56 // u32
const ACCESS: usize = 60 // u32: 0 read, 1 write, 2 execute

/** Why a segment refused an access. */
export const REFUSED_LIMIT: u32 = 1
/** An expand-down segment, whose limit is its lower end. */
export const REFUSED_DOWN: u32 = 2
export const REFUSED_NULL: u32 = 3
/** Its type does not have the access. */
export const REFUSED_TYPE: u32 = 4
export const REFUSED_CANONICAL: u32 = 5

const RING: usize = memory.data(<i32>(16 * 64), 16)
/** The ring, while it is written anew. */
const KEPT: usize = memory.data(<i32>(16 * 64), 16)
/** REFUSAL to ACCESS of the exception that is about to be raised. */
const NEXT: usize = memory.data(24, 16)
let count: u32 = 0

/** To be called right in front of the raise(): the noteFault() that follows takes it. */
export function noteRefusal(why: u32, seg: usize, offset: u64, access: u32): void {
  store<u32>(NEXT, why)
  store<u32>(NEXT, <u32>seg, SEGMENT - REFUSAL)
  store<u64>(NEXT, offset, OFFSET - REFUSAL)
  store<u32>(NEXT, load<u32>(seg, SEG_LIMIT), LIMIT - REFUSAL)
  store<u32>(NEXT, access, ACCESS - REFUSAL)
}

export function noteFault(vector: u32, hasError: bool, errorCode: u32): void {
  const entry = RING + <usize>(count % ENTRIES) * ENTRY
  store<u32>(entry, vector, VECTOR)
  store<u32>(entry, hasError ? 1 : 0, HAS_ERROR)
  store<u32>(entry, errorCode, ERROR)
  store<u32>(entry, load<u32>(CS, SEG_SELECTOR), SELECTOR)
  store<u64>(entry, load<u64>(RIP), IP)
  store<u64>(entry, load<u64>(CR2), LINEAR)
  store<u64>(entry, load<u64>(ICOUNT), RETIRED)
  for (let i: usize = 0; i < ENTRY - REFUSAL; i += 8) store<u64>(entry + i, load<u64>(NEXT + i), REFUSAL)
  store<u32>(NEXT, 0)
  count++
}

/** The faults since there were `before` come again `passes` times, each time so many instructions later. */
export function repeatFaults(before: u32, passes: u64, instructions: u64): void {
  const faults = count - before
  if (!faults || !passes) return
  memory.copy(KEPT, RING, <usize>ENTRIES * ENTRY)
  const last = count - 1
  const more = passes * faults
  count += <u32>more
  for (let back: u32 = 0; back < ENTRIES; back++) {
    const isAgain = back < more
    const pass = back / faults
    const from = isAgain ? last - back % faults : last - (back - <u32>more)
    const entry = RING + <usize>((count - 1 - back) % ENTRIES) * ENTRY
    memory.copy(entry, KEPT + <usize>(from % ENTRIES) * ENTRY, ENTRY)
    if (isAgain) store<u64>(entry, load<u64>(entry, RETIRED) + (passes - pass) * instructions, RETIRED)
  }
}

/** How many there were; ENTRIES of them at most are kept. */
export function faultCount(): u32 {
  return count
}

/**
 * Where fault number `n` is, from 0: vector, whether it has an error code, that, CS (u32 each); RIP, CR2, retired
 * instructions (u64 each); what a segment refused: why, its record (u32 each), offset (u64), limit, access (u32 each).
 */
export function faultEntry(n: u32): usize {
  return RING + <usize>(n % ENTRIES) * ENTRY
}
