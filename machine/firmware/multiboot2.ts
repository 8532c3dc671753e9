/**
 * Direct boot of Multiboot 2 kernels, as GRUB's `multiboot2` loads them on a BIOS.
 * Specification: Multiboot2 Specification 2.0 (header: section 3.1, machine state: 3.2 and 3.3, boot information: 3.6).
 *
 * What the kernel is told is one block whose last part is the memory map: the boot ROM writes it, the sizes that follow
 * from it, and the end of the block, from what the firmware says.
 */
import type { BootModule } from '../machine.js'
import { BootImageError, type BootPlan, type BootSegment } from './boot-rom.js'
import { type ElfImage, isElf, readElfImage } from './elf-image.js'
import {
  HANDOVER_BLOCK,
  type Handover,
  MAP_ENTRY_BYTES,
  MOST_RANGES,
  SCRATCH_BYTES,
  type VideoWish,
} from './kernel-handover.js'
import {
  Block,
  FIRMWARE_RESERVE,
  type KernelAddresses,
  type KernelToBoot,
  loadByAddresses,
  placeModules,
  topOf,
} from './kernel-layout.js'

const WHAT = 'The Multiboot 2 kernel'
const HEADER_MAGIC = 0xe85250d6
const BOOTLOADER_MAGIC = 0x36d76289
/** The header lies within the first 32768 bytes, on a boundary of 8. */
export const HEADER2_SEARCH_BYTES = 32768
const HEADER_BYTES = 16
const TAG_BYTES = 8
const I386 = 0
const OPTIONAL = 1

/** Tags of the header. */
const HEADER = {
  ...{ end: 0, request: 1, address: 2, entry: 3, console: 4, framebuffer: 5, moduleAlign: 6, efiServices: 7 },
  ...{ efi32: 8, efi64: 9, relocatable: 10 },
} as const
/** Bytes that each has at least. */
const LEAST: { readonly [tag: number]: number } = { 1: 8, 2: 24, 3: 12, 4: 12, 5: 20, 6: 8, 7: 8, 8: 12, 9: 12, 10: 24 }
/** Of the console flags: one must be there, and the kernel knows EGA's text. */
const CONSOLE_REQUIRED = 1

/** Tags of the boot information. */
const INFO = {
  ...{ end: 0, cmdline: 1, loader: 2, module: 3, memory: 4, bootDevice: 5, map: 6, framebuffer: 8, sections: 9 },
  ...{ oldRsdp: 14, newRsdp: 15, loadBase: 21 },
} as const
const KNOWN_INFO: readonly number[] = Object.values(INFO)

/** Xen takes a command line's first word for an image's name, except from what calls itself so (arch/x86/setup.c, cmdline_cook). */
const LOADER = 'Bootwright (as GRUB 2)'

/** Offset in the block. */
const BLOCK_END = 0xf000
const RSDP_BYTES = 36
const RSDP_OLD_BYTES = 20
const PARTITION_NONE = 0xffffffff
const FIRST_HARD_DISK = 0x80
const MIB = 2 ** 20
const PAGE = 4096

const SHT_NULL = 0
const SHT_NOBITS = 8

interface Header2 {
  /** Byte offset in the file. */
  offset: number
  addresses?: Omit<KernelAddresses, 'entry'>
  entry?: number
  video?: { width: number; height: number; depth: number }
  relocatable?: { min: number; max: number; align: number; preference: number }
}

/** Where the header is; undefined where there is none. */
export function findMultiboot2Header(image: Uint8Array): number | undefined {
  const view = viewOf(image)
  const end = Math.min(image.length, HEADER2_SEARCH_BYTES) - HEADER_BYTES
  for (let at = 0; at <= end; at += 8) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue
    const sum = [0, 4, 8, 12].reduce((total, offset) => total + view.getUint32(at + offset, true), 0)
    if (sum % 2 ** 32 === 0) return at
  }
  return undefined
}

