/**
 * Images from the web: fetched once, checked against their hash, unpacked on the way into the store. A download that was
 * interrupted goes on where it ended; proxies are those of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EnvHttpProxyAgent, request } from 'undici'
import { HostError } from '../../machine/errors.js'
import { hashOfFile } from '../../machine/host/file-hash.js'
import { imagesFolder, keepImage, type StoredImage, storedImage } from './image-store.js'
import { type Locked, lock, lockPath, readLock } from './lock-file.js'
import { type Packing, packingOf, unpacked } from './unpack.js'

export interface Download {
  url: string
  /** Of what the address gives, where the definition says it; else the lock file does, after the first time. */
  sha256?: string
  /** How it is packed; by default what the address ends with. */
  unpack?: Packing | 'none'
  /** Of a zip. */
  member?: string
}

export interface DownloadOptions {
  /** Told now and then; `total` where the server says it. */
  onProgress?: (done: number, total: number | undefined) => void
  /** Without a byte for so long it is given up, ms; default a minute. */
  stallMs?: number
}

/** An image cannot be fetched, or is another; the message is one sentence. */
export class DownloadError extends HostError {
  override readonly name = 'DownloadError'
}

const STALL = 60_000
const MOST_REDIRECTS = 10

/** What was fetched of this address before, and is kept; undefined where that is nothing. Throws a UsageError for a lock file that is none. */
export function downloaded(download: Download): StoredImage | undefined {
  const locked = readLock()[addressOf(download)]
  if (!locked || (download.sha256 !== undefined && locked.sha256 !== download.sha256.toLowerCase())) return undefined
  return storedImage((locked.image ?? locked).sha256)
}

/** A zip's files have an address each. */
function addressOf({ url, member }: Download): string {
  return member === undefined ? url : `${url}#${member}`
}

/** The image that an address gives. Rejects with a DownloadError, an UnpackError, or the host's error. */
export async function fetchImage(download: Download, options: DownloadOptions = {}): Promise<StoredImage> {
  const { url } = download
  const address = addressOf(download)
  const expected = download.sha256?.toLowerCase() ?? readLock()[address]?.sha256
  const file = partial(url)
  await mkdir(join(file.path, '..'), { recursive: true })
  await transfer(url, file, options)
  const sha256 = await hashOfFile(file.path)
  if (expected !== undefined && sha256 !== expected) {
    await file.remove()
    const by = download.sha256 === undefined ? lockPath() : "the guest's definition"
    throw new DownloadError(
      `${url} gives a file with SHA-256 ${sha256}, and ${by} says ${expected}: nothing is kept of it; look who changed it`,
    )
  }
  const packing = download.unpack === 'none' ? undefined : (download.unpack ?? packingOf(new URL(url).pathname))
  const { size } = statSync(file.path)
  const contents = createReadStream(file.path)
  const image = await keepImage(packing ? unpacked(contents, packing, url, download.member) : contents)
  const locked: Locked = {
    sha256,
    bytes: size,
    ...(packing && { image: { sha256: image.sha256, bytes: image.bytes } }),
  }
  if (JSON.stringify(readLock()[address]) !== JSON.stringify(locked)) lock(address, locked)
  await file.remove()
  return image
}

/** What there is of a file that is being fetched, and by which of the server's words it can be asked for the rest. */
function partial(url: string) {
  const name = createHash('sha256').update(url).digest('hex').slice(0, 32)
  const path = join(imagesFolder(), 'partial', name)
  return {
    path,
    size: () => statSync(path, { throwIfNoEntry: false })?.size ?? 0,
    validator: () => (existsSync(`${path}.tag`) ? readFileSync(`${path}.tag`, 'utf8') : undefined),
    keepValidator: (tag: string) => writeFile(`${path}.tag`, tag),
    remove: async () => {
      await rm(path, { force: true })
      await rm(`${path}.tag`, { force: true })
    },
  }
}

