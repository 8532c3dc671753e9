/**
 * Guest memory as a debugger sees it: by linear address through the guest's page tables, or by physical address, without a
 * trace. No accessed or dirty bit is set, no right is asked for, no device hears of it: of devices those can be read that tell
 * without a change what they hold, as video memory and the APICs do.
 * Specification: Intel SDM vol. 3, 4.3 (32-bit paging), 4.4 (PAE), 4.5 (4-level paging).
 */
import type { CpuState } from '../cpu/engine.js'

/** RAM, ROM, and devices that can be looked at, by physical address. */
export interface PhysicalView {
  /** The bytes at `address`, as many as stand there without a break, `length` at most; empty where no memory is. */
  bytes(address: number, length: number): Uint8Array
  /** Writes what lies in RAM or such a device; ROM stays as it is. Returns how many bytes were written, from the first on. */
  store(address: number, bytes: Uint8Array): number
}

export type Paging = Pick<CpuState, 'cr0' | 'cr3' | 'cr4' | 'efer'>

const CR0_PG = 1n << 31n
const CR4_PSE = 1n << 4n
const CR4_PAE = 1n << 5n
const EFER_LMA = 1n << 10n
const PRESENT = 1n
export const WRITABLE = 2n
export const USER = 4n
const ALL_RIGHTS = WRITABLE | USER
/** Page size: the entry maps a page itself. */
const PS = 1n << 7n
const PAGE = 0x1000n
/** Bits 51 to 12: what an entry of eight bytes points to. */
const FRAME = 0xffffffffff000n
const LOW_32 = 0xffffffffn

/** Where a linear address lies, or that nothing is there. */
export type Translated =
  /**
   * `length` bytes of its 4 KiB follow, itself included; the page that maps it has `size`, and `entry` in the table.
   * `rights` are the bits of all entries on the way that say what may be done: WRITABLE and USER where each has them.
   */
  | { absent?: undefined; physical: number; length: number; size: bigint; rights: bigint; entry: bigint }
  /** What the entry that is missing would map, from the address on. */
  | { absent: true; length: bigint }

export function translate(linear: bigint, paging: Paging, memory: PhysicalView): Translated {
  if (!(paging.cr0 & CR0_PG)) return found(linear & LOW_32, 0n, PAGE, ALL_RIGHTS, PRESENT)
  if (paging.efer & EFER_LMA) return walk(linear, paging.cr3 & FRAME, 4, ALL_RIGHTS, memory)
  if (paging.cr4 & CR4_PAE) return walkPae(linear & LOW_32, paging.cr3, memory)
  return walkShort(linear & LOW_32, paging, memory)
}

/** An entry that would map `size` bytes is not present, or is in no memory. */
function missing(linear: bigint, size: bigint): Translated {
  return { absent: true, length: size - (linear & (size - 1n)) }
}

function found(base: bigint, linear: bigint, size: bigint, rights: bigint, entry: bigint): Translated {
  const offset = linear & (size - 1n)
  const left = PAGE - ((base + offset) & (PAGE - 1n))
  return { physical: Number(base + offset), length: Number(left), size, rights: rights & entry, entry }
}

function entry(address: bigint, size: 4 | 8, memory: PhysicalView): bigint {
  const bytes = memory.bytes(Number(address), size)
  if (bytes.length < size) return 0n
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
}

/** Tables of 512 entries of eight bytes. */
function walk(linear: bigint, table: bigint, level: number, rights: bigint, memory: PhysicalView): Translated {
  const shift = BigInt(3 + 9 * level)
  const size = 1n << shift
  const here = entry(table + ((linear >> shift) & 511n) * 8n, 8, memory)
  if (!(here & PRESENT)) return missing(linear, size)
  if (level === 1 || (level <= 3 && here & PS)) return found(here & FRAME & ~(size - 1n), linear, size, rights, here)
  return walk(linear, here & FRAME, level - 1, rights & here, memory)
}

function walkPae(linear: bigint, cr3: bigint, memory: PhysicalView): Translated {
  const pointer = entry((cr3 & 0xffffffe0n) + (linear >> 30n) * 8n, 8, memory)
  return pointer & PRESENT ? walk(linear, pointer & FRAME, 2, ALL_RIGHTS, memory) : missing(linear, 1n << 30n)
}

/** Tables of 1,024 entries of four bytes. */
function walkShort(linear: bigint, { cr3, cr4 }: Paging, memory: PhysicalView): Translated {
  const directory = entry((cr3 & 0xfffff000n) + (linear >> 22n) * 4n, 4, memory)
  if (!(directory & PRESENT)) return missing(linear, 1n << 22n)
  if (directory & PS && cr4 & CR4_PSE) {
    const size = 1n << 22n
    // PSE-36: bits 20 to 13 are bits 39 to 32 of the address.
    const base = (directory & 0xffc00000n) | (((directory >> 13n) & 0xffn) << 32n)
    return found(base, linear, size, ALL_RIGHTS, directory)
  }
  const page = entry((directory & 0xfffff000n) + ((linear >> 12n) & 1023n) * 4n, 4, memory)
  const rights = directory & ALL_RIGHTS
  return page & PRESENT ? found(page & 0xfffff000n, linear, PAGE, rights, page) : missing(linear, PAGE)
}

/** As many bytes as can be read from `linear` on, `length` at most. */
export function readLinear(linear: bigint, length: number, paging: Paging, memory: PhysicalView): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0
  while (at < length) {
    const place = translate(BigInt.asUintN(64, linear + BigInt(at)), paging, memory)
    if (place.absent) break
    const piece = memory.bytes(place.physical, Math.min(place.length, length - at))
    bytes.set(piece, at)
    at += piece.length
    if (piece.length === 0) break
  }
  return bytes.subarray(0, at)
}

/** Returns how many bytes were written: rights are not asked for, but what is not there and ROM cannot be written. */
export function writeLinear(linear: bigint, bytes: Uint8Array, paging: Paging, memory: PhysicalView): number {
  let at = 0
  while (at < bytes.length) {
    const place = translate(BigInt.asUintN(64, linear + BigInt(at)), paging, memory)
    if (place.absent) break
    const piece = bytes.subarray(at, at + Math.min(place.length, bytes.length - at))
    const written = memory.store(place.physical, piece)
    at += written
    if (written < piece.length) break
  }
  return at
}

/** As many entries as 32-bit tables have. A guest's tables may point to one another, and so map nothing 2^36 times. */
const MOST_ENTRIES = 1 << 20

/**
 * All that the page tables map, by pages, upward. The table's absent parts are passed over by whole entries. undefined, at
 * last, where there may be more.
 */
export function* presentPages(
  paging: Paging,
  memory: PhysicalView,
  most = MOST_ENTRIES,
  from = 0n,
  end = 1n << 48n,
): Generator<{ linear: bigint; physical: bigint; length: bigint; rights: bigint; entry: bigint } | undefined> {
  const isLong = (paging.efer & EFER_LMA) !== 0n
  const top = isLong ? end : 1n << 32n
  let looked = 0
  for (let linear = from; linear < top; ) {
    if (++looked > most) {
      yield undefined
      return
    }
    const canonical = isLong && linear >> 47n ? linear | (0xffffn << 48n) : linear
    const place = translate(canonical, paging, memory)
    if (place.absent) {
      linear += place.length
      continue
    }
    const length = place.size - (linear & (place.size - 1n))
    yield { linear: canonical, physical: BigInt(place.physical), length, rights: place.rights, entry: place.entry }
    linear += length
  }
}
