/** Files with symbols, as the host has them, and where distributions put what was split off from them. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { ElfFile, isElf } from '../../machine/debug/symbols/elf.js'
import { readSymbols } from '../../machine/debug/symbols/read-symbols.js'
import { type SymbolBytes, SymbolError } from '../../machine/debug/symbols/symbol-file.js'
import type { PlacedFile } from '../../machine/debug/symbols/symbols.js'
import { mediaError } from '../../machine/media/open-medium.js'

export interface SymbolsConfig {
  path: string
  /** Where the guest has the file's first byte, hexadecimal as in `0x100000`; default where it was linked for, or found out. */
  at?: string
}

/** GDB's manual, 18.3: the global debug directory. */
const DEBUG_FOLDER = '/usr/lib/debug'

/** Those that were named, and what the kernel's own file has. Throws a SymbolError or a MediaError. */
export function openSymbols(
  files: readonly SymbolsConfig[],
  kernel: { path: string; image: Uint8Array } | undefined,
): PlacedFile[] {
  const named = files.flatMap(({ path, at }) => {
    const file = withFile(path, (bytes) => readSymbols(bytes, (elf) => splitDebug(path, elf)))
    return inPlaces({ file }, at)
  })
  const own = kernel && kernelSymbols(kernel)
  return own ? [...named, own] : named
}

/** Programs of which lines are asked for. Throws a SymbolError or a MediaError. */
export function openCovered(files: readonly SymbolsConfig[]): PlacedFile[] {
  return files.flatMap(({ path, at }) => inPlaces(openProgram(path), at))
}

/** Each part of a kernel module by itself; where somebody says where it is, its first one is meant. */
function inPlaces({ file, covered }: PlacedFile, at: string | undefined): PlacedFile[] {
  const lost = file.parts?.some(({ module }, i) => module && !module.pointer && !(at !== undefined && i === 0))
  if (lost)
    throw new SymbolError(
      `${file.name} has no function for module_init() or module_exit(), by which the guest tells where it has the module; ` +
        'give it both, or say FILE@ADDRESS with what /sys/module/NAME/sections/.text has',
    )
  return (file.parts ?? [file]).map((part, i) => ({
    ...{ file: part, covered },
    ...(at !== undefined && i === 0 && { address: BigInt(at) }),
  }))
}

/** An ELF file with line tables, and what tells it from another build. Throws a SymbolError or a MediaError. */
export function openProgram(path: string): PlacedFile & { covered: { path: string; build: string } } {
  return withFile(path, (bytes) => {
    const file = readSymbols(bytes, (elf) => splitDebug(path, elf))
    if (!file.lines || file.segments.length === 0)
      throw new SymbolError(
        `${bytes.name} has no line tables; compile it with -g, or give the file from before 'strip'`,
      )
    return { file, covered: { path: resolve(path), build: new ElfFile(bytes).buildId ?? contentsHash(bytes) } }
  })
}

/** Of what is read, a part at a time. */
const PART = 16 << 20

function contentsHash({ size, read }: SymbolBytes): string {
  const hash = createHash('sha1')
  for (let at = 0; at < size; at += PART) hash.update(read(at, Math.min(PART, size - at)))
  return hash.digest('hex')
}

/** A kernel that is started by its own ELF file brings them along; one that was stripped is nobody's fault. */
function kernelSymbols({ path, image }: { path: string; image: Uint8Array }): PlacedFile | undefined {
  if (!isElf(image)) return undefined
  try {
    return { file: readSymbols(inMemory('the kernel', image), (elf) => splitDebug(path, elf)) }
  } catch (error) {
    if (error instanceof SymbolError) return undefined
    throw error
  }
}

function inMemory(name: string, image: Uint8Array): SymbolBytes {
  return { name, size: image.length, read: (offset, length) => image.subarray(offset, offset + length) }
}

function withFile<T>(path: string, use: (bytes: SymbolBytes) => T): T {
  const name = `symbols ${JSON.stringify(path)}`
  let file: number | undefined
  try {
    const stats = statSync(path)
    if (!stats.isFile()) throw new SymbolError(`${name} is no regular file; name the file with the symbols`)
    file = openSync(path, 'r')
    const handle = file
    const read = (offset: number, length: number) => {
      const bytes = new Uint8Array(length)
      let at = 0
      while (at < length) {
        const count = readSync(handle, bytes, at, length - at, offset + at)
        if (count === 0) throw new SymbolError(`${name} became shorter while it was read; try again`)
        at += count
      }
      return bytes
    }
    return use({ name, size: stats.size, read })
  } catch (error) {
    if (error instanceof SymbolError) throw error
    const [, before, at] = /^(.+)@([^@/]*)$/.exec(path) ?? []
    if (before !== undefined && isFile(before))
      throw new SymbolError(
        `${name}: '${at}' is no address; behind the @ stands where the guest has the file's first byte, as in kernel.elf@0x100000`,
      )
    throw mediaError(error, name, false)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Kept open no longer than it is read: the whole of it, since its sum is asked for. */
function splitDebug(path: string, elf: ElfFile): SymbolBytes | undefined {
  const { link, buildId } = elf.splitDebug
  const folder = dirname(realPath(path))
  const places = [
    ...(buildId === undefined
      ? []
      : [join(DEBUG_FOLDER, '.build-id', buildId.slice(0, 2), `${buildId.slice(2)}.debug`)]),
    ...(link === undefined || link.name.includes('/')
      ? []
      : [join(folder, link.name), join(folder, '.debug', link.name), join(DEBUG_FOLDER, folder, link.name)]),
  ]
  for (const place of places) {
    const bytes = readable(place)
    if (!bytes || !isElf(bytes)) continue
    const split = inMemory(`symbols ${JSON.stringify(place)}`, bytes)
    const isSame =
      buildId === undefined ? link !== undefined && crc32(bytes) === link.crc : new ElfFile(split).buildId === buildId
    if (isSame) return split
  }
  return undefined
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function readable(path: string): Uint8Array | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined
  } catch {
    return undefined
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
