/**
 * DWARF line tables: which line of which source file made the instruction at an address. Programs are run when an address
 * is asked for, and nothing of them is kept but where each has its code, for tables of large kernels have millions of rows.
 * Specification: DWARF Debugging Information Format, version 5, 6.2 "Line Number Information"; version 4, 6.2, for 2 to 4.
 */
import { Cursor, Malformed } from './dwarf-cursor.js'
import { cleanName, textAt } from './file-text.js'

export interface SourceLine {
  /** As the compiler was given it, without the folder that it was run in. */
  file: string
  line: number
}

/** Addresses that follow one another in a program. */
interface Sequence {
  low: bigint
  /** The first one behind it. */
  high: bigint
  program: number
}

const DW_LNS = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  negateStatement: 6,
  constAddPc: 8,
  fixedAdvancePc: 9,
}
const DW_LNE = { endSequence: 1, setAddress: 2 }
const DW_LNCT = { path: 1, directory: 2 }
const DW_FORM = {
  block: 9,
  data1: 11,
  data2: 5,
  data4: 6,
  data8: 7,
  data16: 30,
  udata: 15,
  string: 8,
  strp: 14,
  lineStrp: 31,
}
const MOST_PROGRAMS = 1_000_000
/** Of names in one program's header. */
const MOST_FILES = 100_000
const MOST_SEQUENCES = 4_000_000
/** Bytes of a program: it is run for each address that is asked for, and a compiled file's has some 100 KiB. */
const LONGEST_PROGRAM = 16 << 20
/** Bytes of programs that are run for one address. */
const MOST_RUN = 32 << 20
/** Statements that begin at one address. */
const MOST_AT_ONCE = 256

/** A row of the matrix: its address is `base` + `offset`, the second a number because most of all work is to add to it. */
type Row = (base: bigint, offset: number, file: number, line: number, isEnd: boolean, isStatement: boolean) => void

interface Header {
  program: Cursor
  /** Folders and files begin here. */
  names: Cursor
  wide: boolean
  minimum: number
  defaultIsStatement: boolean
  lineBase: number
  lineRange: number
  opcodeBase: number
  operands: number[]
  version: number
}

interface Names {
  /** By number, from 1 on before version 5, from 0 on in it. */
  files: { path: string; folder: number }[]
  folders: string[]
  version: number
}

export class LineTable {
  private programs: { at: number; end: number; wide: boolean }[] | undefined
  /** By `low`. */
  private sequences: Sequence[] = []
  private readonly known = new Map<bigint, SourceLine | undefined>()

  constructor(
    private readonly table: Uint8Array,
    private readonly lineTexts: Uint8Array = new Uint8Array(),
    private readonly texts: Uint8Array = new Uint8Array(),
  ) {}

  /** The line of the instruction at an address as the file was linked. */
  at(address: bigint): SourceLine | undefined {
    if (this.known.has(address)) return this.known.get(address)
    if (this.known.size > 10_000) this.known.clear()
    const found = this.search(address)
    this.known.set(address, found)
    return found
  }

