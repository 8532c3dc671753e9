/**
 * What was fetched from upstreams of the LAN's HTTP server, on the host's disk: each address has an entry that names its
 * body by hash, and a body is kept once. What is there is served without asking anybody, so later runs need no network.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'
import type { FileTree } from '../../machine/network/contents.js'
import { servedFiles } from './served-files.js'

const Entry = z.object({
  url: z.string(),
  /** 200, or one that says that there is nothing. */
  status: z.int().min(200).max(599),
  sha256: z.string().regex(/^[\da-f]{64}$/),
})
export type UpstreamEntry = z.infer<typeof Entry>

const folder = () => join(process.env.BOOTWRIGHT_CACHE || cacheFolder(), 'upstream')
const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex')
const entryPath = (url: string) => join(folder(), 'addresses', `${sha256(url)}.json`)
const bodyPath = (hash: string) => join(folder(), 'bodies', hash)

/** Below the upstream's own address; undefined for what would lead out of it. */
export function upstreamUrl(base: string, below: string): string | undefined {
  const root = base.endsWith('/') ? base : `${base}/`
  try {
    const { href } = new URL(root + below.replace(/^\/+/, '').split('/').map(encodeURIComponent).join('/'))
    return href.startsWith(new URL(root).href) ? href : undefined
  } catch {
    return undefined
  }
}

/** undefined: it was never fetched, or is damaged. */
export function cachedEntry(url: string): UpstreamEntry | undefined {
  try {
    const entry = Entry.parse(JSON.parse(readFileSync(entryPath(url), 'utf8')))
    return entry.url === url ? entry : undefined
  } catch {
    return undefined
  }
}

/** Throws the host's error, as where the disk is full. */
export function keepFetched(url: string, status: number, body: Uint8Array): UpstreamEntry {
  const entry: UpstreamEntry = { url, status, sha256: sha256(body) }
  write(bodyPath(entry.sha256), body)
  write(entryPath(url), JSON.stringify(entry))
  return entry
}

/** Whole, or not at all: others may look at the same time. */
function write(path: string, contents: string | Uint8Array): void {
  mkdirSync(join(path, '..'), { recursive: true })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, contents)
  renameSync(draft, path)
}

/** What of an upstream is in the cache, as files. */
export function upstreamFiles(base: string): FileTree {
  return {
    open(path) {
      const url = upstreamUrl(base, path)
      const entry = url === undefined ? undefined : cachedEntry(url)
      if (entry?.status !== 200) return undefined
      try {
        return servedFiles(bodyPath(entry.sha256), 'upstream').open('')
      } catch {
        return undefined
      }
    },
    list: () => [],
  }
}
