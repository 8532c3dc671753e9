/**
 * ELF files: their symbol tables, segments, and sections of debugging information.
 * Specification: System V Application Binary Interface, chapters 4 "Object Files" and 5 "Program Loading"; the gABI's
 * "Section Compression"; GDB's manual, 18.3 "Debugging Information in Separate Files".
 */
import { inflateSync } from 'node:zlib'
import { decompress } from 'fzstd'
import { CallFrames } from './call-frames.js'
import { LineTable } from './dwarf-lines.js'
import { cleanName, textAt, viewOf } from './file-text.js'
import { isKernelModule, layOutModule, type ModuleFile, relocated } from './kernel-module.js'
import { OrcTable } from './orc.js'
import {
  LARGEST_SECTION,
  MOST_SYMBOLS,
  type Segment,
  type SymbolBytes,
  type SymbolEntry,
  SymbolError,
  type SymbolFile,
} from './symbol-file.js'
import { anyOf, type UnwindTable } from './unwind.js'

const EM_386 = 3
const EM_X86_64 = 62
/** Machines that people name by mistake. */
const MACHINES: { readonly [machine: number]: string } = {
  2: 'SPARC',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  40: 'ARM',
  183: 'AArch64',
  243: 'RISC-V',
}
const ET_REL = 1
const PT_LOAD = 1
const SHT_SYMTAB = 2
const SHT_NOTE = 7
const SHT_NOBITS = 8
const SHT_DYNSYM = 11
const SHF_COMPRESSED = 0x800
const COMPRESS_ZLIB = 1
const COMPRESS_ZSTD = 2
const SHN_UNDEF = 0
const SHN_ABS = 0xfff1
const STT = { notype: 0, object: 1, func: 2, gnuIfunc: 10 }
const STB_LOCAL = 0
const NT_GNU_BUILD_ID = 3
const LONGEST_NOTE = 4096
/** Bytes of a symbol's name that are looked at. */
const LONGEST_NAME = 1024
/** Bytes of a row of the tables of sections and segments. */
const LARGEST_ENTRY = 1024

interface Section {
  name: string
  type: number
  flags: number
  /** Where it is linked to. */
  address: bigint
  offset: number
  size: number
  link: number
  info: number
  align: number
}

/** Another file that has what this one lacks. */
export interface SplitDebug {
  /** A file's name and the CRC-32 of its contents. */
  link?: { name: string; crc: number }
  /** Hexadecimal. */
  buildId?: string
}

export function isElf(head: Uint8Array): boolean {
  return head.length >= 4 && head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46
}

export class ElfFile {
  private readonly wide: boolean
  private readonly type: number
  private readonly sections: readonly Section[]
  readonly segments: readonly Segment[]

  /** Throws a SymbolError for what is cut short, or for another processor. */
  constructor(private readonly bytes: SymbolBytes) {
    const { name } = bytes
    const head = bytes.read(0, Math.min(64, bytes.size))
    this.wide = head[4] === 2
    if (head.length < (this.wide ? 64 : 52)) throw new SymbolError(`${name} is cut short: its ELF header does not end`)
    const view = viewOf(head)
    const machine = view.getUint16(18, true)
    if (head[5] !== 1 || (machine !== EM_386 && machine !== EM_X86_64)) {
      const kind = head[5] === 1 ? (MACHINES[machine] ?? `the ELF machine ${machine}`) : 'a big-endian processor'
      throw new SymbolError(`${name} is for ${kind}; give the file that the guest's x86 kernel was linked to`)
    }
    this.type = view.getUint16(16, true)
    this.sections = this.readSections(view)
    this.segments = this.readSegments(view)
  }

  private readTable(offset: number, entry: number, count: number, smallest: number): DataView[] {
    if (count === 0) return []
    if (entry < smallest || entry > LARGEST_ENTRY || offset + entry * count > this.bytes.size)
      throw new SymbolError(`${this.bytes.name} is cut short: its ELF tables lie beyond its end; copy it again`)
    const table = this.bytes.read(offset, entry * count)
    return Array.from({ length: count }, (_, i) => viewOf(table.subarray(i * entry, (i + 1) * entry)))
  }

  private readSegments(head: DataView): Segment[] {
    const { wide } = this
    const [offset, entry, count] = wide
      ? [Number(head.getBigUint64(32, true)), head.getUint16(54, true), head.getUint16(56, true)]
      : [head.getUint32(28, true), head.getUint16(42, true), head.getUint16(44, true)]
    const loaded: Segment[] = []
    for (const view of this.readTable(offset, entry, count, wide ? 56 : 32)) {
      if (view.getUint32(0, true) !== PT_LOAD) continue
      const [virtual, physical, size] = wide
        ? [16, 24, 40].map((at) => view.getBigUint64(at, true))
        : [8, 12, 20].map((at) => BigInt(view.getUint32(at, true)))
      if (size > 0n) loaded.push({ virtual, physical, size })
    }
    return loaded
  }

