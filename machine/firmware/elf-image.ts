/**
 * What of an ELF file is loaded, for kernels that a boot loader enters in 32-bit mode with paging off.
 * Specification: System V ABI, "Object Files"; 32 and 64 bits differ in the order and width of fields.
 */
import { BootImageError, type BootSegment } from './boot-rom.js'

const CLASS_32 = 1
const CLASS_64 = 2
const LITTLE_ENDIAN = 1
const EM_386 = 3
const EM_X86_64 = 62
const PT_LOAD = 1
const PT_NOTE = 4
/** Of a header table; both are 16-bit numbers of the file's own. */
const FOUR_GIB = 2 ** 32

export interface ElfImage {
  segments: BootSegment[]
  /** Physical: an entry point given as a virtual address means its place in memory. */
  entry: number
  /** Bytes of the notes' segments. */
  notes: Uint8Array[]
  /** The section headers as they stand in the file; none where they do not lie in it. */
  sections: { headers: Uint8Array; count: number; entryBytes: number; names: number; long: boolean }
}

export function isElf(image: Uint8Array): boolean {
  return image.length >= 52 && image[0] === 0x7f && image[1] === 0x45 && image[2] === 0x4c && image[3] === 0x46
}

/**
 * @param what Begins the sentences: `The Multiboot kernel`.
 * Throws a BootImageError.
 */
export function readElfImage(image: Uint8Array, what: string): ElfImage {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const long = image[4] === CLASS_64
  const machine = view.getUint16(18, true)
  const isRight = image[5] === LITTLE_ENDIAN && (machine === EM_386 || machine === EM_X86_64)
  if ((image[4] !== CLASS_32 && !long) || !isRight)
    throw new BootImageError(`${what} is an ELF file for another processor than the i386 or x86-64.`)
  if (long && image.length < 64) throw new BootImageError(`${what}'s ELF file is cut short.`)
  const word = (at: number): number => (long ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true))
  const start = word(24)
  const table = word(long ? 32 : 28)
  const entryBytes = view.getUint16(long ? 54 : 42, true)
  const count = view.getUint16(long ? 56 : 44, true)
  if (entryBytes < (long ? 56 : 32) || table + count * entryBytes > image.length)
    throw new BootImageError(`${what}'s ELF program headers lie beyond the end of its file.`)

  const segments: BootSegment[] = []
  const notes: Uint8Array[] = []
  let entry = start
  for (let i = 0; i < count; i++) {
    const at = table + i * entryBytes
    const type = view.getUint32(at, true)
    const [offset, virtual, physical, fileBytes, memoryBytes] = [0, 1, 2, 3, 4].map((index) =>
      long ? word(at + 8 + index * 8) : word(at + 4 + index * 4),
    )
    if (type === PT_NOTE && offset + fileBytes <= image.length) notes.push(image.subarray(offset, offset + fileBytes))
    if (type !== PT_LOAD || memoryBytes === 0) continue
    // Where a segment of zeros alone would begin, linkers name the next page, which the file may not reach.
    if ((fileBytes > 0 && offset + fileBytes > image.length) || fileBytes > memoryBytes)
      throw new BootImageError(
        `A segment of ${what.replace(/^The/, 'the')}'s ELF file lies beyond its end; it may be cut short.`,
      )
    if (physical + memoryBytes > FOUR_GIB)
      throw new BootImageError(`A segment of ${what.replace(/^The/, 'the')}'s ELF file is to be loaded above 4 GiB.`)
    segments.push({
      name: `kernel segment ${segments.length + 1}`,
      address: physical,
      data: image.subarray(offset, offset + fileBytes),
      size: memoryBytes,
    })
    // Of 64 bits a double does not hold all: the offset in the segment is what counts.
    if (virtual !== physical && start >= virtual && start < virtual + memoryBytes)
      entry =
        physical + (long ? Number(view.getBigUint64(24, true) - view.getBigUint64(at + 16, true)) : start - virtual)
  }
  if (segments.length === 0) throw new BootImageError(`${what}'s ELF file has nothing to load.`)
  return { segments, entry, notes, sections: sectionHeaders(image, view, long, word) }
}

function sectionHeaders(
  image: Uint8Array,
  view: DataView,
  long: boolean,
  word: (at: number) => number,
): ElfImage['sections'] {
  const at = word(long ? 40 : 32)
  const entryBytes = view.getUint16(long ? 58 : 46, true)
  const count = view.getUint16(long ? 60 : 48, true)
  const names = view.getUint16(long ? 62 : 50, true)
  const isThere = at > 0 && entryBytes >= (long ? 64 : 40) && at + count * entryBytes <= image.length
  if (!isThere) return { headers: new Uint8Array(), count: 0, entryBytes: long ? 64 : 40, names: 0, long }
  return { headers: image.slice(at, at + count * entryBytes), count, entryBytes, names, long }
}
