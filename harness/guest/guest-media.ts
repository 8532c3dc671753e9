/** Where guests' media come from: image files of the user, files of Debian packages, and what is built from those. */

import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { basename, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HostError } from '../../machine/errors.js'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'
import { packagePath } from '../../machine/firmware/install-packages.js'
import { writeWhole } from '../../machine/host/whole-file.js'
import { type Download, downloaded } from '../images/download.js'
import { findInFolder } from '../images/find-in-folder.js'
import { parseMemorySize } from '../units/memory-size.js'

export type GuestMedium =
  /** A file in the folder that BOOTWRIGHT_IMAGES names. */
  | ({ kind: 'image'; file: string } & ImageOptions)
  /** A file of an address; `bootwright images get` fetches it. */
  | ({ kind: 'download' } & Download)
  /** A file of a Debian package: installed, or unpacked in the cache. */
  | ({ kind: 'package'; package: string; file: string } & PackageFileOptions)
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

export interface ImageOptions {
  /** A file with one of these is it whatever its name, also packed or in the store of fetched images. */
  sha256?: string | readonly string[]
  /** Who publishes it, and as what: `the Alpine project's "virtual" ISO for x86`. */
  maker?: string
}

export interface PackageFileOptions {
  /** The package is never installed, only unpacked into the cache: installing it would change the host. */
  unpackOnly?: boolean
  /** The package only names another, whose name begins like this and which has the file. It is unpacked only. */
  follow?: string
}

export type PackageMedium = Extract<GuestMedium, { kind: 'package' }>

/** How media of Debian packages are got. */
export const SETUP_COMMAND = 'bootwright setup --guests'

/**
 * A file in the folder that BOOTWRIGHT_IMAGES names, as it is or packed (xz, gz, zst, zip).
 *
 * @param file Its name, or a pattern as in `alpine-virt-*-x86_64.iso`, of which the newest fits.
 */
export function image(file: string, options: ImageOptions = {}): GuestMedium {
  return { kind: 'image', file, ...options }
}

/**
 * A file of an address. What it gave first is locked in `guests.lock.json`, unless its hash is said here.
 *
 * @param options Of what the address gives: its hash, how it is packed, and in a zip which file is meant.
 */
export function download(url: string, options: Omit<Download, 'url'> = {}): GuestMedium {
  return { kind: 'download', url, ...options }
}

/** @param file Its path as the package has it; `*` stands for what changes with versions, and the newest one counts. */
export function packageFile(name: string, file: string, options: PackageFileOptions = {}): GuestMedium {
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
      return medium.maker ? `${medium.file} (${medium.maker})` : medium.file
    case 'download':
      return medium.url
    case 'package':
      return `${basename(medium.file)} of Debian's package ${medium.package}`
    case 'file':
      return medium.path
    case 'built':
      return `${medium.name}, ${madeOf(medium.from)}`
  }
}

function madeOf(parts: readonly GuestMedium[]): string {
  if (parts.length === 0) return 'built here'
  const packages = new Set(parts.map((part) => (part.kind === 'package' ? part.package : '')))
  if (parts.length > 2 && !packages.has(''))
    return `made of ${parts.length} files of Debian's packages ${[...packages].join(' and ')}`
  return `made of ${parts.map(describeMedium).join(' and ')}`
}

/** What a medium is made of, itself where it is not made of others. */
export function partsOf(medium: GuestMedium): GuestMedium[] {
  return medium.kind === 'built' ? medium.from.flatMap(partsOf) : [medium]
}

/** The Debian packages that a medium needs. */
export function packagesOf(medium: GuestMedium): PackageMedium[] {
  return partsOf(medium).filter((part) => part.kind === 'package')
}

/**
 * The path of a medium; one that is built is written into the cache first.
 * @param setup The command that gets a package that is missing.
 * @throws MissingMediaError
 */
export async function findMedium(medium: GuestMedium, setup = SETUP_COMMAND): Promise<string> {
  switch (medium.kind) {
    case 'image':
      return findImage(medium)
    case 'download': {
      const fetched = downloaded(medium)
      if (fetched) return fetched.path
      throw new MissingMediaError(`${medium.url} was not fetched yet: 'bootwright images get' fetches what guests need`)
    }
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

async function findImage(medium: Extract<GuestMedium, { kind: 'image' }>): Promise<string> {
  const { file: name, sha256 = [] } = medium
  const wanted = { name, sha256: typeof sha256 === 'string' ? [sha256] : sha256 }
  const folder = process.env.BOOTWRIGHT_IMAGES
  const found = await findInFolder(folder, wanted)
  if (found) return found
  const words = describeMedium(medium)
  if (!folder) throw new MissingMediaError(`${words} is needed: set BOOTWRIGHT_IMAGES to a folder that has it`)
  throw new MissingMediaError(`${words} is not in ${folder}, the folder that BOOTWRIGHT_IMAGES names`)
}

function findPackageFile({ package: name, file: path, ...how }: PackageMedium, setup: string): string {
  const found = packagePath(name, path, how)
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
  await writeWhole(path, bytes)
  return path
}
