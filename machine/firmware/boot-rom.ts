/**
 * Direct boot: an option ROM that SeaBIOS lists as a boot device, and the "boot image" it loads.
 *
 * The ROM is one and the same for every kernel. Its boot entry vector finds the fw_cfg file `opt/bootwright/boot`, reads
 * that file's first 4096 bytes (the header) and then, by fw_cfg DMA, each segment the header lists to its place in
 * memory. Then it enters the kernel: in real mode as the Linux/x86 boot protocol says, or in 32-bit protected mode as
 * Multiboot, Multiboot 2 and PVH say, after it has put what the firmware says (memory, ACPI, a video mode) where the
 * header wants it. So the firmware has run as on any other boot.
 * Specifications: Plug and Play BIOS 1.0A (appendix B: option ROM header, BEV); BIOS Boot Specification 1.01; VBE 3.0.
 *
 * Low memory while the ROM runs, below the EBDA, where kernels seldom want to lie:
 *   0x9b000  stack, down from 0x9bc00
 *   0x9bc00  scratch: DMA descriptor, directory entry, GDTR, far pointer, what VBE says
 *   0x9c000  header of the boot image; the Multiboot information structure stands in it
 *   0x9d000  memory map for Multiboot, read by INT 15h E820h
 *   0x9e000  free for segments
 */
import { UsageError } from '../errors.js'
import { Assembler } from './assembler.js'

/** Where SeaBIOS looks for option ROMs that belong to no PCI device. */
export const BOOT_ROM_FILE = 'genroms/bootwright-boot.rom'
/** How SeaBIOS names that ROM in the file `bootorder`. */
export const BOOT_ROM_BOOTORDER = `/rom@${BOOT_ROM_FILE}`
export const BOOT_IMAGE_FILE = 'opt/bootwright/boot'

/** Memory that the ROM itself works in: no segment may touch it. */
export const ROM_WORK_AREA = { start: 0x9b000, end: 0x9e000 } as const
const WORK = ROM_WORK_AREA.start
/** Guest-physical address of the Multiboot information structure. */
export const MULTIBOOT_INFO_ADDRESS = WORK + 0x1020
export const MULTIBOOT_INFO_BYTES = 0x80
export const MULTIBOOT_MMAP_ADDRESS = WORK + 0x2000

// Offsets in the work area, whose segment DS, ES and SS hold.
const STACK_TOP = 0xc00
const DMA = 0xc00
const ENTRY = 0xc10
const GDTR = 0xc50
const FAR_POINTER = 0xc58
/** What is told to nobody. */
const SCRATCH = 0xc80
const VBE_MODE = 0xd00
const VBE_INFO = 0xe00
const HEADER = 0x1000
const INFO = MULTIBOOT_INFO_ADDRESS - WORK
const MMAP = MULTIBOOT_MMAP_ADDRESS - WORK
const MMAP_END = 0x3000

/** The header of a boot image. */
const HEADER_BYTES = 4096
const MAGIC = 0x31425742 // "BWB1"
const AT_MAGIC = 0x00
const AT_MODE = 0x04
const AT_COUNT = 0x06
const AT_DATA_SEGMENT = 0x08
const AT_CODE_SEGMENT = 0x0a
const AT_SP = 0x0c
const AT_ENTRY = 0x10
const AT_EAX = 0x14
const AT_EBX = 0x18
const AT_INFO = INFO - HEADER
/** What is to be filled in: 16-bit offsets in one segment, and what is added to some of them. */
const AT_FILL_SEGMENT = 0xa0
const AT_MAP = 0xa2
const AT_MAP_LIMIT = 0xa4
const AT_MAP_GAP = 0xa8
const AT_LOWER = 0xac
const AT_UPPER = 0xae
const AT_LENGTH = 0xb0
const AT_COUNT_OF_RANGES = 0xb2
const AT_LENGTH_ADD = 0xb4
const AT_TOTAL_ADD = 0xb8
const AT_TOTAL = 0xbc
const AT_RSDP_ADDRESS = 0xbe
const AT_RSDP = 0xc0
const AT_RSDP_BYTES = 0xc2
const AT_OTHER_RSDP = 0xc4
const AT_OTHER_RSDP_BYTES = 0xc6
const AT_VIDEO = 0xc8
const AT_VIDEO_WIDTH = 0xca
const AT_VIDEO_HEIGHT = 0xcc
const AT_VIDEO_DEPTH = 0xce
const AT_SEGMENTS = 0xd0
const SEGMENT_BYTES = 8
const MODE_REAL = 0
const MODE_PROTECTED = 1

