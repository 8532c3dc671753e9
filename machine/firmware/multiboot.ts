/**
 * Direct boot of Multiboot 1 kernels: hobby kernels, kvm-unit-tests' .flat files, GRUB modules and the like.
 * Specification: Multiboot Specification 0.6.96 (header: section 3.1, boot information: 3.3).
 */
import { BootImageError, type BootPlan, type BootSegment } from './boot-rom.js'
import { MULTIBOOT_INFO_ADDRESS, MULTIBOOT_INFO_BYTES, MULTIBOOT_MMAP_ADDRESS } from './boot-rom-layout.js'
import { isElf, readElfImage } from './elf-image.js'
import { MULTIBOOT_HANDOVER } from './kernel-handover.js'
import { type KernelToBoot, loadByAddresses, placeModules } from './kernel-layout.js'
import { whatItIs } from './linux-boot.js'

const HEADER_MAGIC = 0x1badb002
const BOOTLOADER_MAGIC = 0x2badb002
/** The header lies within the first 8192 bytes. */
export const HEADER_SEARCH_BYTES = 8192

/** Flags in the header. Of bits 0 to 15 a loader must refuse what it does not know. */
const WANTS_PAGE_ALIGN = 0x1
const WANTS_MEMORY_INFO = 0x2
const WANTS_VIDEO_MODE = 0x4
const HAS_ADDRESSES = 0x10000
const KNOWN_REQUIREMENTS = WANTS_PAGE_ALIGN | WANTS_MEMORY_INFO | WANTS_VIDEO_MODE

/** Flags in the boot information. */
const INFO_MEMORY = 0x001
const INFO_BOOT_DEVICE = 0x002
const INFO_CMDLINE = 0x004
const INFO_MODS = 0x008
const INFO_MMAP = 0x040
const INFO_BOOT_LOADER_NAME = 0x200

/** The strings and the module list lie here, and may reach to where the EBDA can begin. */
const STRINGS_ADDRESS = 0x10000
const STRINGS_END = 0x90000
/** The BIOS's number of it; diskettes are from 0 on. */
export const FIRST_HARD_DISK = 0x80

export interface MultibootHeader {
  /** Byte offset in the file. */
  readonly offset: number
  readonly flags: number
  /** The address fields, present when the flags say so (the "a.out kludge"). */
  readonly addresses?: { header: number; load: number; loadEnd: number; bssEnd: number; entry: number }
}

/** The Multiboot header of an image, or undefined where it has none. */
export function findMultibootHeader(image: Uint8Array): MultibootHeader | undefined {
  const view = viewOf(image)
  const end = Math.min(image.length, HEADER_SEARCH_BYTES)
  for (let at = 0; at + 12 <= end; at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue
    const flags = view.getUint32(at + 4, true)
    if ((HEADER_MAGIC + flags + view.getUint32(at + 8, true)) >>> 0 !== 0) continue
    if (!(flags & HAS_ADDRESSES)) return { offset: at, flags }
    if (at + 32 > image.length) return undefined
    const field = (index: number): number => view.getUint32(at + 12 + index * 4, true)
    return {
      offset: at,
      flags,
      addresses: { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) },
    }
  }
  return undefined
}

/** Lays a kernel and its modules out in memory. Throws a BootImageError for what cannot be booted. */
export function planMultiboot(options: KernelToBoot): BootPlan {
  const { image, modules = [], lowMemory } = options
  const header = findMultibootHeader(image)
  if (!header) throw new BootImageError(`The kernel file has no Multiboot header: ${describe(image)}.`)
  const unknown = header.flags & 0xffff & ~KNOWN_REQUIREMENTS
  if (unknown !== 0)
    throw new BootImageError(`The Multiboot kernel requires features (flags 0x${unknown.toString(16)}) nobody defined.`)
  if (!header.addresses && !isElf(image))
    throw new BootImageError('The Multiboot kernel is no ELF file and gives no load addresses in its header.')
  const { segments, entry } = header.addresses
    ? loadByAddresses(image, header.offset, header.addresses, 'The Multiboot kernel')
    : readElfImage(image, 'The Multiboot kernel')

  const placed = placeModules(segments, modules, lowMemory, 'The Multiboot kernel')
  const { info, strings } = bootInformation(options, placed)
  if (STRINGS_ADDRESS + strings.data.length > STRINGS_END)
    throw new BootImageError('The command lines of the Multiboot kernel and its modules are too long.')
  return {
    entry: {
      ...{ mode: 'protected', address: entry, eax: BOOTLOADER_MAGIC, ebx: MULTIBOOT_INFO_ADDRESS },
      ...{ info, handover: MULTIBOOT_HANDOVER },
    },
    segments: [strings, ...segments, ...placed],
  }
}

/** The information structure (the boot ROM fills in the sizes of memory) and what it points to. */
function bootInformation(
  options: KernelToBoot,
  modules: readonly BootSegment[],
): { info: Uint8Array; strings: BootSegment } {
  const { name = 'kernel', append = '', bootDrive } = options
  const bytes: number[] = new Array(modules.length * 16).fill(0)
  const string = (text: string): number => {
    const address = STRINGS_ADDRESS + bytes.length
    for (const byte of new TextEncoder().encode(`${text}\0`)) bytes.push(byte)
    return address
  }
  const cmdline = string(append === '' ? name : `${name} ${append}`)
  const loaderName = string('Bootwright')
  const moduleStrings = modules.map((_, index) => string(options.modules?.[index].commandLine ?? ''))
  const data = Uint8Array.from(bytes)
  const list = viewOf(data)
  modules.forEach((module, index) => {
    list.setUint32(index * 16, module.address, true)
    list.setUint32(index * 16 + 4, module.address + module.data.length, true)
    list.setUint32(index * 16 + 8, moduleStrings[index], true)
  })

  const info = new Uint8Array(MULTIBOOT_INFO_BYTES)
  const view = viewOf(info)
  view.setUint32(0, INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MMAP | INFO_BOOT_LOADER_NAME, true)
  if (bootDrive !== undefined) {
    view.setUint32(0, view.getUint32(0, true) | INFO_BOOT_DEVICE, true)
    view.setUint32(12, bootDevice(bootDrive), true)
  }
  view.setUint32(16, cmdline, true)
  view.setUint32(20, modules.length, true)
  view.setUint32(24, modules.length === 0 ? 0 : STRINGS_ADDRESS, true)
  view.setUint32(48, MULTIBOOT_MMAP_ADDRESS, true)
  view.setUint32(64, loaderName, true)
  return { info, strings: { name: 'boot information', address: STRINGS_ADDRESS, data } }
}

/** The drive, and three levels of partitions, FFh for none: of a hard disk the first one, as QEMU tells. */
function bootDevice(drive: number): number {
  return ((drive << 24) | (drive & FIRST_HARD_DISK ? 0x00ffff : 0xffffff)) >>> 0
}

function describe(image: Uint8Array): string {
  if (isElf(image))
    return `it is an ELF file without one in its first ${HEADER_SEARCH_BYTES} bytes, without one of Multiboot 2, and without a PVH note of Xen's`
  return whatItIs(image).replace("there is no 'HdrS' setup header in it", 'there is no magic 0x1badb002 in it')
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