/** Lays a kernel and its modules out in memory. Throws a BootImageError for what cannot be booted. */
export function planMultiboot2(options: KernelToBoot): BootPlan {
  const { image, modules = [], lowMemory } = options
  const header = readHeader(image)
  const elf = isElf(image) ? readElfImage(image, WHAT) : undefined
  const loaded = load(image, header, elf)
  const { segments, entry, base } = header.relocatable
    ? relocated(loaded, header.relocatable, lowMemory, roomBehind(modules, image, elf))
    : { ...loaded, base: undefined }
  const placed = placeModules(segments, modules, lowMemory, WHAT)
  const sections = elf && placeSections(image, elf, [...segments, ...placed], lowMemory)
  const { block, handover, info } = bootInformation(options, header, { placed, sections, base })
  return {
    entry: { mode: 'protected', address: entry, eax: BOOTLOADER_MAGIC, ebx: info, handover },
    segments: [block, ...segments, ...placed, ...(sections?.segments ?? [])],
  }
}

// The header ----------------------------------------------------------------------------------------------------------------

function readHeader(image: Uint8Array): Header2 {
  const offset = findMultiboot2Header(image)
  if (offset === undefined) throw new BootImageError('The kernel file has no Multiboot 2 header.')
  const view = viewOf(image)
  const u32 = (at: number) => view.getUint32(at, true)
  const end = offset + u32(offset + 8)
  if (u32(offset + 4) !== I386)
    throw new BootImageError(`${WHAT} is for another processor than the i386 (architecture ${u32(offset + 4)}).`)
  if (end > image.length || end < offset + HEADER_BYTES)
    throw new BootImageError(`${WHAT}'s header ends beyond its file; it may be cut short.`)
  const header: Header2 = { offset }
  for (let at = offset + HEADER_BYTES; ; ) {
    if (at + TAG_BYTES > end) throw new BootImageError(`${WHAT}'s header has no end tag.`)
    const [type, flags, size] = [view.getUint16(at, true), view.getUint16(at + 2, true), u32(at + 4)]
    if (type === HEADER.end) return header
    if (size < (LEAST[type] ?? TAG_BYTES) || at + size > end)
      throw new BootImageError(
        `A tag of ${WHAT.replace('The', 'the')}'s header (type ${type}) has no right size: ${size} bytes.`,
      )
    readTag(header, type, (flags & OPTIONAL) !== 0, (index) => u32(at + TAG_BYTES + 4 * index), (size - TAG_BYTES) >> 2)
    at += Math.ceil(size / 8) * 8
  }
}

function readTag(
  header: Header2,
  type: number,
  optional: boolean,
  field: (index: number) => number,
  fields: number,
): void {
  switch (type) {
    case HEADER.request: {
      const wanted = Array.from({ length: fields }, (_, index) => field(index))
      const unknown = wanted.filter((one) => !KNOWN_INFO.includes(one))
      if (optional || unknown.length === 0) return
      throw new BootImageError(
        `${WHAT} requires information that is not there for it (tags ${unknown.slice(0, 8).join(', ')}); mark the request optional.`,
      )
    }
    case HEADER.address:
      header.addresses = { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3) }
      return
    case HEADER.entry:
      header.entry = field(0)
      return
    case HEADER.console:
      // EGA's text is always there, as long as no other picture is wished for.
      if (field(0) & ~(CONSOLE_REQUIRED | 2) && !optional)
        throw new BootImageError(
          `${WHAT} requires features of a console that nobody defined (0x${field(0).toString(16)}).`,
        )
      return
    case HEADER.framebuffer:
      header.video = { width: field(0), height: field(1), depth: field(2) }
      return
    case HEADER.relocatable:
      header.relocatable = { min: field(0), max: field(1), align: field(2), preference: field(3) }
      return
    // Modules are on pages always; of EFI there is nothing on a BIOS, and its entry points are not taken then.
    case HEADER.moduleAlign:
    case HEADER.efiServices:
    case HEADER.efi32:
    case HEADER.efi64:
      return
    default:
      if (!optional)
        throw new BootImageError(
          `${WHAT} requires something that is not known here (header tag ${type}); mark it optional.`,
        )
  }
}

// Memory --------------------------------------------------------------------------------------------------------------------

