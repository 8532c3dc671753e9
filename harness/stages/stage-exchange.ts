/**
 * Stages between hosts: copied to and from a folder, or a server that takes GET and PUT. Their names hold the hash of all
 * that they depend on, so that what has a name already is the same. A server cannot be asked what it has; a file
 * `stages.json` beside them says it, and what their contents are. A folder has it, too: any server may show it to others.
 */

import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { HostError, UsageError } from '../../machine/errors.js'
import { hashOfFile } from '../../machine/host/file-hash.js'
import { withLock } from '../../machine/host/lock-file.js'
import { type KeptStage, keptStages, parseStageName } from './kept-stages.js'

/** What a stage is where it comes from or goes to. */
export type StoredStage = Pick<KeptStage, 'name' | 'key' | 'bytes'> & { file: string }

export interface StageStore {
  list(): Promise<StoredStage[]>
  /** Throws where nobody ever put a stage there. */
  check(): Promise<void>
  /** Copies a file of this host there. */
  put(stage: KeptStage): Promise<void>
  /** Copies one to a path of this host, where it appears whole. */
  get(stage: StoredStage, path: string): Promise<void>
}

/** The other place cannot be reached, or has not what it says; the message is one sentence. */
export class StageStoreError extends HostError {
  override readonly name = 'StageStoreError'
}

/** @param place A folder, by its `file://` as well, or an address that begins with `http://` or `https://`. */
export function stageStore(place: string): StageStore {
  const [, scheme] = /^([a-z][a-z\d+.-]+):\/\//i.exec(place) ?? []
  switch (scheme?.toLowerCase()) {
    case undefined:
      return new Folder(place)
    case 'http':
    case 'https':
      return new Server(place)
    case 'file':
      return new Folder(folderOf(place))
    default:
      throw new UsageError(
        `'${place}': stages are copied by http and https; mount what speaks ${scheme}, and name the folder`,
      )
  }
}

function folderOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw new UsageError(`'${url}' is no address of a folder; write it as file:///path, or its path alone`)
  }
}

const INDEX = 'stages.json'
/** Longest one that is read, bytes: twice what 100,000 stages take. */
const LONGEST_INDEX = 32 << 20
const Index = z.object({
  stages: z
    .array(z.object({ file: z.string(), bytes: z.number().int().nonnegative(), sha256: z.string() }))
    .max(100_000),
})
type Indexed = z.output<typeof Index>['stages'][number]
const indexText = (stages: readonly Indexed[]) => JSON.stringify({ stages }, undefined, 2)

class Folder implements StageStore {
  constructor(private readonly path: string) {}

  async list(): Promise<StoredStage[]> {
    if (existsSync(this.path) && !statSync(this.path).isDirectory())
      throw new UsageError(`'${this.path}' is no folder; name one, or an address that begins with http://`)
    return keptStages(this.path)
  }

  async check(): Promise<void> {
    if (!existsSync(this.path)) throw new UsageError(`there is no folder '${this.path}'; check the path`)
  }

  /** What pushes wrote of those that are there still. */
  private async indexed(): Promise<Indexed[]> {
    const text = await readFile(join(this.path, INDEX), 'utf8').catch(() => undefined)
    if (text === undefined) return []
    const read = Index.safeParse(parsed(text))
    if (!read.success)
      throw new StageStoreError(`${join(this.path, INDEX)} is no list of stages; remove it, or name another place`)
    return read.data.stages.filter(({ file }) => existsSync(join(this.path, basename(file))))
  }

  async put({ file, bytes }: KeptStage): Promise<void> {
    await mkdir(this.path, { recursive: true })
    const name = basename(file)
    const sha256 = await hashOfFile(file)
    await whole(join(this.path, name), (part) => copyFile(file, part))
    const index = join(this.path, INDEX)
    await withLock(index, async () => {
      const others = (await this.indexed()).filter((one) => one.file !== name)
      await whole(index, (part) => writeFile(part, indexText([...others, { file: name, bytes, sha256 }])))
    })
  }