/** Bytes for guest-physical memory. `size` beyond the data is filled with zeros. */
export interface BootSegment {
  readonly address: number
  readonly data: Uint8Array
  /** Bytes in memory; default the data's length. */
  readonly size?: number
  /** For error messages: `initrd`, `module 2`. */
  readonly name: string
}

/** How the kernel is entered. */
export type BootEntry =
  | { readonly mode: 'real'; readonly dataSegment: number; readonly codeSegment: number; readonly stack: number }
  | {
      readonly mode: 'protected'
      readonly address: number
      readonly eax: number
      readonly ebx: number
      /** Stands at MULTIBOOT_INFO_ADDRESS. */
      readonly info?: Uint8Array
      readonly handover: Handover
    }

/** A value of the ROM's at an offset, with something added to it. */
interface Filled {
  readonly at: number
  readonly add: number
}

/** What the ROM writes for the kernel before it enters it. Offsets are in one segment; its first bytes are scratch. */
export interface Handover {
  /** The real-mode segment. */
  readonly segment: number
  /** Entries of 24 bytes as E820h has them (20), each with `gap` in the four bytes before it; none begins at `limit` or above. */
  readonly map: { readonly offset: number; readonly limit: number; readonly gap: number }
  /** KiB below 640 KiB, and from 1 MiB on. */
  readonly lower?: number
  readonly upper?: number
  /** Bytes of the map; of it, what stands before it and the eight bytes 0, 8 behind it; and its entries. */
  readonly length?: Filled
  readonly total?: Filled
  readonly count?: number
  /** Copies of the ACPI root pointer, and where the address of it goes. */
  readonly rsdp?: readonly { readonly at: number; readonly bytes: number }[]
  readonly rsdpAddress?: number
  readonly video?: VideoWish
}

/** A linear frame buffer: its address, pitch, size, bits and colours are written as Multiboot 2's tag 8 has them from its third word on. */
export interface VideoWish {
  readonly at: number
  readonly width: number
  readonly height: number
  readonly depth: number
}

/** Of Multiboot 1, all of it in the ROM's own memory. */
export const MULTIBOOT_HANDOVER: Handover = {
  segment: WORK >> 4,
  map: { offset: MMAP + 4, limit: MMAP_END - 24, gap: 20 },
  lower: INFO + 4,
  upper: INFO + 8,
  length: { at: INFO + 44, add: 0 },
}

export interface BootPlan {
  readonly entry: BootEntry
  readonly segments: readonly BootSegment[]
}

/** A kernel, initrd or module that cannot be booted directly; the message is one sentence for the user. */
export class BootImageError extends UsageError {
  override readonly name = 'BootImageError'
}

/**
 * The fw_cfg file for a plan, in runs of bytes that need not be copied.
 * Throws a BootImageError for segments that overlap each other or the ROM's work area.
 */
