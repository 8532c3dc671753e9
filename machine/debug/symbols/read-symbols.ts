/** Reads symbols from a file of any kind that has them. */
import { ElfFile, isElf } from './elf.js'
import { isPe, readPe } from './pe.js'
import { LARGEST_SECTION, type SymbolBytes, SymbolError, type SymbolFile } from './symbol-file.js'
import { isSymbolMap, readSymbolMap } from './symbol-map.js'

/** The file that the debugging information was split off to; undefined where there is none. */
export type FindSplit = (elf: ElfFile) => SymbolBytes | undefined

/** Throws a SymbolError with a sentence for what has none. */
export function readSymbols(bytes: SymbolBytes, findSplit?: FindSplit): SymbolFile {
  const { name, size } = bytes
  const head = bytes.read(0, Math.min(size, 4096))
  if (isElf(head)) return readElf(new ElfFile(bytes), findSplit)
  if (isPe(bytes)) return readPe(bytes)
  if (isSymbolMap(Buffer.from(head).toString('latin1')) && size <= LARGEST_SECTION)
    return readSymbolMap(name, Buffer.from(bytes.read(0, size)).toString('utf8'))
  throw new SymbolError(`${name} is ${whatElse(head)}; symbols are in ELF and PE files, System.map and /proc/kallsyms`)
}

function readElf(elf: ElfFile, findSplit: FindSplit | undefined): SymbolFile {
  const split = elf.hasSymbols && elf.hasLines ? undefined : findSplit?.(elf)
  if (!split) return elf.read()
  const debug = new ElfFile(split).read()
  // What is for the program itself is not split off, and of that the segments may have no place in the file.
  const unwind = debug.unwind ?? elf.unwind
  return { ...debug, ...(unwind && { unwind }), segments: elf.segments }
}

function whatElse(head: Uint8Array): string {
  const text = Buffer.from(head).toString('latin1')
  if (text.slice(0x202, 0x206) === 'HdrS')
    return 'a compressed Linux kernel (bzImage), which holds no symbols; give its vmlinux or its System.map'
  if (text.startsWith('Microsoft C/C++ MSF')) return 'a .pdb file, which cannot be read'
  if (text.startsWith('\x1f\x8b') || text.startsWith('\xfd7zXZ') || text.startsWith('(\xb5/\xfd'))
    return 'compressed; unpack it first'
  if (/^(ustar|!<arch>)/.test(text) || text.slice(257, 262) === 'ustar') return 'an archive; unpack it first'
  return head.length === 0 ? 'empty' : 'no file with symbols'
}
