/**
 * Snapshot files. All of a machine but the contents of its media's base images, which are named in the header.
 *
 * The magic line, the format's version (u32, little-endian), then records: a kind (u32), the length of what follows
 * (u32), and that, deflated. First the header (JSON), then the state, the changes of media (`snapshot-media.ts`), memory
 * in pieces (u32 first page, then whole pages; pages of zeros are left out), and last, not deflated, the SHA-256 of
 * everything before. A format that an older reader could not take gets a new version; `read` then makes the old one new,
 * or names it and refuses.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { deflate, inflate } from 'node:zlib'
import * as z from 'zod'
import type { State, StateValue } from '../device.js'
import { OutputFile, UnwritableFile } from '../host/output-file.js'
import { openRegular } from '../media/regular-file.js'
import { decodeState, encodeState } from './encode.js'
import { isRecord } from './fields.js'
import { canMap } from './guest-memory.js'
import type { MachineShape, MachineState } from './machine-state.js'
import { LayerBuilder, type MemoryImage, PAGE, readPages, stretches } from './memory-image.js'
import { SnapshotError } from './snapshot-error.js'
import { closeMedia, describeMedia, MEDIA_PIECE, MediaReader, mediaRecords } from './snapshot-media.js'

const MAGIC = Buffer.from('bootwright snapshot\n')
const VERSION = 5

const HEADER = 1
const STATE = 2
const MEMORY = 3
const END = 4
const CHANGES = 5

/** Memory in one record. */
const PIECE = 256 * PAGE
/** zlib's quickest: memory of guests is mostly text and code, and tests wait. */
const LEVEL = 1
const LONGEST_HEADER = 16 << 20
/** Bytes of a record of each kind, unpacked: beyond any state, and a broken file must not fill the host's memory. */
const LONGEST = { [HEADER]: LONGEST_HEADER, [STATE]: 1 << 30, [MEMORY]: PIECE + 4, [CHANGES]: MEDIA_PIECE }

// zlib is loaded by the first that is called: few machines are kept in files.
const pack = (bytes: Uint8Array, options: { level: number }) =>
  promisify<Uint8Array, { level: number }, Buffer>(deflate)(bytes, options)
const unpackWith = (bytes: Uint8Array, options: { chunkSize: number; maxOutputLength: number }) =>
  promisify<Uint8Array, { chunkSize: number; maxOutputLength: number }, Buffer>(inflate)(bytes, options)

export interface SnapshotHeader {
  shape: MachineShape
  guestTimeNs: number
  instructions: number
  /** Whatever else belongs to it, from whoever wrote it. */
  extra: { [key: string]: unknown }
}

/** The file appears when it is complete. Throws a SnapshotError, or the host's error where its disk is full. */
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
  const state = { time, cpus, clock, devices, media: describeMedia(media), machine: machine.machine, more }
  const file = openOutput(path)
  try {
    const hash = createHash('sha256')
    const put = (bytes: Uint8Array) => {
      hash.update(bytes)
      file.write(bytes)
    }
    const add = async (kind: number, bytes: Uint8Array) => {
      const packed = await pack(bytes, { level: LEVEL })
      put(recordHead(kind, packed.length))
      put(packed)
    }
    const version = Buffer.alloc(4)
    version.writeUInt32LE(VERSION)
    put(MAGIC)
    put(version)
    await add(HEADER, Buffer.from(JSON.stringify(header)))
    await add(STATE, encodeState(state as unknown as StateValue))
    for (const record of mediaRecords(media)) await add(CHANGES, record)
    for (const piece of pieces(memory)) await add(MEMORY, piece)
    file.write(recordHead(END, 32))
    file.write(hash.digest())
    file.finish()
  } catch (error) {
    file.drop()
    throw error
  }
}

function openOutput(path: string): OutputFile {
  try {
    return OutputFile.replacing(path)
  } catch (error) {
    throw error instanceof UnwritableFile ? new SnapshotError(`the snapshot ${error.message}`) : error
  }
}

export interface SnapshotContents {
  header: SnapshotHeader
  /** Its memory's layer, and files of its media's, belong to the caller. */
  machine: MachineState
  more: State
}

/**
 * The header alone. Throws a SnapshotError.
 * @param isWhole The file is to be found sound before. Who reads all of it afterwards has that done there.
 */
export async function readSnapshotHeader(path: string, isWhole = true): Promise<SnapshotHeader> {
  let header: SnapshotHeader | undefined
  const take = (_: number, bytes: Buffer) => {
    header ??= readHeader(bytes, path)
    return isWhole
  }
  await readRecords(path, { [HEADER]: LONGEST_HEADER }, take)
  if (!header) throw broken(path, 'it has no header')
  return header
}