export function bootImage(plan: BootPlan): Uint8Array[] {
  checkOverlaps(plan.segments)
  // The file ends with the last data, and fw_cfg reads as zeros from there on: so zero-filled parts come last.
  const data = plan.segments.filter((segment) => segment.data.length > 0)
  const zeros = plan.segments.filter((segment) => (segment.size ?? 0) > segment.data.length)
  const count = data.length + zeros.length
  if (AT_SEGMENTS + count * SEGMENT_BYTES > HEADER_BYTES)
    throw new BootImageError(`The kernel and its modules need ${count} memory segments, more than the loader takes.`)

  const header = new Uint8Array(HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(AT_MAGIC, MAGIC, true)
  view.setUint16(AT_COUNT, count, true)
  const { entry } = plan
  if (entry.mode === 'real') {
    view.setUint16(AT_MODE, MODE_REAL, true)
    view.setUint16(AT_DATA_SEGMENT, entry.dataSegment, true)
    view.setUint16(AT_CODE_SEGMENT, entry.codeSegment, true)
    view.setUint16(AT_SP, entry.stack, true)
  } else {
    view.setUint16(AT_MODE, MODE_PROTECTED, true)
    view.setUint32(AT_ENTRY, entry.address, true)
    view.setUint32(AT_EAX, entry.eax, true)
    view.setUint32(AT_EBX, entry.ebx, true)
    header.set(entry.info?.subarray(0, MULTIBOOT_INFO_BYTES) ?? [], AT_INFO)
    writeHandover(view, entry.handover)
  }
  let at = AT_SEGMENTS
  const list = (address: number, length: number): void => {
    view.setUint32(at, address, true)
    view.setUint32(at + 4, length, true)
    at += SEGMENT_BYTES
  }
  for (const segment of data) list(segment.address, segment.data.length)
  for (const segment of zeros)
    list(segment.address + segment.data.length, (segment.size as number) - segment.data.length)
  return [header, ...data.map((segment) => segment.data)]
}

function writeHandover(view: DataView, { segment, map, video, rsdp = [], ...places }: Handover): void {
  // Nobody reads the first bytes of another segment, nor these of the ROM's own.
  const scratch = segment === WORK >> 4 ? SCRATCH : 0
  const u16 = (at: number, value = scratch) => view.setUint16(at, value, true)
  u16(AT_FILL_SEGMENT, segment)
  u16(AT_MAP, map.offset)
  u16(AT_MAP_LIMIT, map.limit)
  view.setUint32(AT_MAP_GAP, map.gap, true)
  u16(AT_LOWER, places.lower)
  u16(AT_UPPER, places.upper)
  u16(AT_LENGTH, places.length?.at)
  u16(AT_COUNT_OF_RANGES, places.count)
  view.setUint32(AT_LENGTH_ADD, places.length?.add ?? 0, true)
  view.setUint32(AT_TOTAL_ADD, places.total?.add ?? 0, true)
  u16(AT_TOTAL, places.total?.at)
  u16(AT_RSDP_ADDRESS, places.rsdpAddress)
  u16(AT_RSDP, rsdp[0]?.at)
  u16(AT_RSDP_BYTES, rsdp[0]?.bytes ?? 0)
  u16(AT_OTHER_RSDP, rsdp[1]?.at)
  u16(AT_OTHER_RSDP_BYTES, rsdp[1]?.bytes ?? 0)
  u16(AT_VIDEO, video?.at ?? 0)
  u16(AT_VIDEO_WIDTH, video?.width ?? 0)
  u16(AT_VIDEO_HEIGHT, video?.height ?? 0)
  u16(AT_VIDEO_DEPTH, video?.depth ?? 0)
}

function checkOverlaps(segments: readonly BootSegment[]): void {
  const ranges = segments.map((segment) => ({
    name: segment.name,
    start: segment.address,
    end: segment.address + Math.max(segment.size ?? 0, segment.data.length),
  }))
  ranges.push({ name: "boot loader's own memory", ...ROM_WORK_AREA })
  const taken = ranges.filter((range) => range.end > range.start).sort((a, b) => a.start - b.start)
  for (let i = 1; i < taken.length; i++) {
    const [below, above] = [taken[i - 1], taken[i]]
    if (below.end > above.start) {
      const where = `0x${above.start.toString(16)}`
      throw new BootImageError(`The ${above.name} at ${where} overlaps the ${below.name}; it cannot be loaded there.`)
    }
  }
}

/** The option ROM: a multiple of 512 bytes, with its checksum. */
export function buildBootRom(): Uint8Array {
  const a = new Assembler()
  header(a)
  findBootImage(a)
  loadSegments(a)
  enterRealMode(a)
  readMemoryMap(a)
  findRootPointer(a)
  setVideoMode(a)
  enterProtectedMode(a)
  loadRoutine(a)
  giveUp(a)
  data(a)
  a.padTo(Math.ceil(a.length / 512) * 512)
  const rom = a.assemble()
  rom[2] = rom.length / 512
  rom[PNP_HEADER + 9] = -sum(rom.subarray(PNP_HEADER, PNP_HEADER + 32)) & 0xff
  rom[6] = -sum(rom) & 0xff
  return rom
}

const PNP_HEADER = 0x20

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0)
}

function header(a: Assembler): void {
  a.op(0x55, 0xaa) // option ROM signature
  a.op(0) // length in 512-byte units, filled in at the end
  a.op(0x31, 0xc0) // init vector: xor ax, ax
  a.op(0xcb) // retf
  a.op(0) // checksum, filled in at the end
  a.padTo(0x1a).u16(PNP_HEADER)
  a.padTo(PNP_HEADER)
  a.text('$PnP').op(1, 32 / 16) // revision, length in 16-byte units
  a.u16(0).op(0, 0) // next header, reserved, checksum (filled in at the end)
  a.u32(0) // device identifier
  a.address16('manufacturer').address16('product')
  a.op(0, 0, 0) // device type
  a.op(0x44) // indicators: may be shadowed, is an initial program load device
  a.u16(0).u16(0) // boot connection vector, disconnect vector
  a.address16('boot') // boot entry vector
  a.u16(0).u16(0) // reserved, static resources
}

