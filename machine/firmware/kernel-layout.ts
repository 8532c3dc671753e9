/** Where a kernel and its modules go in memory, for the protocols that have both. */
import type { BootModule } from '../machine.js'
import { BootImageError, type BootSegment } from './boot-rom.js'

/** A kernel that is to be booted directly, and what it is told. */
export interface KernelToBoot {
  /** The kernel image. */
  readonly image: Uint8Array
  /** What stands first in a Multiboot 1 kernel's command line, as a program's own name does; default `kernel`. */
  readonly name?: string
  readonly append?: string
  /** Linux takes the first one for its initrd. */
  readonly modules?: readonly BootModule[]
  /** The BIOS's number of the drive that the kernel is to take for the one that it was booted from; none: not told. */
  readonly bootDrive?: number
  /** Bytes of RAM below 4 GiB. */
  readonly lowMemory: number
}

/** The top of low RAM, which SeaBIOS keeps for ACPI tables and its own data. */
export const FIRMWARE_RESERVE = 0x100000
const PAGE = 4096
const MIB = 2 ** 20

/** Address fields of a header (the "a.out kludge"): where its parts go, and where the header itself is then. */
export interface KernelAddresses {
  header: number
  load: number
  /** 0: up to the file's end. */
  loadEnd: number
  /** 0: none. */
  bssEnd: number
  entry: number
}

/** @param what Begins the sentences: `The Multiboot kernel`. Throws a BootImageError. */
export function loadByAddresses(
  image: Uint8Array,
  headerOffset: number,
  { header, load, loadEnd, bssEnd, entry }: KernelAddresses,
  what: string,
): { segments: BootSegment[]; entry: number } {
  const from = headerOffset - (header - load)
  const length = loadEnd === 0 ? image.length - from : loadEnd - load
  if (load > header || from < 0 || length <= 0 || from + length > image.length)
    throw new BootImageError(`${what}'s address fields do not fit its file; it may be cut short.`)
  if (bssEnd !== 0 && bssEnd < load + length)
    throw new BootImageError(`${what}'s bss_end_addr lies inside its loaded data.`)
  const size = bssEnd === 0 ? length : bssEnd - load
  return { segments: [{ name: 'kernel', address: load, data: image.subarray(from, from + length), size }], entry }
}

/** The first address behind all of them, and above 1 MiB. */
export function topOf(segments: readonly BootSegment[]): number {
  return segments.reduce((top, { address, size, data }) => Math.max(top, address + (size ?? data.length)), MIB)
}

/** On pages above the kernel. Throws a BootImageError where memory ends before. */
export function placeModules(
  segments: readonly BootSegment[],
  modules: readonly BootModule[],
  lowMemory: number,
  what: string,
): BootSegment[] {
  let top = topOf(segments)
  const placed = modules.map(({ data }, index) => {
    const address = Math.ceil(top / PAGE) * PAGE
    top = address + data.length
    return { name: `module ${index + 1}`, address, data }
  })
  if (top > lowMemory - FIRMWARE_RESERVE)
    throw new BootImageError(
      `${what} and its modules reach up to ${mib(top)}, and the machine needs at least ` +
        `${mib(top + FIRMWARE_RESERVE)} of memory for them.`,
    )
  return placed
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`
}

/** A block of bytes at a known address: what a kernel is told, piece by piece. */
export class Block {
  private readonly bytes: number[] = []

  constructor(readonly address: number) {}

  /** The address of what comes next. */
  get next(): number {
    return this.address + this.bytes.length
  }

  get length(): number {
    return this.bytes.length
  }

  u32(...values: number[]): this {
    for (const value of values) this.add(value, value >>> 8, value >>> 16, value >>> 24)
    return this
  }

  u64(value: number): this {
    return this.u32(value, Math.floor(value / 2 ** 32))
  }

  add(...values: number[]): this {
    for (const value of values) this.bytes.push(value & 0xff)
    return this
  }

  append(data: Uint8Array): this {
    for (const byte of data) this.bytes.push(byte)
    return this
  }

  /** UTF-8 with a zero at its end. */
  text(text: string): this {
    return this.append(new TextEncoder().encode(`${text}\0`))
  }

  align(boundary: number): this {
    while (this.bytes.length % boundary !== 0) this.bytes.push(0)
    return this
  }

  patch32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.bytes[at - this.address + i] = (value >>> (8 * i)) & 0xff
  }

  segment(name: string, size?: number): BootSegment {
    return { name, address: this.address, data: Uint8Array.from(this.bytes), size }
  }
}