/** @param here the machine that it is for: pieces of memory that are elsewhere now are moved. Throws a SnapshotError. */
export async function readSnapshotFile(path: string, here?: MachineShape): Promise<SnapshotContents> {
  let header: SnapshotHeader | undefined
  let state: State | undefined
  let memory: LayerBuilder | undefined
  let media: MediaReader | undefined
  try {
    let place: ReturnType<typeof placement> | undefined
    await readRecords(path, LONGEST, (kind, bytes) => {
      if (kind === HEADER && !header) {
        header = readHeader(bytes, path)
        place = placement(header.shape, here ?? header.shape)
        memory = new LayerBuilder((here ?? header.shape).memorySize, canMap())
      } else if (kind === STATE) {
        const decoded = decodeState(bytes)
        if (!isRecord(decoded) || !isRecord(decoded.media)) throw broken(path, 'its state is none')
        if (!header || state) throw broken(path, 'its state is not behind its header')
        state = decoded
        media = new MediaReader(decoded.media, header.shape.media)
      } else if (kind === CHANGES) {
        if (!media) throw broken(path, 'changes of media come before its state')
        media.add(bytes)
      } else if (kind === MEMORY) {
        if (!place || !memory) throw broken(path, 'its memory comes before its header')
        if (bytes.length < 4 || (bytes.length - 4) % PAGE !== 0) throw broken(path, 'a piece of memory is cut off')
        for (const pages of place(bytes.readUInt32LE(0), bytes.subarray(4))) memory.add(pages.page, pages.bytes)
      }
      return true
    })
    if (!header || !state || !media || !memory) throw broken(path, `it has no ${header ? 'state' : 'header'}`)
    const { more } = state
    if (!isRecord(more)) throw broken(path, 'a part of its state is missing')
    checkParts(state)
    const changes = media.done()
    try {
      const { time, cpus, clock, devices, machine } = state
      const image = { size: memory.size, layers: [memory.done()] }
      const whole = { shape: header.shape, time, cpus, clock, devices, media: changes, machine, memory: image }
      return { header, machine: whole as unknown as MachineState, more }
    } catch (error) {
      closeMedia(changes)
      throw error
    }
  } catch (error) {
    memory?.drop()
    media?.drop()
    if (error instanceof SnapshotError) throw error
    throw broken(path, (error as Error).message)
  }
}

function checkParts({ time, cpus, clock, devices, machine }: State): void {
  const records = [time, clock, devices, machine]
  if (!records.every(isRecord) || !Array.isArray(cpus) || !Object.values(devices as State).every(isRecord))
    throw new SnapshotError('a part of the state is missing')
}

function recordHead(kind: number, length: number): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(kind)
  head.writeUInt32LE(length, 4)
  return head
}

/** Longest record: nothing that is written has one of this length. */
const LONGEST_RECORD = 1 << 30
/** Records that are unpacked at once, by threads of the host's. */
const AT_ONCE = 4
/** Too short to look for a buffer. */
const SMALL = 4096
/** What mediaRecords() writes, numbers and all. */
const LARGEST_PIECE = (4 << 20) + (64 << 10)

/** In one piece nearly always: each piece of zlib's is a buffer of its own, and is copied where there are more. */
function unpack(packed: Uint8Array, longest: number): Promise<Buffer> {
  const chunkSize = Math.min(longest + 1, Math.max(16 << 10, packed.length * 8), LARGEST_PIECE)
  return unpackWith(packed, { chunkSize, maxOutputLength: longest })
}

interface Unpacking {
  kind: number
  packed: Buffer
  contents: Promise<Buffer>
}

/**
 * Gives the contents of each record in their order, and throws a SnapshotError when the end does not have the hash of what
 * was before it: what was given is to be used only then. A file is never in memory as a whole.
 * @param longest Bytes of contents of each kind that is wanted.
 * @param take Whether it wants more.
 */