/** Walks the fw_cfg directory through the data port until the name matches, and selects that file. */
function findBootImage(a: Assembler): void {
  a.label('boot')
  a.op(0xfa) // cli
  a.op(0xb8).u16(WORK >> 4) // mov ax, work area
  a.op(0x8e, 0xd0) // mov ss, ax
  a.op(0xbc).u16(STACK_TOP) // mov sp, STACK_TOP
  a.op(0x8e, 0xd8) // mov ds, ax
  a.op(0x8e, 0xc0) // mov es, ax
  a.op(0xfb) // sti
  a.op(0xfc) // cld
  a.op(0xba).u16(0x510) // mov dx, 0x510    selector port
  a.op(0xb8).u16(0x01) // mov ax, 0x01     FW_CFG_ID
  a.op(0xef) // out dx, ax
  a.op(0x42) // inc dx           data port
  a.op(0xec) // in al, dx
  a.op(0x4a) // dec dx
  a.op(0xa8, 0x02) // test al, 2       has DMA?
  a.near([0x0f, 0x84], 'missing') // jz missing
  a.op(0xb8).u16(0x19) // mov ax, 0x19     FW_CFG_FILE_DIR
  a.op(0xef) // out dx, ax
  a.op(0x42) // inc dx           data port
  a.op(0xbf).u16(ENTRY) // mov di, ENTRY
  a.op(0xb9).u16(4) // mov cx, 4
  a.op(0xf3, 0x6c) // rep insb
  a.op(0xa1).u16(ENTRY + 2) // mov ax, [ENTRY+2]  number of files, big-endian, low half
  a.op(0x86, 0xc4) // xchg ah, al
  a.op(0x95) // xchg bp, ax
  a.label('next file')
  a.op(0x85, 0xed) // test bp, bp
  a.near([0x0f, 0x84], 'missing') // jz missing
  a.op(0x4d) // dec bp
  a.op(0xbf).u16(ENTRY) // mov di, ENTRY
  a.op(0xb9).u16(64) // mov cx, 64
  a.op(0xf3, 0x6c) // rep insb
  a.op(0xbe).address16('file name') // mov si, file name
  a.op(0xbf).u16(ENTRY + 8) // mov di, ENTRY+8
  a.op(0xb9).u16(BOOT_IMAGE_FILE.length + 1) // mov cx, length with NUL
  a.op(0xf3, 0x2e, 0xa6) // repe cmpsb cs:[si], es:[di]
  a.jump(0x75, 'next file') // jne next file
  a.op(0xa1).u16(ENTRY + 4) // mov ax, [ENTRY+4]   its number, big-endian
  a.op(0x86, 0xc4) // xchg ah, al
  a.op(0x4a) // dec dx
  a.op(0xef) // out dx, ax
}

function loadSegments(a: Assembler): void {
  a.op(0x66, 0xb8).u32(HEADER_BYTES) // mov eax, HEADER_BYTES
  a.op(0x66, 0xbb).u32(WORK + HEADER) // mov ebx, WORK+HEADER
  a.near(0xe8, 'load') // call load
  a.op(0x66, 0x81, 0x3e)
    .u16(HEADER + AT_MAGIC)
    .u32(MAGIC) // cmp dword [HEADER], MAGIC
  a.near([0x0f, 0x85], 'bad') // jne bad
  a.op(0xbe).u16(HEADER + AT_SEGMENTS) // mov si, segment list
  a.op(0x8b, 0x0e).u16(HEADER + AT_COUNT) // mov cx, [count]
  a.label('next segment')
  a.jump(0xe3, 'loaded') // jcxz loaded
  a.op(0x66, 0x8b, 0x1c) // mov ebx, [si]       address
  a.op(0x66, 0x8b, 0x44, 4) // mov eax, [si+4]     bytes
  a.near(0xe8, 'load') // call load
  a.op(0x83, 0xc6, SEGMENT_BYTES) // add si, 8
  a.op(0x49) // dec cx
  a.jump(0xeb, 'next segment') // jmp next segment
  a.label('loaded')
  a.op(0x83, 0x3e)
    .u16(HEADER + AT_MODE)
    .op(MODE_REAL) // cmp word [mode], MODE_REAL
  a.jump(0x75, 'protected') // jne protected
}

