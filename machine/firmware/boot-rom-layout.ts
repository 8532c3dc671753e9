/** The memory that the boot ROM works in, and the header of its boot image (`boot-rom.ts` says what is where). */

/** Memory that the ROM itself works in: no segment may touch it. */
export const ROM_WORK_AREA = { start: 0x9b000, end: 0x9e000 } as const
export const WORK = ROM_WORK_AREA.start
/** Guest-physical address of the Multiboot information structure. */
export const MULTIBOOT_INFO_ADDRESS = WORK + 0x1020
export const MULTIBOOT_INFO_BYTES = 0x80
export const MULTIBOOT_MMAP_ADDRESS = WORK + 0x2000

// Offsets in the work area, whose segment DS, ES and SS hold.
export const STACK_TOP = 0xc00
export const DMA = 0xc00
export const ENTRY = 0xc10
export const GDTR = 0xc50
export const FAR_POINTER = 0xc58
/** What is told to nobody. */
export const SCRATCH = 0xc80
export const VBE_MODE = 0xd00
export const VBE_INFO = 0xe00
export const HEADER = 0x1000
export const INFO = MULTIBOOT_INFO_ADDRESS - WORK
export const MMAP = MULTIBOOT_MMAP_ADDRESS - WORK
export const MMAP_END = 0x3000

/** The header of a boot image. */
export const HEADER_BYTES = 4096
export const MAGIC = 0x31425742 // "BWB1"
export const AT_MAGIC = 0x00
export const AT_MODE = 0x04
export const AT_COUNT = 0x06
export const AT_DATA_SEGMENT = 0x08
export const AT_CODE_SEGMENT = 0x0a
export const AT_SP = 0x0c
export const AT_ENTRY = 0x10
export const AT_EAX = 0x14
export const AT_EBX = 0x18
export const AT_INFO = INFO - HEADER
export const AT_SEGMENTS = 0xd0
export const SEGMENT_BYTES = 8
export const MODE_REAL = 0
export const MODE_PROTECTED = 1