  private search(address: bigint): SourceLine | undefined {
    if (!this.programs) this.index()
    // The last that begins before; one that ends before it may hide a longer one, so a few are looked at.
    let from = 0
    let to = this.sequences.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.sequences[middle].low <= address) from = middle + 1
      else to = middle
    }
    const run = new Set<number>()
    let bytes = 0
    for (let i = from - 1; i >= 0 && i > from - 64 && bytes < MOST_RUN; i--) {
      const { high, program } = this.sequences[i]
      if (address >= high || run.has(program)) continue
      run.add(program)
      const { at, end } = (this.programs ?? [])[program]
      bytes += end - at
      const line = this.lineIn(program, address)
      if (line) return line
    }
    return undefined
  }

  private index(): void {
    const programs: typeof this.programs = []
    for (let at = 0; at + 4 <= this.table.length && programs.length < MOST_PROGRAMS; ) {
      const cursor = new Cursor(this.table, at, this.table.length)
      let length = cursor.u32()
      const wide = length === 0xffffffff
      if (wide) {
        if (this.table.length - cursor.at < 8) break
        length = Number(cursor.u64())
      } else if (length >= 0xfffffff0) break
      const end = cursor.at + length
      if (length === 0 || end > this.table.length) break
      if (length <= LONGEST_PROGRAM) programs.push({ at: cursor.at, end, wide })
      at = end
    }
    this.programs = programs
    for (const program of programs.keys()) {
      let low: bigint | undefined
      this.run(program, (base, offset, _file, _line, isEnd) => {
        // A sequence's addresses grow.
        low ??= base + BigInt(offset)
        if (!isEnd) return
        const high = base + BigInt(offset)
        if (high > low && this.sequences.length < MOST_SEQUENCES) this.sequences.push({ low, high, program })
        low = undefined
      })
    }
    this.sequences.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0))
  }

  /**
   * All that begins a statement: the addresses of its instructions, as the file was linked, with the file as its compiler
   * was given it, in the folder that it was run in where the table says which, and the line.
   */
  each(tell: (low: bigint, high: bigint, file: string, line: number) => void): void {
    if (!this.programs) this.index()
    for (const program of (this.programs ?? []).keys()) {
      const found: { low: bigint; high: bigint; file: number; line: number }[] = []
      // Optimised code has rows that follow one another at an address: each statement of them begins there.
      let begun: { address: bigint; file: number; line: number }[] = []
      const header = this.run(program, (base, offset, file, line, isEnd, isStatement) => {
        const address = base + BigInt(offset)
        if (begun.length > 0 && address !== begun[0].address) {
          for (const { address: low, ...where } of begun)
            if (address > low) found.push({ low, high: address, ...where })
          begun = []
        }
        const isKnown = begun.some((one) => one.file === file && one.line === line)
        if (isEnd) begun = []
        else if (isStatement && line > 0 && !isKnown && begun.length < MOST_AT_ONCE) begun.push({ address, file, line })
      })
      const read = header && this.names(header)
      if (!read) continue
      const names = new Map<number, string>()
      for (const { low, high, file, line } of found) {
        const name = names.get(file) ?? pathOf(read, file)
        names.set(file, name)
        tell(low, high, name, line)
      }
    }
  }

  private lineIn(program: number, wanted: bigint): SourceLine | undefined {
    let found: { file: number; line: number } | undefined
    let before: { address: bigint; file: number; line: number } | undefined
    const header = this.run(program, (base, offset, file, line, isEnd) => {
      const address = base + BigInt(offset)
      if (before && before.address <= wanted && wanted < address && before.line > 0) found = before
      before = isEnd ? undefined : { address, file, line }
    })
    const names = found && header && this.names(header)
    return found && names && { file: nameOf(names, found.file), line: found.line }
  }

  /** Runs a line number program, and tells each row of its matrix. */
  private run(program: number, row: Row): Header | undefined {
    try {
      const header = this.header(program)
      rows(header, row)
      return header
    } catch (error) {
      // What came before the damage counts.
      if (error instanceof Malformed) return undefined
      throw error
    }
  }

  private header(program: number): Header {
    const { at, end, wide } = (this.programs ?? [])[program]
    const cursor = new Cursor(this.table, at, end)
    const version = cursor.u16()
    if (version < 2 || version > 5) throw new Malformed()
    if (version >= 5) cursor.skip(2)
    const length = cursor.offset(wide)
    const start = cursor.at + length
    if (start > end) throw new Malformed()
    const minimum = cursor.u8()
    if (version >= 4) cursor.skip(1)
    const defaultIsStatement = cursor.u8() !== 0
    const lineBase = cursor.i8()
    const lineRange = cursor.u8()
    const opcodeBase = cursor.u8()
    if (lineRange === 0 || opcodeBase === 0) throw new Malformed()
    const operands = Array.from({ length: opcodeBase - 1 }, () => cursor.u8())
    return {
      ...{ version, wide, minimum, defaultIsStatement, lineBase, lineRange, opcodeBase, operands, names: cursor },
      program: new Cursor(this.table, start, end),
    }
  }

  /** Asked for where a row was found: programs are run more often than their files are named. */
  private names({ names, version, wide }: Header): Names | undefined {
    try {
      return { version, ...(version >= 5 ? this.newNames(names, wide) : oldNames(names)) }
    } catch (error) {
      if (error instanceof Malformed) return undefined
      throw error
    }
  }

  /** Version 5, 6.2.4, items 13 to 20. */
  private newNames(cursor: Cursor, wide: boolean): Pick<Names, 'files' | 'folders'> {
    const list = () => {
      const format = Array.from({ length: cursor.u8() }, () => [Number(cursor.uleb()), Number(cursor.uleb())])
      const count = Number(cursor.uleb())
      if (count > MOST_FILES || (format.length === 0 && count > 0)) throw new Malformed()
      return Array.from({ length: count }, () => {
        const entry = { path: '', folder: 0 }
        for (const [what, form] of format) {
          const value = this.form(cursor, form, wide)
          if (what === DW_LNCT.path) entry.path = String(value)
          else if (what === DW_LNCT.directory) entry.folder = Number(value)
        }
        return entry
      })
    }
    const folders = list().map(({ path }) => path)
    return { folders, files: list() }
  }

  private form(cursor: Cursor, form: number, wide: boolean): string | number {
    switch (form) {
      case DW_FORM.string:
        return cursor.text()
      case DW_FORM.lineStrp:
        return textAt(this.lineTexts, cursor.offset(wide))
      case DW_FORM.strp:
        return textAt(this.texts, cursor.offset(wide))
      case DW_FORM.udata:
        return Number(cursor.uleb())
      case DW_FORM.data1:
        return cursor.u8()
      case DW_FORM.data2:
        return cursor.u16()
      case DW_FORM.data4:
        return cursor.u32()
      case DW_FORM.data8:
        return Number(cursor.u64())
      case DW_FORM.data16:
        cursor.skip(16)
        return 0
      case DW_FORM.block:
        cursor.skip(Number(cursor.uleb()))
        return 0
      default:
        throw new Malformed()
    }
  }
}