/** Linux/x86 boot protocol: DS=ES=FS=GS=SS the setup's segment, SP its heap's end, CS:0 its entry, interrupts off. */
function enterRealMode(a: Assembler): void {
  a.op(0xfa) // cli
  a.op(0xa1).u16(HEADER + AT_DATA_SEGMENT) // mov ax, [data segment]
  a.op(0x8b, 0x0e).u16(HEADER + AT_CODE_SEGMENT) // mov cx, [code segment]
  a.op(0x8b, 0x1e).u16(HEADER + AT_SP) // mov bx, [stack pointer]
  a.op(0x8e, 0xd0) // mov ss, ax
  a.op(0x89, 0xdc) // mov sp, bx
  a.op(0x8e, 0xd8) // mov ds, ax
  a.op(0x8e, 0xc0) // mov es, ax
  a.op(0x8e, 0xe0) // mov fs, ax
  a.op(0x8e, 0xe8) // mov gs, ax
  a.op(0x51) // push cx
  a.op(0x6a, 0) // push 0
  a.op(0xcb) // retf
}

/** A20 on, memory below 640 KiB from INT 12h, the map and memory above 1 MiB from INT 15h E820h. FS is where it goes. */
function readMemoryMap(a: Assembler): void {
  const SMAP = 0x534d4150
  a.label('protected')
  a.op(0xb8).u16(0x2401) // mov ax, 0x2401       enable A20
  a.op(0xcd, 0x15) // int 0x15
  a.op(0xa1).u16(HEADER + AT_FILL_SEGMENT) // mov ax, [segment]
  a.op(0x8e, 0xe0) // mov fs, ax
  a.op(0x8e, 0xc0) // mov es, ax
  a.op(0xcd, 0x12) // int 0x12             KiB below the EBDA
  a.op(0x66, 0x0f, 0xb7, 0xc0) // movzx eax, ax
  store(a, AT_LOWER)
  a.op(0x8b, 0x3e).u16(HEADER + AT_MAP) // mov di, [map]
  a.op(0x66, 0x31, 0xdb) // xor ebx, ebx
  a.label('next range')
  a.op(0x66, 0xb8).u32(0xe820) // mov eax, 0xe820
  a.op(0x66, 0xba).u32(SMAP) // mov edx, 'SMAP'
  a.op(0x66, 0xb9).u32(20) // mov ecx, 20
  a.op(0xcd, 0x15) // int 0x15
  a.jump(0x72, 'map read') // jc map read
  a.op(0x66, 0x3d).u32(SMAP) // cmp eax, 'SMAP'
  a.jump(0x75, 'map read') // jne map read
  writeGap(a)
  a.op(0x26, 0x66, 0x81, 0x3d).u32(0x100000) // cmp dword es:[di], 1 MiB
  a.jump(0x75, 'not upper') // jne not upper
  a.op(0x26, 0x83, 0x7d, 16, 1) // cmp word es:[di+16], 1    RAM
  a.jump(0x75, 'not upper') // jne not upper
  a.op(0x26, 0x66, 0x8b, 0x45, 8) // mov eax, es:[di+8]        bytes; below 4 GiB they fit 32 bits
  a.op(0x66, 0xc1, 0xe8, 10) // shr eax, 10
  a.op(0x53) // push bx
  store(a, AT_UPPER)
  a.op(0x5b) // pop bx
  a.label('not upper')
  a.op(0x83, 0xc7, 24) // add di, 24
  a.op(0x3b, 0x3e).u16(HEADER + AT_MAP_LIMIT) // cmp di, [limit]
  a.jump(0x73, 'map read') // jae map read
  a.op(0x66, 0x85, 0xdb) // test ebx, ebx
  a.jump(0x75, 'next range') // jnz next range
  a.label('map read')
  writeGap(a)
  a.op(0x26, 0x66, 0xc7, 0x05).u32(0) // mov dword es:[di], 0     Multiboot 2's last tag
  a.op(0x26, 0x66, 0xc7, 0x45, 4).u32(8) // mov dword es:[di+4], 8
  a.op(0x2b, 0x3e).u16(HEADER + AT_MAP) // sub di, [map]
  a.op(0x66, 0x0f, 0xb7, 0xff) // movzx edi, di
  a.op(0x66, 0x89, 0xf8) // mov eax, edi
  a.op(0x66, 0x03, 0x06).u16(HEADER + AT_LENGTH_ADD) // add eax, [length, add]
  store(a, AT_LENGTH)
  a.op(0x66, 0x89, 0xf8) // mov eax, edi
  a.op(0x66, 0x03, 0x06).u16(HEADER + AT_TOTAL_ADD) // add eax, [total, add]
  store(a, AT_TOTAL)
  a.op(0x66, 0x89, 0xf8) // mov eax, edi
  a.op(0x66, 0x31, 0xd2) // xor edx, edx
  a.op(0x66, 0xb9).u32(24) // mov ecx, 24
  a.op(0x66, 0xf7, 0xf1) // div ecx
  store(a, AT_COUNT_OF_RANGES)
}