  async get({ file }: StoredStage, path: string): Promise<void> {
    const expected = (await this.indexed()).find((one) => one.file === basename(file))?.sha256
    await whole(path, async (part) => {
      await copyFile(file, part)
      if (expected !== undefined && (await hashOfFile(part)) !== expected)
        throw new StageStoreError(`${file} is not what ${INDEX} says: its contents differ; remove it and push it again`)
    })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

class Server implements StageStore {
  private readonly base: URL
  private readonly headers: { [name: string]: string } = {}
  private index: Indexed[] | undefined

  constructor(place: string) {
    try {
      this.base = new URL(place.endsWith('/') ? place : `${place}/`)
    } catch {
      throw new UsageError(`'${place}' is no address; write one as https://host/stages`)
    }
    const { username, password } = this.base
    if (username === '') return
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.headers.authorization = `Basic ${Buffer.from(login).toString('base64')}`
    this.base.username = ''
    this.base.password = ''
  }

  async list(): Promise<StoredStage[]> {
    return (await this.indexed()).flatMap(({ file, bytes }) => {
      const named = parseStageName(file)
      return named ? [{ ...named, file, bytes }] : []
    })
  }

  async check(): Promise<void> {
    if ((await this.ask('GET', INDEX)).status === 404)
      throw new StageStoreError(`${this.base} has no ${INDEX}: no stage was ever pushed there; check the address`)
  }

  private async indexed(): Promise<Indexed[]> {
    if (this.index) return this.index
    const response = await this.ask('GET', INDEX)
    if (response.status === 404) return []
    const list = `${this.base}${INDEX}`
    const pieces: Buffer[] = []
    for await (const piece of this.body(response, LONGEST_INDEX, `${list} is longer than any list of stages`))
      pieces.push(Buffer.from(piece))
    const read = Index.safeParse(parsed(Buffer.concat(pieces).toString()))
    if (!read.success) throw new StageStoreError(`${list} is no list of stages; remove it, or name another place`)
    this.index = read.data.stages
    return this.index
  }

  async put({ file, bytes }: KeptStage): Promise<void> {
    const name = basename(file)
    const sha256 = await hashOfFile(file)
    await this.ask('PUT', name, Readable.toWeb(createReadStream(file)) as ReadableStream, bytes)
    const others = (await this.indexed()).filter((one) => one.file !== name)
    this.index = [...others, { file: name, bytes, sha256 }]
    const text = indexText(this.index)
    await this.ask('PUT', INDEX, text, Buffer.byteLength(text))
  }

  async get({ file, bytes }: StoredStage, path: string): Promise<void> {
    const response = await this.ask('GET', file)
    const longer = `${this.base}${file} is longer than ${INDEX} says; push it again`
    await whole(path, async (part) => {
      await pipeline(this.body(response, bytes, longer), createWriteStream(part))
      const expected = (await this.indexed()).find((one) => one.file === file)?.sha256
      if ((await hashOfFile(part)) !== expected)
        throw new StageStoreError(`${this.base}${file} is not what ${INDEX} says: its contents differ; push it again`)
    })
  }

  /** A server may send without end. */
  private async *body({ body }: Response, most: number, longer: string): AsyncGenerator<Uint8Array> {
    let length = 0
    for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
      length += piece.length
      if (length > most) throw new StageStoreError(longer)
      yield piece
    }
  }

  private async ask(method: 'GET' | 'PUT', name: string, body?: ReadableStream | string, bytes?: number) {
    const url = new URL(encodeURIComponent(name), this.base)
    const headers = { ...this.headers, ...(bytes !== undefined && { 'content-length': String(bytes) }) }
    const response = await fetch(url, { method, headers, body, ...(body && { duplex: 'half' }) } as RequestInit).catch(
      (error: Error) => {
        const { cause = error } = error as { cause?: Error }
        throw new StageStoreError(`${url} cannot be reached: ${(cause as Error).message || cause}`)
      },
    )
    if (response.ok || (method === 'GET' && name === INDEX && response.status === 404)) return response
    const hint = response.status === 401 ? '; write https://user:password@host/…' : ''
    throw new StageStoreError(`${url} answers ${method} with ${response.status} ${response.statusText}${hint}`)
  }
}

const FULL = ['ENOSPC', 'EDQUOT']

/** A file appears with all that is in it, or not at all. */
async function whole(path: string, write: (part: string) => Promise<void>): Promise<void> {
  const part = `${path}.${randomUUID()}`
  try {
    await write(part)
    await rename(part, path)
  } catch (error) {
    // Copying names where it comes from, which is not what is full.
    if (FULL.includes((error as NodeJS.ErrnoException).code ?? '')) (error as NodeJS.ErrnoException).path = path
    throw error
  } finally {
    await rm(part, { force: true })
  }
}
