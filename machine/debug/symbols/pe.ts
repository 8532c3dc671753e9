/**
 * PE images, as of EFI applications and Windows drivers: exported names, the COFF symbols that GNU tools leave in them, and
 * DWARF sections.
 * Specification: Microsoft Portable Executable and Common Object File Format Specification, 3 to 5, 6.3 ".edata".
 */
import { LineTable } from './dwarf-lines.js'
import { cleanName, textAt, viewOf } from './file-text.js'
import {
  LARGEST_SECTION,
  MOST_SYMBOLS,
  type Segment,
  type SymbolBytes,
  type SymbolEntry,
  SymbolError,
  type SymbolFile,
} from './symbol-file.js'

const AT_NEW_HEADER = 0x3c
const COFF_HEADER = 20
const SECTION_HEADER = 40
const SYMBOL = 18
const IMAGE_FILE_MACHINE = { i386: 0x14c, amd64: 0x8664 }
const PE32_PLUS = 0x20b
const IMAGE_SYM_CLASS_EXTERNAL = 2
const IMAGE_SYM_CLASS_STATIC = 3
const IMAGE_SYM_DTYPE_FUNCTION = 0x20
const EXPORT_DIRECTORY = 40
const MOST_EXPORTS = 100_000

interface Section {
  name: string
  address: number
  size: number
  offset: number
  rawSize: number
}

export function isPe(bytes: SymbolBytes): boolean {
  if (bytes.size < 0x40) return false
  const head = bytes.read(0, 0x40)
  const at = viewOf(head).getUint32(AT_NEW_HEADER, true)
  if (head[0] !== 0x4d || head[1] !== 0x5a || at + 4 + COFF_HEADER > bytes.size) return false
  return Buffer.from(bytes.read(at, 4)).toString('latin1') === 'PE\0\0'
}

/** Throws a SymbolError where it has no names, or is for another processor. */
export function readPe(bytes: SymbolBytes): SymbolFile {
  const { name, size } = bytes
  const start = viewOf(bytes.read(0, 0x40)).getUint32(AT_NEW_HEADER, true) + 4
  const coff = viewOf(bytes.read(start, COFF_HEADER))
  const machine = coff.getUint16(0, true)
  if (machine !== IMAGE_FILE_MACHINE.i386 && machine !== IMAGE_FILE_MACHINE.amd64)
    throw new SymbolError(`${name} is a PE image for another processor than x86; give the one that the guest runs`)
  const sectionCount = coff.getUint16(2, true)
  const symbolsAt = coff.getUint32(8, true)
  const symbolCount = coff.getUint32(12, true)
  const optionalSize = coff.getUint16(16, true)
  const tableAt = start + COFF_HEADER + optionalSize
  if (optionalSize < 96 || tableAt + sectionCount * SECTION_HEADER > size)
    throw new SymbolError(`${name} is cut short: its PE headers do not end`)
  const optional = viewOf(bytes.read(start + COFF_HEADER, optionalSize))
  const isPlus = optional.getUint16(0, true) === PE32_PLUS
  const base = isPlus ? optional.getBigUint64(24, true) : BigInt(optional.getUint32(28, true))
  const directories = isPlus ? 112 : 96

  const whole = (offset: number, length: number) =>
    length <= LARGEST_SECTION && offset + length <= size ? bytes.read(offset, length) : undefined
  const symbolBytes = symbolsAt === 0 ? undefined : whole(symbolsAt, symbolCount * SYMBOL)
  const textsAt = symbolsAt + symbolCount * SYMBOL
  const textsHead = symbolBytes && whole(textsAt, 4)
  const texts = (textsHead && whole(textsAt, viewOf(textsHead).getUint32(0, true))) ?? new Uint8Array()

  const sections = Array.from({ length: sectionCount }, (_, i): Section => {
    const head = bytes.read(tableAt + i * SECTION_HEADER, SECTION_HEADER)
    const view = viewOf(head)
    const short = textAt(head.subarray(0, 8), 0)
    // Longer names are in the table of texts.
    const long = /^\/\d+$/.test(short) ? textAt(texts, Number(short.slice(1))) : short
    const [virtualSize, address, rawSize, offset] = [8, 12, 16, 20].map((at) => view.getUint32(at, true))
    return { name: long, size: virtualSize || rawSize, address, rawSize, offset }
  })
  const contents = (wanted: string) => {
    const found = sections.find((section) => section.name === wanted)
    return found && whole(found.offset, Math.min(found.rawSize, found.size))
  }
  const exported =
    directories + 8 <= optionalSize ? exportsOf(bytes, sections, optional.getUint32(directories, true), base) : []
  const symbols = [...exported, ...(symbolBytes ? coffSymbols(symbolBytes, texts, sections, base) : [])]
  const line = contents('.debug_line')
  if (symbols.length === 0 && !line)
    throw new SymbolError(
      `${name} is a PE image without exports and without COFF symbols; .pdb files cannot be read, so link it with -g by GNU tools, or give a map`,
    )
  return {
    name,
    symbols,
    segments: sections.map(({ address, size }): Segment => {
      const virtual = base + BigInt(address)
      return { virtual, physical: virtual, size: BigInt(size) }
    }),
    ...(line && { lines: new LineTable(line, contents('.debug_line_str'), contents('.debug_str')) }),
    base,
  }
}