/** EAX goes to where the header says, in FS; BX is lost. */
function store(a: Assembler, at: number): void {
  a.op(0x8b, 0x1e).u16(HEADER + at) // mov bx, [at]
  a.op(0x64, 0x66, 0x89, 0x07) // mov fs:[bx], eax
}

/** The four bytes before an entry of the map. */
function writeGap(a: Assembler): void {
  a.op(0x66, 0xa1).u16(HEADER + AT_MAP_GAP) // mov eax, [gap]
  a.op(0x26, 0x66, 0x89, 0x45, 0xfc) // mov es:[di-4], eax
}

/** ACPI 5.2.5.1: on a boundary of 16 in the BIOS's memory, which is where SeaBIOS puts it. */
function findRootPointer(a: Assembler): void {
  const [RSD_, PTR_] = [0x20445352, 0x20525450]
  a.op(0xba).u16(0xe000) // mov dx, 0xe000
  a.label('next paragraph')
  a.op(0x8e, 0xc2) // mov es, dx
  a.op(0x26, 0x66, 0x81, 0x3e).u16(0).u32(RSD_) // cmp dword es:[0], 'RSD '
  a.jump(0x75, 'no pointer') // jne no pointer
  a.op(0x26, 0x66, 0x81, 0x3e).u16(4).u32(PTR_) // cmp dword es:[4], 'PTR '
  a.jump(0x74, 'pointer') // je pointer
  a.label('no pointer')
  a.op(0x42) // inc dx
  a.jump(0x75, 'next paragraph') // jnz next paragraph
  a.jump(0xeb, 'pointer told') // jmp pointer told
  a.label('pointer')
  a.op(0x66, 0x0f, 0xb7, 0xc2) // movzx eax, dx
  a.op(0x66, 0xc1, 0xe0, 4) // shl eax, 4
  store(a, AT_RSDP_ADDRESS)
  a.op(0x8c, 0xe0) // mov ax, fs
  a.op(0x8e, 0xc0) // mov es, ax
  for (const [place, bytes] of [
    [AT_RSDP, AT_RSDP_BYTES],
    [AT_OTHER_RSDP, AT_OTHER_RSDP_BYTES],
  ]) {
    a.op(0x8b, 0x3e).u16(HEADER + place) // mov di, [place]
    a.op(0x8b, 0x0e).u16(HEADER + bytes) // mov cx, [bytes]
    a.op(0x31, 0xf6) // xor si, si
    a.op(0x1e) // push ds
    a.op(0x8e, 0xda) // mov ds, dx
    a.op(0xf3, 0xa4) // rep movsb
    a.op(0x1f) // pop ds
  }
  a.label('pointer told')
}