interface Loaded {
  segments: BootSegment[]
  entry: number
}

function load(image: Uint8Array, { offset, addresses, entry }: Header2, elf: ElfImage | undefined): Loaded {
  if (addresses) {
    if (entry === undefined)
      throw new BootImageError(`${WHAT} gives load addresses in its header, and no entry address.`)
    return loadByAddresses(image, offset, { ...addresses, entry }, WHAT)
  }
  if (!elf) throw new BootImageError(`${WHAT} is no ELF file and gives no load addresses in its header.`)
  return { segments: elf.segments, entry: entry ?? elf.entry }
}

/** Bytes that go above the kernel: what must be there, and with sections, which may be left out. */
function roomBehind(modules: readonly BootModule[], image: Uint8Array, elf: ElfImage | undefined) {
  const needed = modules.reduce((total, { data }) => total + data.length + PAGE, 0)
  return { needed, wished: needed + (elf ? image.length + elf.sections.count * PAGE : 0) }
}

/** Preferences: 0 none, 1 the lowest address, 2 the highest one that leaves room for what goes above it. */
function relocated(
  { segments, entry }: Loaded,
  { min, max, align, preference }: NonNullable<Header2['relocatable']>,
  lowMemory: number,
  { needed, wished }: ReturnType<typeof roomBehind>,
): Loaded & { base: number } {
  const start = Math.min(...segments.map(({ address }) => address))
  const bytes = topOf(segments) - start
  const step = Math.max(1, align)
  const lowest = Math.ceil(Math.max(min, MIB) / step) * step
  const below = (room: number) =>
    Math.floor((Math.min(max + 1, lowMemory - FIRMWARE_RESERVE - room) - bytes) / step) * step
  const highest = below(wished) >= lowest ? below(wished) : below(needed)
  if (highest < lowest)
    throw new BootImageError(
      `${WHAT} wants to lie between 0x${min.toString(16)} and 0x${max.toString(16)}, where the machine has no room for it; give it more memory.`,
    )
  const fits = start >= lowest && start <= highest && start % step === 0
  const base = preference === 2 ? highest : preference === 1 ? lowest : fits ? start : lowest
  const move = base - start
  return { segments: segments.map((one) => ({ ...one, address: one.address + move })), entry: entry + move, base }
}

interface Sections extends Pick<ElfImage['sections'], 'count' | 'entryBytes' | 'names'> {
  headers: Uint8Array
  segments: BootSegment[]
}

/** Sections that are no part of a segment, such as symbols, go above everything, and their headers say where. */
function placeSections(
  image: Uint8Array,
  { sections: { headers, count, entryBytes, names, long } }: ElfImage,
  taken: readonly BootSegment[],
  lowMemory: number,
): Sections {
  const view = viewOf(headers)
  const get = (at: number) => (long ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true))
  let top = Math.ceil(topOf(taken) / PAGE) * PAGE
  const segments: BootSegment[] = []
  for (let i = 0; i < count; i++) {
    const at = i * entryBytes
    const type = view.getUint32(at + 4, true)
    const [addressAt, offsetAt, sizeAt, alignAt] = (long ? [16, 24, 32, 48] : [12, 16, 20, 32]).map(
      (field) => at + field,
    )
    const [offset, size] = [get(offsetAt), get(sizeAt)]
    if (type === SHT_NULL || type === SHT_NOBITS || size === 0 || get(addressAt) !== 0) continue
    const align = Math.min(Math.max(1, get(alignAt)), PAGE)
    const address = Math.ceil(top / align) * align
    // What does not lie in the file, or in memory, stays where it is: nowhere.
    if (offset + size > image.length || address + size > lowMemory - FIRMWARE_RESERVE) continue
    segments.push({ name: `section ${i}`, address, data: image.subarray(offset, offset + size) })
    if (long) view.setBigUint64(addressAt, BigInt(address), true)
    else view.setUint32(addressAt, address, true)
    top = address + size
  }
  return { headers, count, entryBytes, names, segments: joined(segments) }
}