/** Version 4, 6.2.4, items 11 and 12. */
function oldNames(cursor: Cursor): Pick<Names, 'files' | 'folders'> {
  // The folder that the compiler was run in is 0; only .debug_info says which.
  const folders = ['']
  for (let name = cursor.text(); name !== ''; name = cursor.text())
    if (folders.push(name) > MOST_FILES) throw new Malformed()
  const files = [{ path: '', folder: 0 }]
  for (let path = cursor.text(); path !== ''; path = cursor.text()) {
    if (files.push({ path, folder: Number(cursor.uleb()) }) > MOST_FILES) throw new Malformed()
    cursor.uleb()
    cursor.uleb()
  }
  return { folders, files }
}

function rows(header: Header, row: Row): void {
  const { program, minimum, defaultIsStatement, lineBase, lineRange, opcodeBase, operands } = header
  let base = 0n
  let offset = 0
  let file = 1
  let line = 1
  let isStatement = defaultIsStatement
  const advances = Array.from({ length: 256 }, (_, opcode) =>
    opcode < opcodeBase ? 0 : Math.floor((opcode - opcodeBase) / lineRange) * minimum,
  )
  while (program.at < program.end) {
    const opcode = program.u8()
    if (opcode >= opcodeBase) {
      offset += advances[opcode]
      line += lineBase + ((opcode - opcodeBase) % lineRange)
      row(base, offset, file, line, false, isStatement)
      continue
    }
    switch (opcode) {
      case 0: {
        const length = Number(program.uleb())
        const next = program.at + length
        if (length === 0 || next > program.end) throw new Malformed()
        const extended = program.u8()
        if (extended === DW_LNE.endSequence) {
          row(base, offset, file, line, true, isStatement)
          base = 0n
          offset = 0
          file = 1
          line = 1
          isStatement = defaultIsStatement
        } else if (extended === DW_LNE.setAddress) {
          base = length >= 9 ? program.u64() : length >= 5 ? BigInt(program.u32()) : 0n
          offset = 0
        }
        program.at = next
        break
      }
      case DW_LNS.copy:
        row(base, offset, file, line, false, isStatement)
        break
      case DW_LNS.negateStatement:
        isStatement = !isStatement
        break
      case DW_LNS.advancePc:
        offset += Number(program.uleb()) * minimum
        if (offset > Number.MAX_SAFE_INTEGER) throw new Malformed()
        break
      case DW_LNS.advanceLine:
        line += program.sleb()
        break
      case DW_LNS.setFile:
        file = Number(program.uleb())
        break
      case DW_LNS.constAddPc:
        offset += advances[255]
        break
      case DW_LNS.fixedAdvancePc:
        offset += program.u16()
        break
      default:
        // Others change what is not asked for here, and versions to come have more: their operands are passed over.
        for (let left = operands[opcode - 1] ?? 0; left > 0; left--) program.uleb()
    }
  }
}

/** With the folder that the compiler was run in, from version 5 on. */
function pathOf({ files, folders, version }: Names, file: number): string {
  const found = files[file] ?? files[version >= 5 ? 0 : 1]
  if (!found) return '?'
  const parts = [found.path]
  const folder = folders[found.folder] ?? ''
  if (!parts[0].startsWith('/') && folder !== '') parts.unshift(folder)
  if (!parts[0].startsWith('/') && folders[0] !== '' && found.folder !== 0) parts.unshift(folders[0])
  return cleanName(parts.join('/'))
}

function nameOf({ files, folders, version }: Names, file: number): string {
  const found = files[file] ?? files[version >= 5 ? 0 : 1]
  if (!found) return '?'
  const folder = folders[found.folder] ?? ''
  const [whole, compiled] = [
    found.path.startsWith('/') || folder === '' ? found.path : `${folder}/${found.path}`,
    folders[0],
  ]
  return cleanName(compiled !== '' && whole.startsWith(`${compiled}/`) ? whole.slice(compiled.length + 1) : whole)
}
