/** Images in a user's folder: by name, by a pattern of names, or by what is in them whatever they are called. */
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { keepImage, knownHash, note, noted, storedImage } from './image-store.js'
import { packingOf, unpacked, unpackedName } from './unpack.js'

export interface Wanted {
  /** Its usual name, or one with `*` and `?` as in a shell. */
  name: string
  /** Any of these; a file with one of them is it under every name. */
  sha256?: readonly string[]
}

/**
 * Where a wanted image is. One that is there only packed is unpacked into the store. Rejects with an UnpackError, or the
 * host's error.
 */
export async function findInFolder(
  folder: string | undefined,
  { name, sha256 = [] }: Wanted,
): Promise<string | undefined> {
  const files = folder ? filesIn(folder) : []
  return (folder && (await fileOf(folder, files, { name, sha256 }))) || storedOf(sha256)
}

async function fileOf(folder: string, files: string[], { name, sha256 = [] }: Wanted): Promise<string | undefined> {
  const exact = files.find((file) => file === name)
  if (exact) return join(folder, exact)
  const matches = pattern(name)
  // The last one in the order of people is the newest version.
  const fitting = files.filter((file) => matches.test(file)).sort(byNumbers)
  const newest = fitting.at(-1)
  if (newest) return join(folder, newest)
  const packed = files.filter((file) => packingOf(file) && matches.test(unpackedName(file))).sort(byNumbers)
  const newestPacked = packed.at(-1)
  if (newestPacked) return unpackedFile(join(folder, newestPacked))
  for (const file of sha256.length > 0 ? files : [])
    if (sha256.includes(await knownHash(join(folder, file)))) return join(folder, file)
  return undefined
}

function storedOf(hashes: readonly string[]): string | undefined {
  return hashes.map((hash) => storedImage(hash)?.path).find((path) => path !== undefined)
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile())
  } catch {
    return []
  }
}

function pattern(name: string): RegExp {
  const words = name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${words}$`, 'i')
}

function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

async function unpackedFile(path: string): Promise<string> {
  const key = `unpacked ${await knownHash(path)}`
  const known = storedImage(noted(key) ?? '')
  if (known) return known.path
  const packing = packingOf(path)
  if (!packing) return path
  const image = await keepImage(unpacked(createReadStream(path), packing, path))
  await note(key, image.sha256)
  return image.path
}
