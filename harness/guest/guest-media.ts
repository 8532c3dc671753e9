/** Where guests' media come from: image files of the user, files of Debian packages, and what is built from those. */

import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HostError } from '../../machine/errors.js'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'
import { parseMemorySize } from '../units/memory-size.js'

export type GuestMedium =
  /** A file in the folder that BOOTWRIGHT_IMAGES names. */
  | { kind: 'image'; file: string }
  /** A file of a Debian package: installed, or unpacked in the cache. */
  | { kind: 'package'; package: string; file: string; unpackOnly?: boolean }
  /** A file by its path; for guests of one's own. */
  | { kind: 'file'; path: string }
  /** Made of other media; `build` gets their bytes in order. */
  | {
      kind: 'built'
      /** The file's name. */
      name: string
      from: readonly GuestMedium[]
      build: (parts: Uint8Array[]) => Uint8Array
    }

export type PackageMedium = Extract<GuestMedium, { kind: 'package' }>

/** How media of Debian packages are got. */
export const SETUP_COMMAND = 'bootwright setup --guests'

/** A file in the folder that BOOTWRIGHT_IMAGES names. */
export function image(file: string): GuestMedium {
  return { kind: 'image', file }
}

/**
 * @param file Its path as the package has it.
 * @param options With `unpackOnly` the package is never installed, only unpacked into the cache: installing it would
 *   change the host.
 */
export function packageFile(name: string, file: string, options: { unpackOnly?: boolean } = {}): GuestMedium {
  return { kind: 'package', package: name, file, ...options }
}

/** @param base `import.meta.url` where the path is relative to the guest's file. */
export function file(path: string, base?: string): GuestMedium {
  return { kind: 'file', path: base && !isAbsolute(path) ? fileURLToPath(new URL(path, base)) : path }
}

/** A medium made of others when it is needed: an ISO around a boot image, a floppy padded to its size. */
export function built(
  name: string,
  from: readonly GuestMedium[],
  build: (parts: Uint8Array[]) => Uint8Array,
): GuestMedium {
  return { kind: 'built', name, from, build }
}

/** A disk full of zeros, e.g. of `32M`: machines write to overlays, so the file in the cache stays blank. */
export function blankDisk(size: string | number): GuestMedium {
  const bytes = parseMemorySize(size, 'a blank disk of')
  return built(`blank-${bytes}.img`, [], () => new Uint8Array(bytes))
}

/** A guest's medium is not on this host; the message says what to do, in one sentence. */
export class MissingMediaError extends HostError {
  override readonly name = 'MissingMediaError'
}

/** `freedos722.img`, `x.bin of Debian's package y`, `z.iso, made of w.img`. */
export function describeMedium(medium: GuestMedium): string {
  switch (medium.kind) {
    case 'image':
      return medium.file
    case 'package':
      return `${basename(medium.file)} of Debian's package ${medium.package}`
    case 'file':
      return medium.path
    case 'built':
      return `${medium.name}, made of ${medium.from.map(describeMedium).join(' and ')}`
  }
}

/** The Debian packages that a medium needs. */
export function packagesOf(medium: GuestMedium): PackageMedium[] {
  if (medium.kind === 'package') return [medium]
  return medium.kind === 'built' ? medium.from.flatMap(packagesOf) : []
}

/**
 * The path of a medium; one that is built is written into the cache first.
 * @param setup The command that gets a package that is missing.
 * @throws MissingMediaError
 */
export async function findMedium(medium: GuestMedium, setup = SETUP_COMMAND): Promise<string> {
  switch (medium.kind) {
    case 'image':
      return findImage(medium.file)
    case 'package':
      return findPackageFile(medium, setup)
    case 'file':
      if (existsSync(medium.path)) return medium.path
      throw new MissingMediaError(`${medium.path} does not exist`)
    case 'built': {
      const parts = await Promise.all(medium.from.map(async (part) => readFile(await findMedium(part, setup))))
      return writeToCache(medium.name, medium.build(parts))
    }
  }
}

function findImage(name: string): string {
  const folder = process.env.BOOTWRIGHT_IMAGES
  if (!folder) throw new MissingMediaError(`${name} is needed: set BOOTWRIGHT_IMAGES to a folder that has it`)
  const path = join(folder, name)
  if (existsSync(path)) return path
  throw new MissingMediaError(`${name} is not in ${folder}, the folder that BOOTWRIGHT_IMAGES names`)
}

function findPackageFile({ package: name, file: path }: PackageMedium, setup: string): string {
  const found = [path, join(cacheFolder(), 'packages', name, path)].find((place) => existsSync(place))
  if (found) return found
  throw new MissingMediaError(
    `Debian's package ${name} is needed for ${path}: run '${setup}' where apt-get is, ` +
      `or unpack the package into ${join(cacheFolder(), 'packages', name)}`,
  )
}

/** Several machines may be started at once: the file appears whole. */
async function writeToCache(name: string, bytes: Uint8Array): Promise<string> {
  const folder = join(cacheFolder(), 'media')
  await mkdir(folder, { recursive: true })
  const path = join(folder, name)
  const part = `${path}.${randomUUID()}`
  try {
    await writeFile(part, bytes)
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  return path
}
