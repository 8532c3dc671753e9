/**
 * `guests.lock.json`: what each address gave when it was first fetched. Who fetches it again, on whatever host, gets the same
 * or is told that it is another.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { UsageError } from '../../machine/errors.js'
import { writeOutputFile } from '../../machine/host/output-file.js'

const Hash = z.string().regex(/^[\da-f]{64}$/)
const Locked = z.strictObject({
  /** Of what the address gives. */
  sha256: Hash,
  bytes: z.int().nonnegative(),
  /** Of the image that is packed in it, where one is. */
  image: z.strictObject({ sha256: Hash, bytes: z.int().nonnegative() }).optional(),
})
export type Locked = z.infer<typeof Locked>

const LockFile = z.strictObject({
  format: z.literal('bootwright-guests-lock'),
  version: z.literal(1),
  images: z.record(z.string(), Locked),
})

/** In the working directory, or what BOOTWRIGHT_LOCK names. */
export function lockPath(): string {
  return process.env.BOOTWRIGHT_LOCK || join(process.cwd(), 'guests.lock.json')
}

/** By address; empty where there is no such file. Throws a UsageError for one that is damaged. */
export function readLock(path = lockPath()): { [address: string]: Locked } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  try {
    return LockFile.parse(JSON.parse(text)).images
  } catch {
    throw new UsageError(`${path} is no lock file of guests' images; take it from version control again, or remove it`)
  }
}

/** Adds what an address gave; the file is in the order of addresses. */
export function lock(address: string, given: Locked, path = lockPath()): void {
  const images = Object.fromEntries(
    Object.entries({ ...readLock(path), [address]: given }).sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  const file = { format: 'bootwright-guests-lock', version: 1, images }
  writeOutputFile(path, `${JSON.stringify(file, undefined, 2)}\n`)
}