  private readSections(head: DataView): Section[] {
    const { wide } = this
    const [offset, entry, count, names] = wide
      ? [Number(head.getBigUint64(40, true)), ...[58, 60, 62].map((at) => head.getUint16(at, true))]
      : [head.getUint32(32, true), ...[46, 48, 50].map((at) => head.getUint16(at, true))]
    const sections = this.readTable(offset, entry, count, wide ? 64 : 40).map((view) => {
      const word = (index: number) =>
        wide ? Number(view.getBigUint64(8 + index * 8, true)) : view.getUint32(8 + index * 4, true)
      const at = view.getUint32(0, true)
      const [link, info] = wide ? [40, 44] : [24, 28]
      return {
        ...{ at, type: view.getUint32(4, true), flags: word(0), offset: word(2), size: word(3) },
        address: wide ? view.getBigUint64(16, true) : BigInt(view.getUint32(12, true)),
        ...{ link: view.getUint32(link, true), info: view.getUint32(info, true), align: word(wide ? 5 : 6) },
      }
    })
    const table = sections[names]
    const texts = table ? this.contents({ ...table, name: '' }) : undefined
    return sections.map(({ at, ...section }) => ({ ...section, name: texts ? textAt(texts, at) : '' }))
  }

  /** undefined: it is not there, or not as its header says. */
  private contents({ type, flags, offset, size }: Section): Uint8Array | undefined {
    if (type === SHT_NOBITS || size > LARGEST_SECTION || offset + size > this.bytes.size) return undefined
    const bytes = this.bytes.read(offset, size)
    if (!(flags & SHF_COMPRESSED)) return bytes
    const head = this.wide ? 24 : 12
    if (bytes.length < head) return undefined
    const view = viewOf(bytes)
    const way = view.getUint32(0, true)
    const whole = this.wide ? Number(view.getBigUint64(8, true)) : view.getUint32(4, true)
    if (way === COMPRESS_ZLIB) return inflated(bytes.subarray(head), whole)
    return way === COMPRESS_ZSTD ? unpackedZstd(bytes.subarray(head), whole) : undefined
  }

  private section(name: string): Uint8Array | undefined {
    const found = this.sections.find((one) => one.name === name && one.type !== SHT_NOBITS)
    if (found) return this.contents(found)
    // How GNU as compressed before the gABI said how: "ZLIB" and the size, big-endian.
    const old = this.sections.find((one) => one.name === name.replace(/^\./, '.z'))
    const bytes = old && this.contents(old)
    if (!bytes || bytes.length < 12 || textAt(bytes.subarray(0, 4), 0) !== 'ZLIB') return undefined
    return inflated(bytes.subarray(12), Number(viewOf(bytes).getBigUint64(4, false)))
  }

  /** Whether it has more than the symbol that every table begins with, which is none. */
  get hasSymbols(): boolean {
    return this.sections.some(({ type, size }) => type === SHT_SYMTAB && size > (this.wide ? 24 : 16))
  }

  get hasLines(): boolean {
    return this.sections.some(({ name }) => name === '.debug_line' || name === '.zdebug_line')
  }

  get splitDebug(): SplitDebug {
    const link = this.section('.gnu_debuglink')
    const name = link && textAt(link, 0)
    const at = name === undefined ? 0 : Math.ceil((Buffer.byteLength(name) + 1) / 4) * 4
    const isWhole = link && name && at + 4 <= link.length
    const { buildId } = this
    return {
      ...(isWhole && { link: { name, crc: viewOf(link).getUint32(at, true) } }),
      ...(buildId !== undefined && { buildId }),
    }
  }

  get buildId(): string | undefined {
    for (const section of this.sections) {
      if (section.type !== SHT_NOTE || section.size > LONGEST_NOTE) continue
      const id = buildIdIn(this.contents(section), section.align)
      if (id !== undefined) return id
    }
    return undefined
  }

  private addressOf(name: string): bigint {
    return this.sections.find((one) => one.name === name)?.address ?? 0n
  }

  /** How the callers of its functions are found, as far as it says; undefined where it does not. */
  get unwind(): UnwindTable | undefined {
    const word = this.wide ? 8 : 4
    const [ips, entries] = [this.section('.orc_unwind_ip'), this.section('.orc_unwind')]
    const hasHeader = this.sections.some(({ name }) => name === '.orc_header')
    const address = this.addressOf('.orc_unwind_ip')
    // Where Linux switches stacks in the midst of a function, only its own table knows.
    const orc = ips && entries ? [new OrcTable({ ips, address, entries, hasHeader })] : []
    const frames = ['.debug_frame', '.eh_frame'].flatMap((name) => {
      const bytes = this.section(name)
      return bytes ? [new CallFrames({ bytes, address: this.addressOf(name), eh: name === '.eh_frame' }, word)] : []
    })
    return anyOf(word, [...orc, ...frames])
  }

