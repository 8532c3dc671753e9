/**
 * What the boot ROM has the firmware say before it enters a kernel in protected mode, and where that goes: the map of
 * memory, the ACPI root pointer, and a video mode.
 * Specifications: ACPI 5.2.5.1 and 15.1 (E820h); VBE 3.0, functions 00h to 02h.
 */
import type { Assembler } from './assembler.js'
import { HEADER, INFO, MMAP, MMAP_END, SCRATCH, VBE_INFO, VBE_MODE, WORK } from './boot-rom-layout.js'

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

/** What Multiboot 2 and PVH kernels are told lies at the begin of this segment of 64 KiB, and may fill it. */
export const HANDOVER_BLOCK = 0x10000
/** Its first bytes: the ROM writes here what nobody asked for. */
export const SCRATCH_BYTES = 16
/** Of the map of memory. */
export const MAP_ENTRY_BYTES = 24
export const MOST_RANGES = 128

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

/** Into the header of a boot image. */
export function writeHandover(view: DataView, { segment, map, video, rsdp = [], ...places }: Handover): void {
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

/** The ROM's part of it, in real mode. */
export function tellKernel(a: Assembler): void {
  readMemoryMap(a)
  findRootPointer(a)
  setVideoMode(a)
}

/** A20 on, memory below 640 KiB from INT 12h, the map and memory above 1 MiB from INT 15h E820h. FS is where it goes. */
function readMemoryMap(a: Assembler): void {
  const SMAP = 0x534d4150
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
