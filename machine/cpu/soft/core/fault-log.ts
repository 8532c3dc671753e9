/** The last exceptions, for reports on a guest that went wrong: a ring that the host reads. No part of any state. */
import { CR2, CS, ICOUNT, RIP, SEG_SELECTOR } from './state'

const ENTRIES: u32 = 16
const ENTRY: usize = 48
const VECTOR: usize = 0 // u32
const HAS_ERROR: usize = 4 // u32
const ERROR: usize = 8 // u32
const SELECTOR: usize = 12 // u32: CS
const IP: usize = 16 // u64
const LINEAR: usize = 24 // u64: CR2
const RETIRED: usize = 32 // u64

const RING: usize = memory.data(<i32>(16 * 48), 16)
let count: u32 = 0

export function noteFault(vector: u32, hasError: bool, errorCode: u32): void {
  const entry = RING + <usize>(count % ENTRIES) * ENTRY
  store<u32>(entry, vector, VECTOR)
  store<u32>(entry, hasError ? 1 : 0, HAS_ERROR)
  store<u32>(entry, errorCode, ERROR)
  store<u32>(entry, load<u32>(CS, SEG_SELECTOR), SELECTOR)
  store<u64>(entry, load<u64>(RIP), IP)
  store<u64>(entry, load<u64>(CR2), LINEAR)
  store<u64>(entry, load<u64>(ICOUNT), RETIRED)
  count++
}

/** How many there were; ENTRIES of them at most are kept. */
export function faultCount(): u32 {
  return count
}

/** Where fault number `n` is, from 0: vector, whether it has an error code, that, CS (u32 each); RIP, CR2, retired instructions (u64 each). */
export function faultEntry(n: u32): usize {
  return RING + <usize>(n % ENTRIES) * ENTRY
}