async function readRecords(
  path: string,
  longest: { readonly [kind: number]: number },
  take: (kind: number, contents: Buffer) => boolean,
): Promise<void> {
  const name = JSON.stringify(path)
  let fd: number
  try {
    fd = openRegular(path).fd
  } catch (error) {
    throw new SnapshotError(`the snapshot ${name} ${(error as Error).message}`)
  }
  const unpacking: Unpacking[] = []
  /** What records were read into, to be used again: thousands of new ones keep the collector busy. */
  const spare: Buffer[] = []
  // Of a record that is not whole it is the checksum that tells.
  let failed: Error | undefined
  let isEnough = false
  const takeFirst = async () => {
    const { kind, packed, contents } = unpacking.shift() as Unpacking
    try {
      const bytes = await contents
      spare.push(packed)
      if (!failed && !take(kind, bytes)) isEnough = true
    } catch (error) {
      failed ??= error as Error
    }
  }
  try {
    const hash = createHash('sha256')
    let at = 0
    const next = (length: number, why: string): Buffer => {
      const bytes = readAt(fd, at, length, spare)
      if (bytes.length < length) throw broken(path, why)
      at += length
      return bytes
    }
    const magic = readAt(fd, 0, MAGIC.length)
    if (!magic.equals(MAGIC))
      throw new SnapshotError(`${name} is not a snapshot of bootwright; name a file that was written as one`)
    at = MAGIC.length
    const version = next(4, 'it ends after its first line')
    checkVersion(version.readUInt32LE(0), name)
    hash.update(magic).update(version)
    while (!isEnough) {
      const head = next(8, 'it is truncated')
      const kind = head.readUInt32LE(0)
      const length = head.readUInt32LE(4)
      if (length > LONGEST_RECORD) throw broken(path, 'a length in it is too long')
      const bytes = next(length, 'it is truncated')
      if (kind === END) {
        if (!hash.digest().equals(bytes)) throw broken(path, 'its checksum is wrong')
        break
      }
      if (longest[kind] !== undefined && !failed) {
        const contents = unpack(bytes, longest[kind])
        // Whoever takes it hears of that.
        contents.catch(() => {})
        unpacking.push({ kind, packed: bytes, contents })
        hash.update(head).update(bytes)
      } else {
        hash.update(head).update(bytes)
        spare.push(bytes)
      }
      // What tells how to take the others is taken before they are unpacked.
      const ahead = kind === MEMORY || kind === CHANGES ? AT_ONCE - 1 : 0
      while (unpacking.length > ahead) await takeFirst()
    }
    while (unpacking.length > 0) await takeFirst()
    if (failed) throw failed
  } catch (error) {
    if (error instanceof SnapshotError) throw error
    throw broken(path, (error as Error).message)
  } finally {
    await Promise.allSettled(unpacking.map(({ contents }) => contents))
    closeSync(fd)
  }
}

/**
 * Shorter at the end of the file.
 * @param spare Buffers that nobody looks at any more, the first of which it takes.
 */
function readAt(fd: number, at: number, length: number, spare: Buffer[] = []): Buffer {
  const size = Math.max(0, Math.min(length, fstatSync(fd).size - at))
  const used = size > SMALL ? spare.shift() : undefined
  const whole = used && used.buffer.byteLength >= size ? used : Buffer.allocUnsafeSlow(Math.max(size, 1))
  const bytes = Buffer.from(whole.buffer, 0, size)
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(fd, bytes, done, bytes.length - done, at + done)
    if (count === 0) return bytes.subarray(0, done)
    done += count
  }
  return bytes
}

function checkVersion(version: number, name: string): void {
  if (version > VERSION)
    throw new SnapshotError(
      `the snapshot ${name} has format ${version}, this bootwright reads up to ${VERSION}: it was made by a newer one; update`,
    )
  if (version < VERSION)
    throw new SnapshotError(
      `the snapshot ${name} has format ${version}, which this bootwright does not read any more; make it again`,
    )
}

function broken(path: string, why: string): SnapshotError {
  return new SnapshotError(`the snapshot ${JSON.stringify(path)} is damaged (${why}); copy it again, or make a new one`)
}

const Size = z
  .int()
  .min(0)
  .max(2 ** 48)
const Piece = z.object({ name: z.string(), offset: Size.multipleOf(PAGE), size: Size })
/** What a header says; whatever else stands in it is left out. */
const Header = z.object({
  shape: z.object({
    engine: z.enum(['soft', 'kvm']),
    cpu: z.string(),
    ram: Size,
    cpus: z.int().min(1).max(255),
    devices: z.record(z.string(), z.string()),
    memory: z.array(Piece).max(64),
    memorySize: Size.multipleOf(PAGE).max(2 ** 33),
    media: z.record(z.string(), z.number().min(0)),
  }),
  guestTimeNs: z.number().min(0),
  instructions: z.number().min(0),
  extra: z.record(z.string(), z.unknown()),
})

function readHeader(bytes: Buffer, path: string): SnapshotHeader {
  let data: unknown
  try {
    data = JSON.parse(bytes.toString())
  } catch (error) {
    throw broken(path, (error as Error).message)
  }
  const header = Header.safeParse(data)
  if (header.success) return header.data
  const [{ path: where, message }] = header.error.issues
  throw broken(path, `its header at ${where.join('.')}: ${message}`)
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
