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
import {
  AT_CODE_SEGMENT,
  AT_COUNT,
  AT_DATA_SEGMENT,
  AT_EAX,
  AT_EBX,
  AT_ENTRY,
  AT_INFO,
  AT_MAGIC,
  AT_MODE,
  AT_SEGMENTS,
  AT_SP,
  DMA,
  ENTRY,
  FAR_POINTER,
  GDTR,
  HEADER,
  HEADER_BYTES,
  MAGIC,
  MODE_PROTECTED,
  MODE_REAL,
  MULTIBOOT_INFO_BYTES,
  ROM_WORK_AREA,
  SEGMENT_BYTES,
  STACK_TOP,
  WORK,
} from './boot-rom-layout.js'
import { type Handover, tellKernel, writeHandover } from './kernel-handover.js'

/** Where SeaBIOS looks for option ROMs that belong to no PCI device. */
export const BOOT_ROM_FILE = 'genroms/bootwright-boot.rom'
/** How SeaBIOS names that ROM in the file `bootorder`. */
export const BOOT_ROM_BOOTORDER = `/rom@${BOOT_ROM_FILE}`
export const BOOT_IMAGE_FILE = 'opt/bootwright/boot'

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
  a.label('protected')
  tellKernel(a)
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
