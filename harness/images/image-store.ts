/**
 * Images on this host's disk, each once under the hash of its contents: `images/blobs/SHA-256`. Whoever names one by hash
 * has it, whatever it was called where it came from.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as z from 'zod'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'
import { hashOfFile } from '../../machine/host/file-hash.js'
import { writeWhole } from '../../machine/host/whole-file.js'

export interface StoredImage {
  sha256: string
  bytes: number
  path: string
}

const HASH = /^[\da-f]{64}$/

/** In what BOOTWRIGHT_CACHE names, else in the user's cache. */
export function imagesFolder(): string {
  return join(process.env.BOOTWRIGHT_CACHE || cacheFolder(), 'images')
}

const blobsFolder = () => join(imagesFolder(), 'blobs')

/** An image by its hash; undefined where it is not kept. */
export function storedImage(sha256: string): StoredImage | undefined {
  const path = join(blobsFolder(), sha256)
  const stats = HASH.test(sha256) ? statSync(path, { throwIfNoEntry: false }) : undefined
  return stats?.isFile() ? { sha256, bytes: stats.size, path } : undefined
}

/** All that are kept, by their hashes. */
export function storedImages(): StoredImage[] {
  const folder = blobsFolder()
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) => storedImage(name) ?? [])
}

/** Keeps what a stream gives, whole or not at all. Rejects with the host's error, or the stream's. */
export async function keepImage(contents: AsyncIterable<Uint8Array>): Promise<StoredImage> {
  await mkdir(blobsFolder(), { recursive: true })
  const part = join(blobsFolder(), `part-${randomUUID()}`)
  const hash = createHash('sha256')
  let bytes = 0
  const meter = new Transform({
    transform(chunk: Uint8Array, _, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  try {
    await pipeline(Readable.from(contents), meter, createWriteStream(part))
    const sha256 = hash.digest('hex')
    const path = join(blobsFolder(), sha256)
    await rename(part, path)
    return { sha256, bytes, path }
  } finally {
    await rm(part, { force: true })
  }
}

const Notes = z.record(z.string(), z.string())

/**
 * What is known of files and addresses, so that it is worked out once: the hash of a file of a size and date, what an
 * archive unpacks to. One that is damaged counts as empty: all of it can be found out again.
 */
export function noted(key: string): string | undefined {
  return readNotes()[key]
}

export async function note(key: string, value: string): Promise<void> {
  await mkdir(imagesFolder(), { recursive: true })
  await writeWhole(join(imagesFolder(), 'notes.json'), JSON.stringify({ ...readNotes(), [key]: value }))
}

function readNotes(): { [key: string]: string } {
  try {
    return Notes.parse(JSON.parse(readFileSync(join(imagesFolder(), 'notes.json'), 'utf8')))
  } catch {
    return {}
  }
}

/** The hash of a file, worked out again only where the file has changed. */
export async function knownHash(path: string): Promise<string> {
  const { size, mtimeMs, ino } = statSync(path)
  const key = `sha256 ${path} ${size} ${mtimeMs} ${ino}`
  const known = noted(key)
  if (known) return known
  const sha256 = await hashOfFile(path)
  await note(key, sha256)
  return sha256
}
