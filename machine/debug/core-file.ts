/**
 * A machine as an ELF core file, as QEMU's `dump-guest-memory` writes it: gdb reads memory by linear address and registers by
 * CPU, crash and drgn by physical address and the notes that are named QEMU.
 * Specification: System V ABI, chapter 5 "Note Section"; Linux, include/uapi/linux/elfcore.h and arch/x86/include/asm/elf.h
 * for NT_PRSTATUS; QEMU, target/i386/arch_dump.c for its own note.
 */
import type { CpuState, SegmentState, TableState } from '../cpu/engine.js'
import { type PhysicalView, presentPages } from './linear-memory.js'

export interface Dumped {
  readonly cpus: number
  state(cpu: number): CpuState
  readonly physical: PhysicalView
  /** RAM, by physical address, upward. */
  ram(): readonly { address: number; size: number }[]
}

const ET_CORE = 4
const EM_386 = 3
const EM_X86_64 = 62
const PT_LOAD = 1
const PT_NOTE = 4
const NT_PRSTATUS = 1
const READ_WRITE_EXECUTE = 7
/** e_phnum has 16 bits. */
const MOST_SEGMENTS = 60_000
const PIECE = 1 << 20
const PAGE = 0x1000
const VMCOREINFO = 'VMCOREINFO'
/** Three words, and the name in whole words. */
const NOTE_HEAD = 24
const LONGEST_VMCOREINFO = 8192
const CR0_PG = 1n << 31n
const EFER_LMA = 1n << 10n
const KERNEL_GS_BASE = 0xc0000102

interface Load {
  linear: bigint
  physical: bigint
  size: bigint
  offset: bigint
}

/** The file, piece by piece. */
export function* coreFile(machine: Dumped): Generator<Uint8Array> {
  const states = Array.from({ length: machine.cpus }, (_, cpu) => machine.state(cpu))
  const wide = states.some(({ efer }) => efer & EFER_LMA)
  const notes = new Bytes()
  for (const [cpu, state] of states.entries())
    notes.note('CORE', NT_PRSTATUS, wide ? status64(state, cpu) : status32(state, cpu))
  for (const state of states) notes.note('QEMU', 0, qemuState(state))
  const ram = machine.ram()
  const linux = vmcoreinfo(machine.physical, ram)
  if (linux) notes.note(VMCOREINFO, 0, linux)
  const loads = segments(kernelTables(linux, states[0]), machine, ram)
  const [headerSize, entrySize] = wide ? [64, 56] : [52, 32]
  const notesAt = headerSize + entrySize * (loads.length + 1)
  const start = BigInt(notesAt + notes.length)
  yield header(wide, loads.length + 1)
  const table = new Bytes()
  table.segment(wide, PT_NOTE, BigInt(notesAt), 0n, 0n, BigInt(notes.length))
  for (const { linear, physical, size, offset } of loads)
    table.segment(wide, PT_LOAD, start + offset, linear, physical, size)
  yield table.take()
  yield notes.take()
  for (const { address, size } of ram)
    for (let at = 0; at < size; at += PIECE) {
      const length = Math.min(PIECE, size - at)
      const bytes = machine.physical.bytes(address + at, length)
      yield bytes
      // What is no memory any more keeps its place.
      if (bytes.length < length) yield new Uint8Array(length - bytes.length)
    }
}

/**
 * What a Linux kernel says of itself (its release, where it is, the layout of its structures), without which drgn takes no
 * core for a kernel's. It has it in memory as the very note, at the beginning of pages of their own (kernel/crash_core.c).
 */