/** The first mode of VBE's with a linear frame buffer of this size and depth; without one the text mode stays. */
function setVideoMode(a: Assembler): void {
  const field = (at: number) => VBE_MODE + at
  a.op(0x83, 0x3e)
    .u16(HEADER + AT_VIDEO)
    .op(0) // cmp word [video], 0
  a.near([0x0f, 0x84], 'video set') // je video set
  a.op(0x8c, 0xd8) // mov ax, ds
  a.op(0x8e, 0xc0) // mov es, ax
  a.op(0xbf).u16(VBE_INFO) // mov di, VBE_INFO
  a.op(0x66, 0xc7, 0x05).u32(0x32454256) // mov dword [di], 'VBE2'
  a.op(0xb8).u16(0x4f00) // mov ax, 0x4f00
  a.op(0xcd, 0x10) // int 0x10
  a.op(0x3d).u16(0x004f) // cmp ax, 0x004f
  a.near([0x0f, 0x85], 'video set') // jne video set
  a.op(0x0f, 0xb5, 0x36).u16(VBE_INFO + 14) // lgs si, [list of modes]
  a.label('next mode')
  a.op(0x65, 0xad) // lodsw gs:
  a.op(0x83, 0xf8, 0xff) // cmp ax, -1
  a.near([0x0f, 0x84], 'video set') // je video set
  a.op(0x89, 0xc1) // mov cx, ax
  a.op(0xbf).u16(VBE_MODE) // mov di, VBE_MODE
  a.op(0xb8).u16(0x4f01) // mov ax, 0x4f01
  a.op(0xcd, 0x10) // int 0x10
  a.op(0x3d).u16(0x004f) // cmp ax, 0x004f
  a.jump(0x75, 'next mode') // jne next mode
  a.op(0xa0).u16(field(0)) // mov al, [attributes]
  a.op(0x24, 0x91) // and al, supported, graphics, linear
  a.op(0x3c, 0x91) // cmp al, all of them
  a.jump(0x75, 'next mode') // jne next mode
  a.op(0x80, 0x3e).u16(field(27)).op(6) // cmp byte [memory model], direct colour
  a.jump(0x75, 'next mode') // jne next mode
  for (const [at, wanted] of [
    [18, AT_VIDEO_WIDTH],
    [20, AT_VIDEO_HEIGHT],
  ]) {
    a.op(0xa1).u16(field(at)) // mov ax, [width, height]
    a.op(0x3b, 0x06).u16(HEADER + wanted) // cmp ax, [wanted]
    a.jump(0x75, 'next mode') // jne next mode
  }
  a.op(0xa0).u16(field(25)) // mov al, [bits]
  a.op(0x3a, 0x06).u16(HEADER + AT_VIDEO_DEPTH) // cmp al, [wanted]
  a.jump(0x75, 'next mode') // jne next mode
  a.op(0x89, 0xcb) // mov bx, cx
  a.op(0x80, 0xcf, 0x40) // or bh, 0x40          linear
  a.op(0xb8).u16(0x4f02) // mov ax, 0x4f02
  a.op(0xcd, 0x10) // int 0x10
  a.op(0x3d).u16(0x004f) // cmp ax, 0x004f
  a.jump(0x75, 'video set') // jne video set
  a.op(0x8b, 0x1e).u16(HEADER + AT_VIDEO) // mov bx, [video]
  a.op(0x66, 0xa1).u16(field(40)) // mov eax, [address]
  a.op(0x64, 0x66, 0x89, 0x07) // mov fs:[bx], eax
  for (const [at, to] of [
    [16, 8],
    [18, 12],
    [20, 16],
  ]) {
    a.op(0x66, 0x0f, 0xb7, 0x06).u16(field(at)) // movzx eax, word [pitch, width, height]
    a.op(0x64, 0x66, 0x89, 0x47, to) // mov fs:[bx+to], eax
  }
  a.op(0xa0).u16(field(25)) // mov al, [bits]
  a.op(0xb4, 1) // mov ah, 1            direct colour
  a.op(0x64, 0x89, 0x47, 20) // mov fs:[bx+20], ax
  for (const [at, to] of [
    [31, 24],
    [33, 26],
    [35, 28],
  ]) {
    a.op(0xa1).u16(field(at)) // mov ax, [bits of a colour, their place]
    a.op(0x86, 0xc4) // xchg ah, al
    a.op(0x64, 0x89, 0x47, to) // mov fs:[bx+to], ax
  }
  a.label('video set')
}

/** Multiboot and PVH: flat 32-bit segments, paging and interrupts off, the magic in EAX, the information's address in EBX. */
function enterProtectedMode(a: Assembler): void {
  a.op(0xfa) // cli
  a.op(0x66, 0x31, 0xc0) // xor eax, eax
  a.op(0x8c, 0xc8) // mov ax, cs
  a.op(0x66, 0xc1, 0xe0, 4) // shl eax, 4           where this ROM lies
  a.op(0x66, 0x89, 0xc3) // mov ebx, eax
  a.op(0x66, 0x05).address32('gdt') // add eax, gdt
  a.op(0xc7, 0x06).u16(GDTR).u16(23) // mov word [GDTR], limit
  a.op(0x66, 0xa3).u16(GDTR + 2) // mov [GDTR+2], eax
  a.op(0x66, 0x81, 0xc3).address32('flat') // add ebx, flat
  a.op(0x66, 0x89, 0x1e).u16(FAR_POINTER) // mov [FAR], ebx
  a.op(0xc7, 0x06)
    .u16(FAR_POINTER + 4)
    .u16(0x08) // mov word [FAR+4], code selector
  a.op(0x66, 0x0f, 0x01, 0x16).u16(GDTR) // lgdt [GDTR]
  a.op(0x0f, 0x20, 0xc0) // mov eax, cr0
  a.op(0x0c, 1) // or al, 1             PE
  a.op(0x0f, 0x22, 0xc0) // mov cr0, eax
  a.op(0x66, 0xff, 0x2e).u16(FAR_POINTER) // jmp far dword [FAR]
  a.label('flat') // 32-bit code from here
  a.op(0xb8).u32(0x10) // mov eax, data selector
  a.op(0x8e, 0xd8) // mov ds, ax
  a.op(0x8e, 0xc0) // mov es, ax
  a.op(0x8e, 0xd0) // mov ss, ax
  a.op(0x8e, 0xe0) // mov fs, ax
  a.op(0x8e, 0xe8) // mov gs, ax
  a.op(0xbc).u32(WORK + STACK_TOP) // mov esp, WORK+STACK_TOP
  a.op(0x8b, 0x0d).u32(WORK + HEADER + AT_ENTRY) // mov ecx, [entry]
  a.op(0x8b, 0x1d).u32(WORK + HEADER + AT_EBX) // mov ebx, [ebx]
  a.op(0xa1).u32(WORK + HEADER + AT_EAX) // mov eax, [eax]
  a.op(0xff, 0xe1) // jmp ecx
}