  /** Throws a SymbolError where there are none. */
  read(): SymbolFile {
    const { name } = this.bytes
    if (this.type === ET_REL && isKernelModule(this.sections) && this.wide) return this.readModule()
    if (this.type === ET_REL)
      throw new SymbolError(
        `${name} is an object file, whose addresses are not fixed; give the linked file, or a kernel module (.ko) for x86-64`,
      )
    const symbols = this.symbols(() => 0n)
    const line = this.section('.debug_line')
    if (symbols.length === 0 && !line)
      throw new SymbolError(
        `${name} has no symbols: it was stripped; give the file from before 'strip', or the one that 'objcopy --only-keep-debug' made`,
      )
    const starts = this.segments.map(({ virtual }) => virtual)
    const { unwind } = this
    return {
      name,
      symbols,
      ...(unwind && { unwind }),
      segments: this.segments,
      ...(line && {
        lines: new LineTable(line, this.section('.debug_line_str'), this.section('.debug_str')),
      }),
      base: starts.reduce((lowest, one) => (one < lowest ? one : lowest), starts[0] ?? 0n),
    }
  }

  private readModule(): SymbolFile {
    const { sections } = this
    const file: ModuleFile = { name: this.bytes.name, sections, contents: (index) => this.contents(sections[index]) }
    const layout = layOutModule(file)
    const all = this.symbols((section) => layout.sections.get(section))
    const line = sections.findIndex(({ name }) => name === '.debug_line')
    const table = line < 0 ? undefined : relocated(file, layout, line)
    const lines = table && new LineTable(table, this.section('.debug_line_str'), this.section('.debug_str'))
    const parts = layout.parts.map(({ linked, size, place }): SymbolFile => {
      const symbols = all.filter(({ address }) => address >= linked && address < linked + size)
      const segments = [{ virtual: linked, physical: linked, size }]
      return { name: file.name, symbols, segments, ...(lines && { lines }), base: linked, module: place }
    })
    const segments = parts.flatMap((part) => part.segments)
    return { ...parts[0], module: undefined, symbols: all, segments, parts }
  }

  /** @param base Of a section by its number, to which symbols' values are added; undefined: its symbols are left out. */
  private symbols(base: (section: number) => bigint | undefined): SymbolEntry[] {
    // What is for the dynamic linker is in the other one as well, where that is there.
    const table =
      this.sections.find(({ type, size }) => type === SHT_SYMTAB && size > 0) ??
      this.sections.find(({ type, size }) => type === SHT_DYNSYM && size > 0)
    const bytes = table && this.contents(table)
    const texts = table && this.sections[table.link] && this.contents(this.sections[table.link])
    if (!bytes || !texts) return []
    const { wide } = this
    const view = viewOf(bytes)
    const entry = wide ? 24 : 16
    const count = Math.min(Math.floor(bytes.length / entry), MOST_SYMBOLS)
    const found: SymbolEntry[] = []
    for (let i = 1, at = entry; i < count; i++, at += entry) {
      const info = view.getUint8(at + (wide ? 4 : 12))
      const section = view.getUint16(at + (wide ? 6 : 14), true)
      const type = info & 15
      const isNamed = type === STT.notype || type === STT.object || type === STT.func || type === STT.gnuIfunc
      // Constants of assemblers and linkers are no addresses.
      const start = base(section)
      if (!isNamed || section === SHN_UNDEF || section === SHN_ABS || start === undefined) continue
      const name = cleanName(textAt(texts, view.getUint32(at, true), LONGEST_NAME))
      if (name === '') continue
      const value = wide ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 4, true))
      const address = start + value
      const size = wide ? view.getBigUint64(at + 16, true) : BigInt(view.getUint32(at + 8, true))
      found.push({ name, address, size, rank: rankOf(type, info >> 4) })
    }
    return found
  }
}

function rankOf(type: number, binding: number): number {
  const byType = type === STT.func || type === STT.gnuIfunc ? 4 : type === STT.object ? 2 : 0
  return byType + (binding === STB_LOCAL ? 0 : 1)
}

/** Of a section with notes, of which a Linux kernel's has many others first. */
function buildIdIn(notes: Uint8Array | undefined, align: number): string | undefined {
  if (!notes) return undefined
  const view = viewOf(notes)
  const whole = (bytes: number) => Math.ceil(bytes / (align === 8 ? 8 : 4)) * (align === 8 ? 8 : 4)
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameBytes, length, type] = [0, 4, 8].map((part) => view.getUint32(at + part, true))
    const from = whole(at + 12 + nameBytes)
    const id = notes.subarray(from, from + length)
    if (nameBytes === 4 && type === NT_GNU_BUILD_ID && textAt(notes, at + 12) === 'GNU' && id.length >= 2)
      return Buffer.from(id).toString('hex')
    at = whole(from + length)
  }
  return undefined
}

/** What is too long is cut, and what is too short ends in zeros. */
function unpackedZstd(bytes: Uint8Array, size: number): Uint8Array | undefined {
  if (size > LARGEST_SECTION) return undefined
  try {
    return decompress(bytes, new Uint8Array(size))
  } catch {
    return undefined
  }
}

function inflated(bytes: Uint8Array, size: number): Uint8Array | undefined {
  if (size > LARGEST_SECTION) return undefined
  try {
    const whole = inflateSync(bytes, { maxOutputLength: Math.max(1, size) })
    return whole.length === size ? whole : undefined
  } catch {
    return undefined
  }
}