function vmcoreinfo(memory: PhysicalView, ram: readonly { address: number; size: number }[]): Uint8Array | undefined {
  for (const { address, size } of ram)
    for (let at = 0; at < size; at += PIECE) {
      const piece = memory.bytes(address + at, Math.min(PIECE, size - at))
      const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
      for (let page = 0; page + NOTE_HEAD <= piece.length; page += PAGE) {
        if (view.getUint32(page, true) !== VMCOREINFO.length + 1 || view.getUint32(page + 8, true) !== 0) continue
        const length = view.getUint32(page + 4, true)
        if (length > LONGEST_VMCOREINFO) continue
        const note = Buffer.from(memory.bytes(address + at + page, NOTE_HEAD + length))
        const text = note.subarray(NOTE_HEAD)
        if (note.toString('latin1', 12, 13 + VMCOREINFO.length) === `${VMCOREINFO}\0` && text.includes('OSRELEASE='))
          return text
      }
    }
  return undefined
}

/** Where x86-64's Linux is linked to, before phys_base (arch/x86/include/asm/page_64_types.h). */
const START_KERNEL_MAP = 0xffffffff80000000n

/** As page tables count it. */
const KERNEL_HALF = BigInt.asUintN(48, START_KERNEL_MAP)
/** So often a page of RAM has a segment of its own: Linux maps that of its espfix stacks half a million times. */
const MOST_ALIASES = 8

/** The CPU with the page tables of Linux itself, as it may be in a process, whose own leave the kernel out (PTI). */
function kernelTables(linux: Uint8Array | undefined, state: CpuState): CpuState {
  if (!linux || !(state.efer & EFER_LMA)) return state
  const text = Buffer.from(linux).toString('latin1')
  const top = /^SYMBOL\(swapper_pg_dir\)=([\da-f]{1,16})$/m.exec(text)?.[1]
  const base = /^NUMBER\(phys_base\)=(-?\d{1,18})$/m.exec(text)?.[1]
  if (top === undefined || base === undefined) return state
  return { ...state, cr3: BigInt.asUintN(52, BigInt(`0x${top}`) - START_KERNEL_MAP + BigInt(base)) }
}

/** What is mapped: in 64-bit code first where kernels are linked to, since there may be more than anyone has the patience for. */
function* mappedPages(state: CpuState, memory: PhysicalView): ReturnType<typeof presentPages> {
  if (!(state.cr0 & CR0_PG)) return
  if (!(state.efer & EFER_LMA)) {
    yield* presentPages(state, memory)
    return
  }
  yield* presentPages(state, memory, undefined, KERNEL_HALF)
  yield* presentPages(state, memory, undefined, 0n, KERNEL_HALF)
}

/** What the page tables of CPU 0 map of RAM, and RAM itself behind it. */
function segments(state: CpuState, machine: Dumped, ram: readonly { address: number; size: number }[]): Load[] {
  const places: { address: bigint; end: bigint; offset: bigint }[] = []
  let offset = 0n
  for (const { address, size } of ram) {
    places.push({ address: BigInt(address), end: BigInt(address + size), offset })
    offset += BigInt(size)
  }
  const loads: Load[] = []
  const aliases = new Map<bigint, number>()
  for (const page of mappedPages(state, machine.physical)) {
    if (!page) continue
    const { linear, physical, length } = page
    const place = places.find(({ address, end }) => physical >= address && physical < end)
    if (!place) continue
    const size = physical + length > place.end ? place.end - physical : length
    const last = loads.at(-1)
    const follows = last && linear === last.linear + last.size && physical === last.physical + last.size
    if (follows && physical > place.address) {
      last.size += size
      continue
    }
    if (loads.length >= MOST_SEGMENTS) break
    const times = (aliases.get(physical) ?? 0) + 1
    aliases.set(physical, times)
    if (times <= MOST_ALIASES) loads.push({ linear, physical, size, offset: place.offset + physical - place.address })
  }
  return [
    ...loads,
    ...places.map(({ address, end, offset }) => ({ linear: address, physical: address, size: end - address, offset })),
  ]
}

class Bytes {
  private readonly bytes: number[] = []

  get length(): number {
    return this.bytes.length
  }

  take(): Uint8Array {
    return Uint8Array.from(this.bytes)
  }