/** One after the other, they are one: a file has a hundred of them. */
function joined(parts: readonly BootSegment[]): BootSegment[] {
  if (parts.length === 0) return []
  const [first] = parts
  const last = parts[parts.length - 1]
  const data = new Uint8Array(last.address + last.data.length - first.address)
  for (const part of parts) data.set(part.data, part.address - first.address)
  return [{ name: 'sections', address: first.address, data }]
}

// The boot information ------------------------------------------------------------------------------------------------------

function bootInformation(
  { append = '', modules = [], bootDrive }: KernelToBoot,
  { video }: Header2,
  { placed, sections, base }: { placed: readonly BootSegment[]; sections?: Sections; base?: number },
): { block: BootSegment; handover: Handover; info: number } {
  const block = new Block(HANDOVER_BLOCK)
  block.append(new Uint8Array(SCRATCH_BYTES))
  const info = block.next
  block.u32(0, 0)
  /** Returns the address of what follows the tag's type and size. */
  const tag = (type: number, fill: () => void): number => {
    block.align(8)
    const at = block.next
    block.u32(type, 0)
    fill()
    block.patch32(at + 4, block.next - at)
    return at + TAG_BYTES
  }
  tag(INFO.cmdline, () => block.text(append))
  tag(INFO.loader, () => block.text(LOADER))
  placed.forEach(({ address, data }, index) => {
    tag(INFO.module, () => block.u32(address, address + data.length).text(modules[index].commandLine ?? ''))
  })
  const memory = tag(INFO.memory, () => block.u32(0, 0))
  if (bootDrive !== undefined) {
    const partition = bootDrive & FIRST_HARD_DISK ? 0 : PARTITION_NONE
    tag(INFO.bootDevice, () => block.u32(bootDrive, partition, PARTITION_NONE))
  }
  if (sections && sections.count > 0)
    tag(INFO.sections, () => block.u32(sections.count, sections.entryBytes, sections.names).append(sections.headers))
  if (base !== undefined) tag(INFO.loadBase, () => block.u32(base))
  tag(INFO.oldRsdp, () => block.append(new Uint8Array(RSDP_OLD_BYTES)))
  const oldRsdp = block.next - RSDP_OLD_BYTES
  const rsdp = tag(INFO.newRsdp, () => block.append(new Uint8Array(RSDP_BYTES)))
  // EGA's text, where the ROM finds no mode as wished for: address, pitch, width, height, bits, kind.
  const framebuffer =
    video && tag(INFO.framebuffer, () => block.u64(0xb8000).u32(160, 80, 25).add(16, 2, 0, 0).u32(0, 0))
  const map = tag(INFO.map, () => block.u32(MAP_ENTRY_BYTES, 0))
  const entries = block.next
  const static_ = entries - HANDOVER_BLOCK
  if (static_ > BLOCK_END - MAP_ENTRY_BYTES * MOST_RANGES)
    throw new BootImageError(
      `What ${WHAT.replace('The', 'the')} is to be told (command lines, section headers) does not fit into 48 KiB; shorten it.`,
    )
  const at = (address: number) => address - HANDOVER_BLOCK
  const wish: VideoWish | undefined =
    video && framebuffer !== undefined && video.width > 0 && video.height > 0
      ? { at: at(framebuffer), width: video.width, height: video.height, depth: video.depth || 32 }
      : undefined
  return {
    info,
    block: block.segment('boot information', static_ + MAP_ENTRY_BYTES * (MOST_RANGES + 1)),
    handover: {
      segment: HANDOVER_BLOCK >> 4,
      map: { offset: at(entries), limit: at(entries) + MAP_ENTRY_BYTES * (MOST_RANGES - 1), gap: 0 },
      lower: at(memory),
      upper: at(memory) + 4,
      length: { at: at(map) - 4, add: 16 },
      total: { at: at(info), add: entries - info + TAG_BYTES },
      rsdp: [
        { at: at(oldRsdp), bytes: RSDP_OLD_BYTES },
        { at: at(rsdp), bytes: RSDP_BYTES },
      ],
      video: wish,
    },
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