async function transfer(
  url: string,
  file: ReturnType<typeof partial>,
  { onProgress, stallMs = STALL }: DownloadOptions,
): Promise<void> {
  // Most commands fetch nothing.
  const { EnvHttpProxyAgent: Agent } = await import('undici')
  const dispatcher = new Agent({ headersTimeout: stallMs, bodyTimeout: stallMs, connectTimeout: stallMs })
  try {
    const tag = file.validator()
    const from = tag === undefined ? 0 : file.size()
    const response = await ask(
      url,
      from > 0 && tag !== undefined ? { range: `bytes=${from}-`, 'if-range': tag } : {},
      dispatcher,
    )
    const goesOn = response.statusCode === 206 && from > 0
    // A range behind the end: what is there is all, or is another file's.
    if (response.statusCode === 416) {
      await response.body.dump()
      await file.remove()
      return await transfer(url, file, { onProgress, stallMs })
    }
    const newTag = headerOf(response.headers, 'etag') ?? headerOf(response.headers, 'last-modified')
    // Weak tags do not say that the bytes are the same.
    if (newTag && !newTag.startsWith('W/')) await file.keepValidator(newTag)
    const length = Number(headerOf(response.headers, 'content-length'))
    const begin = goesOn ? from : 0
    const total = Number.isFinite(length) && length > 0 ? begin + length : undefined
    const out = await open(file.path, goesOn ? 'a' : 'w')
    let done = begin
    try {
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        await out.writeFile(chunk)
        done += chunk.length
        onProgress?.(done, total)
      }
    } finally {
      await out.close()
    }
    if (total !== undefined && done < total)
      throw new DownloadError(`${url} ended after ${done} of ${total} bytes; get it again, and it goes on from there`)
  } catch (error) {
    throw told(url, error, file.path, stallMs)
  } finally {
    // Of an answer that nobody reads on, closing it would wait for the end.
    await dispatcher.destroy().catch(() => {})
  }
}

type Response = Awaited<ReturnType<typeof request>>

async function ask(url: string, headers: { [name: string]: string }, dispatcher: EnvHttpProxyAgent): Promise<Response> {
  const { request: fetched } = await import('undici')
  let at = url
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const response = await fetched(at, { headers: { 'user-agent': 'bootwright', ...headers }, dispatcher })
    const { statusCode } = response
    const to = headerOf(response.headers, 'location')
    if (statusCode >= 300 && statusCode < 400 && to !== undefined) {
      await response.body.dump()
      at = new URL(to, at).href
      continue
    }
    if (statusCode === 200 || statusCode === 206 || statusCode === 416) return response
    await response.body.dump()
    const why = { 404: 'there is no such file', 410: 'the file is gone', 403: 'the server does not give it' }[
      statusCode
    ]
    throw new DownloadError(
      `${url} cannot be fetched: ${why ?? 'the server fails'} (status ${statusCode}); check the address, or put the file into the folder that BOOTWRIGHT_IMAGES names`,
    )
  }
  throw new DownloadError(`${url} cannot be fetched: the server sends from one address to another, over and over`)
}

function headerOf(headers: Response['headers'], name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Who may have been spoken with. */
function partners(url: string): string {
  const name = new URL(url).protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const hasProxy = process.env[name] || process.env[name.toLowerCase()]
  return hasProxy ? `its host, or the proxy that ${name} names,` : 'its host'
}

function told(url: string, error: unknown, file: string, stallMs: number): unknown {
  if (error instanceof HostError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  // Node leaves the path out where a file descriptor failed.
  if (['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EIO'].includes(code))
    return Object.assign(error as Error, { path: file })
  if (['UND_ERR_BODY_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT'].includes(code))
    return new DownloadError(
      `${url} cannot be fetched: nothing came for ${Math.round(stallMs / 100) / 10} s; get it again, and it goes on from there`,
    )
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET')
    return new DownloadError(
      `${url} cannot be fetched: the connection broke off; get it again, and it goes on from there`,
    )
  const why: { readonly [code: string]: string } = {
    ENOTFOUND: 'its host is not known; is there a network, or a proxy to be named in HTTPS_PROXY?',
    EAI_AGAIN: 'its host cannot be looked up; is there a network, or a proxy to be named in HTTPS_PROXY?',
    ECONNREFUSED: `${partners(url)} refuses the connection`,
  }
  return new DownloadError(`${url} cannot be fetched: ${why[code] ?? message.split('\n')[0]}`)
}