/** load: reads the next EAX bytes of the selected file to physical address EBX by DMA; ends in `bad` on an error. */
function loadRoutine(a: Assembler): void {
  a.label('load')
  a.op(0x66, 0x0f, 0xc8) // bswap eax            the descriptor is big-endian
  a.op(0x66, 0x0f, 0xcb) // bswap ebx
  a.op(0x66, 0xa3).u16(DMA + 4) // mov [length], eax
  a.op(0x66, 0xc7, 0x06)
    .u16(DMA + 8)
    .u32(0) // mov dword [address, high], 0
  a.op(0x66, 0x89, 0x1e).u16(DMA + 12) // mov [address, low], ebx
  a.op(0x66, 0xc7, 0x06).u16(DMA).u32(0x02000000) // mov dword [control], READ
  a.op(0x66, 0x31, 0xc0) // xor eax, eax
  a.op(0xba).u16(0x514) // mov dx, 0x514
  a.op(0x66, 0xef) // out dx, eax          descriptor's address, high
  a.op(0x66, 0xb8).op(0, WORK >> 16, ((WORK + DMA) >> 8) & 0xff, DMA & 0xff) // mov eax, WORK+DMA, big-endian
  a.op(0xba).u16(0x518) // mov dx, 0x518
  a.op(0x66, 0xef) // out dx, eax          low: starts the transfer
  a.label('wait')
  a.op(0x66, 0xa1).u16(DMA) // mov eax, [control]
  a.op(0x66, 0x0f, 0xc8) // bswap eax
  a.op(0xa8, 1) // test al, ERROR
  a.jump(0x75, 'bad') // jnz bad
  a.op(0x66, 0x85, 0xc0) // test eax, eax
  a.jump(0x75, 'wait') // jnz wait
  a.op(0xc3) // ret
}

/** Says what is wrong and hands back to the firmware, which tries the next boot device. */
function giveUp(a: Assembler): void {
  a.label('bad')
  a.op(0xbe).address16('bad text') // mov si, bad text
  a.jump(0xeb, 'next character') // jmp next character
  a.label('missing')
  a.op(0xbe).address16('missing text') // mov si, missing text
  a.label('next character')
  a.op(0x2e, 0xac) // cs lodsb
  a.op(0x84, 0xc0) // test al, al
  a.jump(0x74, 'said') // jz said
  a.op(0xb4, 0x0e) // mov ah, 0x0e         teletype
  a.op(0xbb).u16(7) // mov bx, 7
  a.op(0xcd, 0x10) // int 0x10
  a.jump(0xeb, 'next character') // jmp next character
  a.label('said')
  a.op(0xcd, 0x18) // int 0x18             boot failed
  a.label('halt')
  a.op(0xf4) // hlt
  a.jump(0xeb, 'halt') // jmp halt
}

function data(a: Assembler): void {
  a.label('file name').text(`${BOOT_IMAGE_FILE}\0`)
  a.label('manufacturer').text('Bootwright\0')
  a.label('product').text('Bootwright direct boot\0')
  a.label('missing text').text('Bootwright: no boot image in fw_cfg\r\n\0')
  a.label('bad text').text('Bootwright: the boot image cannot be loaded\r\n\0')
  while (a.length % 8 !== 0) a.op(0)
  a.label('gdt').u32(0).u32(0)
  a.u32(0x0000ffff).u32(0x00cf9b00) // 0x08: code, 32-bit, base 0, 4 GiB
  a.u32(0x0000ffff).u32(0x00cf9300) // 0x10: data, 32-bit, base 0, 4 GiB
}
