/**
 * Snapshot files. All of a machine but the contents of its media's base images, which are named in the header.
 *
 * The magic line, the format's version (u32, little-endian), then records: a kind (u32), the length of what follows
 * (u32), and that, deflated. First the header (JSON), then the state, then memory in pieces (u32 first page, then whole
 * pages; pages of zeros are left out), and last, not deflated, the SHA-256 of everything before. A format that an older
 * reader could not take gets a new version; `read` then makes the old one new, or names it and refuses.
 */
import { createHash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { deflate, inflate } from 'node:zlib'
import type { State, StateValue } from '../device.js'
import { flattened, type OverlayImage } from '../media/overlay.js'
import { decodeState, encodeState } from './encode.js'
import { canMap } from './guest-memory.js'
import type { MachineShape, MachineState } from './machine-state.js'
import { layerOf, type MemoryImage, PAGE, readPages, stretches } from './memory-image.js'
import { SnapshotError } from './snapshot-error.js'

const MAGIC = Buffer.from('bootwright snapshot\n')
const VERSION = 1

const HEADER = 1
const STATE = 2
const MEMORY = 3
const END = 4

/** Memory in one record. */
const PIECE = 256 * PAGE
/** zlib's quickest: memory of guests is mostly text and code, and tests wait. */
const LEVEL = 1
/** Beyond any state: a broken file must not fill the host's memory. */
const LONGEST = 1 << 30

const pack = promisify<Uint8Array, { level: number }, Buffer>(deflate)
const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate)

export interface SnapshotHeader {
  shape: MachineShape
  guestTimeNs: number
  instructions: number
  /** Whatever else belongs to it, from whoever wrote it. */
  extra: { [key: string]: unknown }
}

/** The file appears when it is complete. Throws a SnapshotError where it cannot be written. */
export async function writeSnapshotFile(
  path: string,
  machine: MachineState,
  extra: SnapshotHeader['extra'],
  more: State = {},
): Promise<void> {
  const { shape, time, cpus, clock, devices, media, memory } = machine
  const header: SnapshotHeader = {
    shape,
    guestTimeNs: time.ns,
    instructions: (time.counts.retired as number | undefined) ?? 0,
    extra,
  }
  const state = { time, cpus, clock, devices, media: plainMedia(media), machine: machine.machine, more }
  const version = Buffer.alloc(4)
  version.writeUInt32LE(VERSION)
  const parts: Uint8Array[] = [MAGIC, version]
  const add = async (kind: number, bytes: Uint8Array) => {
    const packed = await pack(bytes, { level: LEVEL })
    parts.push(recordHead(kind, packed.length), packed)
  }
  await add(HEADER, Buffer.from(JSON.stringify(header)))
  await add(STATE, encodeState(state as unknown as StateValue))
  for (const piece of pieces(memory)) await add(MEMORY, piece)
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  parts.push(recordHead(END, 32), hash.digest())
  const unfinished = `${path}.${process.pid}.part`
  try {
    await writeFile(unfinished, parts)
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw new SnapshotError(`the snapshot ${JSON.stringify(path)} cannot be written: ${(error as Error).message}`)
  }
}

export interface SnapshotContents {
  header: SnapshotHeader
  /** Its memory's layer belongs to the caller. */
  machine: MachineState
  more: State
}

/** The header alone, after the whole file was found sound. Throws a SnapshotError. */
export async function readSnapshotHeader(path: string): Promise<SnapshotHeader> {
  return readHeader(await records(path), path)
}

/** @param here the machine that it is for: pieces of memory that are elsewhere now are moved. Throws a SnapshotError. */
export async function readSnapshotFile(path: string, here?: MachineShape): Promise<SnapshotContents> {
  const found = await records(path)
  const header = await readHeader(found, path)
  const { shape } = header
  const place = placement(shape, here ?? shape)
  const list: { page: number; bytes: Uint8Array }[] = []
  try {
    const packed = found.find(({ kind }) => kind === STATE)?.bytes ?? new Uint8Array()
    const state = decodeState(await unpack(packed, { maxOutputLength: LONGEST })) as State
    for (const { kind, bytes } of found) {
      if (kind !== MEMORY) continue
      const piece = await unpack(bytes, { maxOutputLength: PIECE + 4 })
      list.push(...place(piece.readUInt32LE(0), piece.subarray(4)))
    }
    list.sort((a, b) => a.page - b.page)
    const size = (here ?? shape).memorySize
    const memory: MemoryImage = { size, layers: [layerOf(list, size, canMap())] }
    const { time, cpus, clock, devices, media, machine, more } = state
    const restored = { shape, time, cpus, clock, devices, media: sharedMedia(media as State), machine, memory }
    return { header, machine: restored as unknown as MachineState, more: more as State }
  } catch (error) {
    if (error instanceof SnapshotError) throw error
    throw broken(path, (error as Error).message)
  }
}

function recordHead(kind: number, length: number): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(kind)
  head.writeUInt32LE(length, 4)
  return head
}

interface FileRecord {
  kind: number
  bytes: Buffer
}

