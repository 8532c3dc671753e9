/**
 * QEMU's `virtio-9p-pci`: a folder of the host by 9P2000.L (Virtual I/O Device's appendix on 9P; the messages as Linux's
 * Documentation/filesystems/9p.rst and diod's protocol.md have them), for reading. A guest sees no time and no number of the
 * host's, so that it is the same wherever the folder lies.
 */

import type { Stateful, StateTable } from '../../device.js'
import {
  EACCES,
  EINVAL,
  ENOENT,
  ENOTDIR,
  SharedError,
  type SharedFile,
  type SharedFolder,
} from '../../media/shared-folder.js'
import { flag, integer, list, starts, text } from '../../state/fields.js'
import { made } from '../../state/state-table.js'
import { textOption } from '../device-option.js'
import { DeviceError } from '../device-type.js'
import { bytesOf, gather, scatter } from '../segments.js'
import { serveQueue } from './serve-queue.js'
import type { VirtioDevice, VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'

const QUEUE = 0
const MOUNT_TAG = 0
const REQUESTS_AT_ONCE = 16
const LARGEST_MESSAGE = 512 << 10
const SMALLEST_MESSAGE = 4096
const HEADER = 7
const READ_HEADER = HEADER + 4
const MOST_FIDS = 16384
const LONGEST_NAME = 255
const LONGEST_WALK = 16

// Types of messages; an answer's is one more
const ERROR = 7
const STATFS = 8
const OPEN = 12
const READ_LINK = 22
const GET_ATTRIBUTES = 24
const READ_FOLDER = 40
const SYNC = 50
const VERSION = 100
const ATTACH = 104
const FLUSH = 108
const WALK = 110
const READ = 116
const CLUNK = 120
/** Those that would change something. */
const CHANGES = [14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118, 122]

const EBADF = 9
const EROFS = 30
const EOPNOTSUPP = 95
/** Any of O_WRONLY, O_RDWR, O_CREAT, O_TRUNC. */
const TO_WRITE = 0o1103

const QID_FOLDER = 0x80
const QID_LINK = 0x02
const TYPE_BITS = { file: 0o100000, folder: 0o040000, link: 0o120000, other: 0o010000 }
const GOT_BASIC = 0x7ff
const V9FS_MAGIC = 0x01021997

const FID: StateTable = { path: list(text(LONGEST_NAME), 0, 256), isOpen: flag, number: integer(0, 0xffff_ffff) }

/** What the guest calls a file by. */
class Fid implements Stateful {
  readonly state = FID
  number = 0
  path: string[] = []
  isOpen = false
}

const STATE: StateTable = {
  message: starts(integer(SMALLEST_MESSAGE, LARGEST_MESSAGE), LARGEST_MESSAGE),
  held: made(() => new Fid(), MOST_FIDS),
}

export class Virtio9p implements VirtioDevice {
  readonly state = STATE
  readonly features = [MOUNT_TAG]
  readonly configurationSize: number
  private message = LARGEST_MESSAGE
  private fids = new Map<number, Fid>()

  constructor(
    private readonly host: VirtioHost,
    private readonly folder: SharedFolder,
    private readonly tag: string,
  ) {
    this.configurationSize = 2 + tag.length
  }

  /** For the state. */
  get held(): Fid[] {
    return [...this.fids.values()]
  }

  set held(fids: Fid[]) {
    this.fids = new Map(fids.map((fid) => [fid.number, fid]))
  }

  reset(): void {
    this.message = LARGEST_MESSAGE
    this.fids.clear()
  }

  readConfiguration(offset: number): number {
    return offset < 2 ? (this.tag.length >> (8 * offset)) & 0xff : this.tag.charCodeAt(offset - 2)
  }

  serve(): boolean {
    const { memory } = this.host
    return serveQueue(this.host, QUEUE, REQUESTS_AT_ONCE, ({ readable, writable }) => {
      const request = new Uint8Array(Math.min(bytesOf(readable), LARGEST_MESSAGE))
      gather(memory, readable, request)
      return scatter(memory, writable, this.answer(request, Math.min(bytesOf(writable), this.message)))
    })
  }

  /** @internal A message, and what is said to it in no more than `room` bytes. */
  answer(request: Uint8Array, room: number): Uint8Array {
    const reader = new Reader(request)
    const answer = new Writer()
    let type = 0
    let tag = 0
    try {
      reader.u32()
      type = reader.u8()
      tag = reader.u16()
      this.handle(type, reader, answer, room)
      return answer.finish(type + 1, tag)
    } catch (error) {
      if (!(error instanceof SharedError)) throw error
      const refused = new Writer()
      refused.u32(error.errno)
      return refused.finish(ERROR, tag)
    }
  }

  private handle(type: number, from: Reader, to: Writer, room: number): void {
    if (CHANGES.includes(type)) throw new SharedError(EROFS)
    switch (type) {
      case VERSION:
        this.version(from, to)
        break
      case ATTACH:
        this.attach(from, to)
        break
      case WALK:
        this.walk(from, to)
        break
      case OPEN:
        this.open(from, to)
        break
      case GET_ATTRIBUTES:
        this.attributes(from, to)
        break
      case READ:
        this.read(from, to, room)
        break
      case READ_FOLDER:
        this.readFolder(from, to, room)
        break
      case READ_LINK:
        to.text(this.folder.readLink(this.fid(from.u32()).path))
        break
      case STATFS:
        statistics(to)
        break
      case CLUNK:
        if (!this.fids.delete(from.u32())) throw new SharedError(EBADF)
        break
      case SYNC:
        this.fid(from.u32())
        break
      case FLUSH:
        break
      default:
        throw new SharedError(EOPNOTSUPP)
    }
  }

  private version(from: Reader, to: Writer): void {
    const wanted = from.u32()
    const isKnown = from.text() === '9P2000.L'
    this.fids.clear()
    this.message = Math.max(SMALLEST_MESSAGE, Math.min(wanted, LARGEST_MESSAGE))
    to.u32(this.message)
    to.text(isKnown ? '9P2000.L' : 'unknown')
  }

  private attach(from: Reader, to: Writer): void {
    const fid = this.newFid(from.u32(), [])
    this.qid(to, [], this.folder.look([]))
    this.fids.set(fid.number, fid)
  }

  private walk(from: Reader, to: Writer): void {
    const start = this.fid(from.u32())
    const number = from.u32()
    const count = from.u16()
    if (count > LONGEST_WALK) throw new SharedError(EINVAL)
    const names = Array.from({ length: count }, () => from.text())
    let path = start.path
    const found: [string[], SharedFile][] = []
    for (const [i, name] of names.entries()) {
      try {
        if (name.length > LONGEST_NAME || name.includes('/')) throw new SharedError(ENOENT)
        // Above the shared folder there is itself.
        const next = name === '..' ? path.slice(0, -1) : name === '.' ? path : [...path, name]
        found.push([next, this.folder.look(next)])
        path = next
      } catch (error) {
        // As far as it went, if it went anywhere; the new fid is not made then.
        if (i === 0 || !(error instanceof SharedError)) throw error
        break
      }
    }
    if (found.length === count) {
      const fid = this.newFid(number, path, start)
      this.fids.set(number, fid)
    }
    to.u16(found.length)
    for (const [at, file] of found) this.qid(to, at, file)
  }

  private open(from: Reader, to: Writer): void {
    const fid = this.fid(from.u32())
    if (from.u32() & TO_WRITE) throw new SharedError(EROFS)
    const file = this.folder.look(fid.path)
    if (file.kind !== 'file' && file.kind !== 'folder') throw new SharedError(EACCES)
    fid.isOpen = true
    this.qid(to, fid.path, file)
    to.u32(0)
  }

  private attributes(from: Reader, to: Writer): void {
    const { path } = this.fid(from.u32())
    const file = this.folder.look(path)
    to.long(GOT_BASIC)
    this.qid(to, path, file)
    // Readable is what can be read, and nothing can be written.
    to.u32(TYPE_BITS[file.kind] | (file.mode & 0o555))
    to.u32(0)
    to.u32(0)
    to.long(file.kind === 'folder' ? 2 : 1)
    to.long(0)
    to.long(file.size)
    to.long(4096)
    to.long(Math.ceil(file.size / 512))
    // Four times, in seconds and nanoseconds, and two versions.
    for (let i = 0; i < 10; i++) to.long(0)
  }

  private read(from: Reader, to: Writer, room: number): void {
    const fid = this.fid(from.u32())
    const [offset, count] = [from.long(), from.u32()]
    if (!fid.isOpen) throw new SharedError(EBADF)
    const bytes = new Uint8Array(Math.max(0, Math.min(count, room - READ_HEADER)))
    const done = this.folder.read(fid.path, offset, bytes)
    to.u32(done)
    to.bytes(bytes.subarray(0, done))
  }

  private readFolder(from: Reader, to: Writer, room: number): void {
    const { path, isOpen } = this.fid(from.u32())
    const [offset, count] = [from.long(), from.u32()]
    if (!isOpen) throw new SharedError(EBADF)
    const names = ['.', '..', ...this.folder.list(path)]
    const most = Math.min(count, room - READ_HEADER)
    const entries = new Writer()
    for (let i = offset; i < names.length; i++) {
      const name = names[i]
      const at = name === '.' ? path : name === '..' ? path.slice(0, -1) : [...path, name]
      const length = 13 + 8 + 1 + 2 + Buffer.byteLength(name)
      if (entries.length + length > most) break
      let file: SharedFile
      try {
        file = this.folder.look(at)
      } catch (error) {
        // It has gone meanwhile.
        if (error instanceof SharedError) continue
        throw error
      }
      this.qid(entries, at, file)
      entries.long(i + 1)
      entries.u8(file.kind === 'folder' ? 4 : file.kind === 'link' ? 10 : file.kind === 'file' ? 8 : 0)
      entries.text(name)
    }
    const bytes = entries.contents()
    to.u32(bytes.length)
    to.bytes(bytes)
  }

  private fid(number: number): Fid {
    const fid = this.fids.get(number)
    if (!fid) throw new SharedError(EBADF)
    return fid
  }

  private newFid(number: number, path: string[], instead?: Fid): Fid {
    const there = this.fids.get(number)
    if ((there && there !== instead) || this.fids.size >= MOST_FIDS) throw new SharedError(EBADF)
    if (path.length > 256) throw new SharedError(ENOTDIR)
    return Object.assign(new Fid(), { number, path })
  }

  /** Kind, version and a number that follows from where it is. */
  private qid(to: Writer, path: readonly string[], { kind }: SharedFile): void {
    to.u8(kind === 'folder' ? QID_FOLDER : kind === 'link' ? QID_LINK : 0)
    to.u32(0)
    let [high, low] = [0x811c9dc5, 0x1b873593]
    for (const letter of path.join('/')) {
      const code = letter.codePointAt(0) as number
      high = Math.imul(high ^ code, 0x01000193)
      low = Math.imul(low + code, 0x85ebca6b) ^ (low >>> 13)
    }
    to.u32(low >>> 0)
    to.u32((high >>> 0) & 0x7fff_ffff)
  }
}

function statistics(to: Writer): void {
  to.u32(V9FS_MAGIC)
  to.u32(4096)
  // Blocks, free, available; files, free; the file system's number.
  for (const value of [1 << 20, 0, 0, 1 << 20, 0, 0]) to.long(value)
  to.u32(LONGEST_NAME)
}

class Reader {
  private at = 0
  private readonly view: DataView

  constructor(private readonly all: Uint8Array) {
    this.view = new DataView(all.buffer, all.byteOffset, all.length)
  }

  u8(): number {
    return this.view.getUint8(this.take(1))
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true)
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true)
  }

  long(): number {
    const value = Number(this.view.getBigUint64(this.take(8), true))
    if (!Number.isSafeInteger(value)) throw new SharedError(EINVAL)
    return value
  }

  text(): string {
    const length = this.u16()
    const at = this.take(length)
    return Buffer.from(this.all.subarray(at, at + length)).toString()
  }

  private take(length: number): number {
    const { at } = this
    if (at + length > this.all.length) throw new SharedError(EINVAL)
    this.at += length
    return at
  }
}

