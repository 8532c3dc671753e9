/** What a host can boot: guests' definitions by hash, and what each lacks here. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { DEFAULT_MEMORY } from '../config/machine-config.js'
import { readGuest } from '../options/read-options.js'
import { allMedia, type Guest } from './guest.js'
import { findMedium, type GuestMedium, MissingMediaError, partsOf } from './guest-media.js'
import { withoutLocalPaths } from './matrix-run.js'

/** The same on all hosts that have the same definition, wherever its files are. */
export function definitionHash(guest: Guest): string {
  const text = JSON.stringify(guest, (key, value: unknown) => {
    if (value instanceof RegExp) return String(value)
    if (typeof value === 'function') return 'a function'
    return key === 'path' && typeof value === 'string' ? basename(value) : value
  })
  return createHash('sha256').update(text).digest('hex')
}

/** Bytes of the guest's memory. */
export function guestMemory(guest: Guest): number {
  const { bios, ...machine } = guest.machine
  return readGuest({ ...machine, bios: typeof bios === 'object' ? undefined : bios }).memory ?? DEFAULT_MEMORY
}

/**
 * What of a guest's media is not on this host, in words; undefined where all is. Nothing is built for that.
 * @param kinds Only media of these kinds are looked for.
 */
export async function lacksMedia(guest: Guest, kinds?: readonly GuestMedium['kind'][]): Promise<string | undefined> {
  for (const part of allMedia(guest).flatMap(partsOf)) {
    if (kinds && !kinds.includes(part.kind)) continue
    try {
      await findMedium(part)
    } catch (error) {
      if (error instanceof MissingMediaError) return withoutLocalPaths(error.message, guest)
      throw error
    }
  }
  return undefined
}