async function records(path: string): Promise<FileRecord[]> {
  const name = JSON.stringify(path)
  let file: Buffer
  try {
    file = await readFile(path)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new SnapshotError(
      `the snapshot ${name} ${missing ? 'does not exist; check the path' : `cannot be read: ${(error as Error).message}`}`,
    )
  }
  if (!file.subarray(0, MAGIC.length).equals(MAGIC))
    throw new SnapshotError(`${name} is not a snapshot of bootwright; name a file that was written as one`)
  if (file.length < MAGIC.length + 4) throw broken(path, 'it ends after its first line')
  const version = file.readUInt32LE(MAGIC.length)
  if (version > VERSION)
    throw new SnapshotError(
      `the snapshot ${name} has format ${version}, this bootwright reads up to ${VERSION}: it was made by a newer one; update`,
    )
  if (version < VERSION)
    throw new SnapshotError(`the snapshot ${name} has format ${version}, which was never in use; make it again`)
  const list: FileRecord[] = []
  for (let at = MAGIC.length + 4; ; ) {
    if (at + 8 > file.length) throw broken(path, 'it is truncated')
    const kind = file.readUInt32LE(at)
    const end = at + 8 + file.readUInt32LE(at + 4)
    if (end > file.length) throw broken(path, 'it is truncated')
    const bytes = file.subarray(at + 8, end)
    if (kind === END) {
      const wanted = createHash('sha256').update(file.subarray(0, at)).digest()
      if (!wanted.equals(bytes)) throw broken(path, 'its checksum is wrong')
      return list
    }
    list.push({ kind, bytes })
    at = end
  }
}

function broken(path: string, why: string): SnapshotError {
  return new SnapshotError(`the snapshot ${JSON.stringify(path)} is damaged (${why}); copy it again, or make a new one`)
}

async function readHeader(list: readonly FileRecord[], path: string): Promise<SnapshotHeader> {
  const record = list.find(({ kind }) => kind === HEADER)
  if (!record) throw broken(path, 'it has no header')
  try {
    return JSON.parse((await unpack(record.bytes, { maxOutputLength: LONGEST })).toString()) as SnapshotHeader
  } catch (error) {
    throw broken(path, (error as Error).message)
  }
}

/** Memory in records, without pages of zeros. */
function* pieces(memory: MemoryImage): Generator<Uint8Array> {
  const bytes = Buffer.alloc(PIECE)
  for (const { page, count, layer } of stretches(memory)) {
    for (let done = 0; done < count; done += PIECE / PAGE) {
      const pages = Math.min(PIECE / PAGE, count - done)
      const chunk = bytes.subarray(0, pages * PAGE)
      readPages(layer, page + done, chunk)
      for (let from = 0; from < pages; from++) {
        if (isZero(chunk, from)) continue
        let to = from + 1
        while (to < pages && !isZero(chunk, to)) to++
        const piece = Buffer.alloc(4 + (to - from) * PAGE)
        piece.writeUInt32LE(page + done + from)
        chunk.copy(piece, 4, from * PAGE, to * PAGE)
        yield piece
        from = to
      }
    }
  }
}

const ZEROS = Buffer.alloc(PAGE)

function isZero(chunk: Buffer, page: number): boolean {
  return chunk.compare(ZEROS, 0, PAGE, page * PAGE, (page + 1) * PAGE) === 0
}

/** Where pages of a machine of the one shape lie in one of the other. */
function placement(from: MachineShape, to: MachineShape): (page: number, bytes: Uint8Array) => FilePages[] {
  const moves = from.memory.map((piece) => {
    const target = to.memory.find(({ name }) => name === piece.name)
    if (!target || target.size !== piece.size)
      throw new SnapshotError(
        `the snapshot was made on another machine: ${piece.name} had ${piece.size} bytes, here it ` +
          `${target ? `has ${target.size}` : 'is missing'}; start one like it to load it`,
      )
    const first = piece.offset / PAGE
    return { first, end: first + Math.ceil(piece.size / PAGE), by: (target.offset - piece.offset) / PAGE }
  })
  return (page, bytes) =>
    moves.flatMap(({ first, end, by }) => {
      const start = Math.max(first, page)
      const stop = Math.min(end, page + bytes.length / PAGE)
      if (start >= stop) return []
      return [{ page: start + by, bytes: bytes.subarray((start - page) * PAGE, (stop - page) * PAGE) }]
    })
}

interface FilePages {
  page: number
  bytes: Uint8Array
}

function plainMedia(media: MachineState['media']): State {
  return Object.fromEntries(
    Object.entries(media).map(([slot, image]) => {
      if (!image) return [slot, null]
      const { indexes, data } = flattened(image)
      return [slot, { size: image.size, clusterSize: image.clusterSize, indexes: Array.from(indexes), data }]
    }),
  )
}

function sharedMedia(media: State): { [slot: string]: OverlayImage | null } {
  return Object.fromEntries(
    Object.entries(media).map(([slot, saved]) => {
      if (!saved) return [slot, null]
      const { size, clusterSize, indexes, data } = saved as State
      const shared = new Uint8Array(new SharedArrayBuffer((data as Uint8Array).length))
      shared.set(data as Uint8Array)
      const layers = [{ indexes: Uint32Array.from(indexes as number[]), data: shared }]
      return [slot, { size, clusterSize, layers } as OverlayImage]
    }),
  )
}