class Writer {
  private parts: Buffer[] = []
  length = 0

  u8(value: number): void {
    this.bytes(Uint8Array.of(value))
  }

  u16(value: number): void {
    this.bytes(Uint8Array.of(value, value >> 8))
  }

  u32(value: number): void {
    this.bytes(Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24))
  }

  long(value: number): void {
    this.u32(value % 2 ** 32)
    this.u32(Math.floor(value / 2 ** 32))
  }

  text(value: string): void {
    const bytes = Buffer.from(value)
    this.u16(bytes.length)
    this.bytes(bytes)
  }

  bytes(value: Uint8Array): void {
    this.parts.push(Buffer.from(value))
    this.length += value.length
  }

  contents(): Uint8Array {
    return Buffer.concat(this.parts)
  }

  finish(type: number, tag: number): Uint8Array {
    const head = new Writer()
    head.u32(HEADER + this.length)
    head.u8(type)
    head.u16(tag)
    return Buffer.concat([...head.parts, ...this.parts])
  }
}

export const virtio9p = virtioPciType({
  ...{ type: 'virtio-9p-pci', title: 'folder of the host, for reading (9p)', category: 'Storage' },
  ...{ id: 9, transitionalId: 0x1009, classCode: 0x000200, queues: [128] },
  options: () => ({
    path: textOption(4096, 1).describe('the folder'),
    mount_tag: textOption(32, 1).describe('by which the guest mounts it'),
  }),
  create: (host, { path, mount_tag: tag }, slot) => {
    const folder = slot.backend<SharedFolder>('folder', path)
    if (!folder) throw new DeviceError(`the device ${slot.name}: the folder ${JSON.stringify(path)} is not shared here`)
    return new Virtio9p(host, folder, tag)
  },
})