  number(size: number, ...values: (number | bigint)[]): this {
    for (const value of values)
      for (let i = 0; i < size; i++) this.bytes.push(Number((BigInt(value) >> BigInt(8 * i)) & 0xffn))
    return this
  }

  note(name: string, type: number, contents: Uint8Array): void {
    this.number(4, name.length + 1, contents.length, type)
    this.padded(Buffer.from(`${name}\0`)).padded(contents)
  }

  padded(contents: Uint8Array): this {
    for (const byte of contents) this.bytes.push(byte)
    while (this.bytes.length % 4 !== 0) this.bytes.push(0)
    return this
  }

  segment(wide: boolean, type: number, offset: bigint, linear: bigint, physical: bigint, size: bigint): void {
    if (wide) this.number(4, type, READ_WRITE_EXECUTE).number(8, offset, linear, physical, size, size, 0)
    else this.number(4, type, offset, linear, physical, size, size, READ_WRITE_EXECUTE, 0)
  }
}

function header(wide: boolean, count: number): Uint8Array {
  const bytes = new Bytes().number(1, 0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1).number(1, ...new Array(9).fill(0))
  bytes.number(2, ET_CORE, wide ? EM_X86_64 : EM_386).number(4, 1)
  if (wide) bytes.number(8, 0, 64, 0).number(4, 0).number(2, 64, 56)
  else bytes.number(4, 0, 52, 0, 0).number(2, 52, 32)
  return bytes.number(2, count, 0, 0, 0).take()
}

/** What comes before the registers in `struct elf_prstatus`, with the thread's number. */
function beforeRegisters(size: number, pidAt: number, cpu: number): Uint8Array {
  const bytes = new Uint8Array(size)
  new DataView(bytes.buffer).setUint32(pidAt, cpu + 1, true)
  return bytes
}

function status64({ gpr, rip, rflags, segments }: CpuState, cpu: number): Uint8Array {
  const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = gpr
  const [es, cs, ss, ds, fs, gs] = segments
  const bytes = new Bytes().padded(beforeRegisters(112, 32, cpu))
  bytes.number(8, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rax, rip)
  bytes.number(
    8,
    cs.selector,
    rflags,
    rsp,
    ss.selector,
    fs.base,
    gs.base,
    ds.selector,
    es.selector,
    fs.selector,
    gs.selector,
  )
  // pr_fpvalid and its padding.
  return bytes.number(8, 0).take()
}

function status32({ gpr, rip, rflags, segments }: CpuState, cpu: number): Uint8Array {
  const [eax, ecx, edx, ebx, esp, ebp, esi, edi] = gpr
  const [es, cs, ss, ds, fs, gs] = segments
  const bytes = new Bytes().padded(beforeRegisters(72, 24, cpu))
  bytes.number(4, ebx, ecx, edx, esi, edi, ebp, eax, ds.selector, es.selector, fs.selector, gs.selector, eax, rip)
  return bytes.number(4, cs.selector, rflags, esp, ss.selector, 0).take()
}

/** `QEMUCPUState`, version 1. */
function qemuState(state: CpuState): Uint8Array {
  const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, ...rest] = state.gpr
  const [es, cs, ss, ds, fs, gs] = state.segments
  const bytes = new Bytes().number(4, 1, 440)
  bytes.number(8, rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, ...rest, state.rip, state.rflags)
  for (const one of [cs, ds, es, fs, gs, ss, state.ldtr, state.tr]) segment(bytes, one)
  for (const one of [state.gdtr, state.idtr]) table(bytes, one)
  bytes.number(8, state.cr0, 0, state.cr2, state.cr3, state.cr4, state.msrs[KERNEL_GS_BASE] ?? 0n)
  return bytes.take()
}

function segment(bytes: Bytes, { selector, limit, access, base }: SegmentState): void {
  // As the descriptor's second word has them.
  bytes.number(4, selector, limit, (access & 0xf0ff) << 8, 0).number(8, base)
}

function table(bytes: Bytes, { base, limit }: TableState): void {
  bytes.number(4, 0, limit, 0, 0).number(8, base)
}