function coffSymbols(table: Uint8Array, texts: Uint8Array, sections: readonly Section[], base: bigint): SymbolEntry[] {
  const view = viewOf(table)
  const found: SymbolEntry[] = []
  const count = Math.min(Math.floor(table.length / SYMBOL), MOST_SYMBOLS)
  for (let i = 0; i < count; i++) {
    const at = i * SYMBOL
    const section = sections[view.getInt16(at + 12, true) - 1]
    const storage = view.getUint8(at + 16)
    const isFunction = view.getUint16(at + 14, true) === IMAGE_SYM_DTYPE_FUNCTION
    const name = cleanName(
      view.getUint32(at, true) === 0
        ? textAt(texts, view.getUint32(at + 4, true))
        : textAt(table.subarray(at, at + 8), 0),
    )
    const isNamed = storage === IMAGE_SYM_CLASS_EXTERNAL || (storage === IMAGE_SYM_CLASS_STATIC && isFunction)
    if (section && isNamed && name !== '') {
      const address = base + BigInt(section.address) + BigInt(view.getUint32(at + 8, true))
      found.push({ name, address, size: 0n, rank: isFunction ? 5 : 1 })
    }
    // Auxiliary records follow it.
    i += view.getUint8(at + 17)
  }
  return found
}

function exportsOf(bytes: SymbolBytes, sections: readonly Section[], directory: number, base: bigint): SymbolEntry[] {
  /** Bytes by their address in the image. */
  const at = (address: number, length: number): Uint8Array | undefined => {
    const section = sections.find((one) => address >= one.address && address + length <= one.address + one.rawSize)
    const offset = section ? section.offset + address - section.address : Number.POSITIVE_INFINITY
    return offset + length <= bytes.size ? bytes.read(offset, length) : undefined
  }
  const head = directory === 0 ? undefined : at(directory, EXPORT_DIRECTORY)
  if (!head) return []
  const [functionCount, nameCount, functionsAt, namesAt, ordinalsAt] = [20, 24, 28, 32, 36].map((offset) =>
    viewOf(head).getUint32(offset, true),
  )
  if (functionCount > MOST_EXPORTS || nameCount > MOST_EXPORTS) return []
  const [functions, names, ordinals] = [
    at(functionsAt, functionCount * 4),
    at(namesAt, nameCount * 4),
    at(ordinalsAt, nameCount * 2),
  ]
  if (!functions || !names || !ordinals) return []
  const found: SymbolEntry[] = []
  for (let i = 0; i < nameCount; i++) {
    const ordinal = viewOf(ordinals).getUint16(i * 2, true)
    if (ordinal >= functionCount) continue
    const nameAt = viewOf(names).getUint32(i * 4, true)
    const longest = [256, 64, 16].find((length) => at(nameAt, length))
    const name = longest === undefined ? '' : cleanName(textAt(at(nameAt, longest) ?? new Uint8Array(), 0))
    const address = base + BigInt(viewOf(functions).getUint32(ordinal * 4, true))
    if (name !== '') found.push({ name, address, size: 0n, rank: 5 })
  }
  return found
}
