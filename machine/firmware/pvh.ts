/**
 * Direct boot of PVH kernels: ELF files with a note of Xen's that names a 32-bit entry point, as Linux's own `vmlinux`,
 * Xen's guests and the BSDs have it.
 * Specification: Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h; public/elfnote.h for the note.
 */
import { BootImageError, type BootPlan } from './boot-rom.js'
import { isElf, readElfImage } from './elf-image.js'
import { HANDOVER_BLOCK, MAP_ENTRY_BYTES, MOST_RANGES, SCRATCH_BYTES } from './kernel-handover.js'
import { Block, type KernelToBoot, placeModules } from './kernel-layout.js'

const WHAT = 'The PVH kernel'
const START_MAGIC = 0x336ec578
const VERSION = 1
/** XEN_ELFNOTE_PHYS32_ENTRY. */
const PHYS32_ENTRY = 18
const OWNER = 'Xen\0'

/** Offsets in the start info. */
const AT_RSDP = 32
const AT_MEMMAP_ENTRIES = 48
const START_INFO_BYTES = 56
const MAP_BYTES = MAP_ENTRY_BYTES * MOST_RANGES
const BLOCK_END = 0x10000

/** The kernel's entry point by its note; undefined where it has none. */
export function pvhEntry(image: Uint8Array): number | undefined {
  if (!isElf(image)) return undefined
  try {
    return entryOf(readElfImage(image, WHAT).notes)
  } catch (error) {
    if (error instanceof BootImageError) return undefined
    throw error
  }
}

/** Lays a kernel and its modules out in memory. Throws a BootImageError for what cannot be booted. */
export function planPvh({ image, append = '', modules = [], lowMemory }: KernelToBoot): BootPlan {
  const { segments, notes } = readElfImage(image, WHAT)
  const entry = entryOf(notes)
  if (entry === undefined) throw new BootImageError(`${WHAT} has no note of Xen's with its entry point.`)
  const placed = placeModules(segments, modules, lowMemory, WHAT)

  const block = new Block(HANDOVER_BLOCK)
  block.append(new Uint8Array(SCRATCH_BYTES))
  const info = block.next
  const map = info + START_INFO_BYTES
  const list = map + MAP_BYTES
  const strings = new Block(list + placed.length * 32)
  const cmdline = strings.next
  strings.text(append)
  const moduleLines = placed.map((_, index) => {
    const at = strings.next
    strings.text(modules[index].commandLine ?? '')
    return at
  })
  if (strings.next > HANDOVER_BLOCK + BLOCK_END)
    throw new BootImageError('The command lines of the PVH kernel and its modules are too long.')
  block.u32(START_MAGIC, VERSION, 0, placed.length)
  block.u64(placed.length === 0 ? 0 : list).u64(cmdline)
  // The ROM fills in the RSDP's address and how many ranges there are.
  block.u64(0).u64(map).u32(0, 0)
  block.append(new Uint8Array(MAP_BYTES))
  placed.forEach(({ address, data }, index) => {
    block.u64(address).u64(data.length).u64(moduleLines[index]).u64(0)
  })
  const told = block.append(strings.segment('').data).segment('boot information')
  const offset = (address: number) => address - HANDOVER_BLOCK
  return {
    entry: {
      ...{ mode: 'protected', address: entry, eax: 0, ebx: info },
      handover: {
        segment: HANDOVER_BLOCK >> 4,
        map: { offset: offset(map), limit: offset(list) - MAP_ENTRY_BYTES, gap: 0 },
        count: offset(info) + AT_MEMMAP_ENTRIES,
        rsdpAddress: offset(info) + AT_RSDP,
      },
    },
    segments: [told, ...segments, ...placed],
  }
}

/** A note: bytes of its name and contents, its number, both of them padded to four bytes. */
function entryOf(notes: readonly Uint8Array[]): number | undefined {
  for (const bytes of notes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at + 12 <= bytes.length; ) {
      const [nameBytes, size, type] = [0, 4, 8].map((offset) => view.getUint32(at + offset, true))
      const name = at + 12
      const contents = name + Math.ceil(nameBytes / 4) * 4
      const end = contents + Math.ceil(size / 4) * 4
      if (contents + size > bytes.length) break
      const isXen = Buffer.from(bytes.subarray(name, name + nameBytes)).toString('latin1') === OWNER
      if (isXen && type === PHYS32_ENTRY && size >= 4) return view.getUint32(contents, true)
      at = end
    }
  }
  return undefined
}
