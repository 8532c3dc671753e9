/**
 * Files that somebody names to be written. Links are followed, and only a regular file is ever replaced: devices as
 * /dev/null and open descriptors as /dev/stdout are written to as they are, and what cannot be meant is refused.
 */

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { UsageError } from '../errors.js'

/** `reason` goes on behind the file's name: `is a directory; name a file in it`. */
export class UnwritableFile extends UsageError {
  override readonly name = 'UnwritableFile'

  constructor(
    path: string,
    readonly reason: string,
  ) {
    super(`${JSON.stringify(path)} ${reason}`)
  }
}

/** What is wrong with a path, by the host's error code; what is wrong with the disk is left to the host's error. */
const REASONS: { readonly [code: string]: string } = {
  EACCES: 'cannot be written: permission is denied; name another file',
  EPERM: 'cannot be written: permission is denied; name another file',
  EROFS: 'cannot be written: the file system is read-only; name another file',
  ENOTDIR: 'cannot be written: a part of its path is not a directory; check the path',
  EISDIR: 'is a directory; name a file in it',
  ENAMETOOLONG: 'cannot be written: its path is too long; name a shorter one',
  ELOOP: 'cannot be written: it is a symbolic link that leads in a circle; name the file itself',
  ETXTBSY: 'cannot be written: it is a program that is running; name another file',
  EBADF: 'is no descriptor that is open for writing; name a file',
  ENXIO: 'is a device or a pipe that nobody serves; name a file',
  ERR_INVALID_ARG_VALUE: 'cannot be written: a path cannot hold a zero byte; check the path',
}

/** Linux follows no more links for one path. */
const MOST_LINKS = 40

/** Names of descriptors that are open already. */
const DESCRIPTOR = /^(?:\/dev\/fd|\/proc\/(?:self|thread-self|(\d+))\/fd)\/(\d{1,9})$/
const STANDARD: { readonly [path: string]: number } = { '/dev/stdout': 1, '/dev/stderr': 2 }

type Place =
  | { kind: 'file'; path: string; before: Stats | undefined }
  | { kind: 'device'; path: string }
  | { kind: 'descriptor'; fd: number }

/** Throws an UnwritableFile for what cannot be written, before anything is. */
export function checkOutputFile(path: string): void {
  told(path, () => {
    const place = placeOf(path)
    if (place.kind === 'descriptor') return
    const isThere = place.kind === 'device' || place.before !== undefined
    accessSync(isThere ? place.path : dirname(place.path), constants.W_OK)
  })
}

/** The whole file at once: it appears when it is complete. Throws an UnwritableFile, or the host's error. */
export function writeOutputFile(path: string, contents: string | Uint8Array): void {
  const file = OutputFile.replacing(path)
  try {
    file.write(typeof contents === 'string' ? Buffer.from(contents) : contents)
    file.finish()
  } catch (error) {
    file.drop()
    throw error
  }
}

export class OutputFile {
  private isOpen = true

  private constructor(
    private readonly path: string,
    private readonly fd: number,
    /** Renamed from the one to the other in the end. */
    private readonly move?: { from: string; to: string },
    private readonly isBorrowed = false,
  ) {}

  /** A stream: emptied, and seen by others as it grows. Throws an UnwritableFile, or the host's error. */
  static growing(path: string): OutputFile {
    return told(path, () => {
      const place = placeOf(path)
      if (place.kind === 'file') return new OutputFile(path, openSync(place.path, 'w'))
      return OutputFile.opened(path, place)
    })
  }

  /** Written beside its place, and moved there by `finish`. Throws an UnwritableFile, or the host's error. */
  static replacing(path: string): OutputFile {
    return told(path, () => {
      const place = placeOf(path)
      if (place.kind !== 'file') return OutputFile.opened(path, place)
      const { before, path: to } = place
      const from = join(dirname(to), `.bootwright-${process.pid}-${unfinished++}.part`)
      try {
        const fd = openSync(from, 'wx')
        if (before) chmodSync(from, before.mode & 0o7777)
        return new OutputFile(path, fd, { from, to })
      } catch (error) {
        // A file may be writable where its folder is not.
        if (before && isDenied(error)) return new OutputFile(path, openSync(to, 'w'))
        throw error
      }
    })
  }

  /** Throws the host's error with the path: a full disk, above all. */
  write(bytes: Uint8Array): void {
    told(this.path, () => {
      for (let done = 0; done < bytes.length; ) {
        try {
          done += writeSync(this.fd, bytes, done)
        } catch (error) {
          // Standard output may be a pipe that is full, and does not wait.
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
          Atomics.wait(SLEEP, 0, 0, 5)
        }
      }
    })
  }

  /** Complete: it takes its place. */
  finish(): void {
    const { move } = this
    told(this.path, () => {
      this.close()
      if (move) renameSync(move.from, move.to)
    })
  }

  /** It could not be completed, and what was there stays. */
  drop(): void {
    this.close()
    if (this.move) rmSync(this.move.from, { force: true })
  }

  private close(): void {
    if (this.isOpen && !this.isBorrowed) closeSync(this.fd)
    this.isOpen = false
  }

  private static opened(path: string, place: Exclude<Place, { kind: 'file' }>): OutputFile {
    if (place.kind === 'descriptor') return new OutputFile(path, place.fd, undefined, true)
    return new OutputFile(path, openSync(place.path, constants.O_WRONLY | (constants.O_NOCTTY ?? 0)))
  }
}

/** Counts the names of this process. */
let unfinished = 0
const SLEEP = new Int32Array(new SharedArrayBuffer(4))

function placeOf(path: string): Place {
  const target = followed(path)
  const fd = descriptorOf(target)
  if (fd !== undefined) {
    const stats = fstatSync(fd)
    if (stats.isFile() || stats.isFIFO() || stats.isCharacterDevice() || stats.isSocket())
      return { kind: 'descriptor', fd }
    throw new UnwritableFile(path, REASONS.EBADF)
  }
  const before = statSync(target, { throwIfNoEntry: false })
  if (before?.isDirectory()) throw new UnwritableFile(path, REASONS.EISDIR)
  if (before?.isBlockDevice())
    throw new UnwritableFile(path, 'is a disk of this host, which would be overwritten; name a file')
  if (before?.isFIFO()) throw new UnwritableFile(path, "is a pipe; name a file, or '/dev/stdout' and pipe that")
  if (before?.isSocket()) throw new UnwritableFile(path, 'is a socket; name a file')
  if (before?.isCharacterDevice()) return { kind: 'device', path: target }
  if (/[/\\]$/.test(path)) throw new UnwritableFile(path, 'names a directory that is not there; name a file')
  return { kind: 'file', path: target, before }
}

/** To where the links lead, also where nothing is yet. */
function followed(path: string): string {
  let at = path
  for (let links = 0; links <= MOST_LINKS; links++) {
    if (descriptorOf(at) !== undefined) return at
    at = join(folderOf(at, path), basename(at))
    if (descriptorOf(at) !== undefined) return at
    const link = linkAt(at)
    if (link === undefined) return at
    at = isAbsolute(link) ? link : join(dirname(at), link)
  }
  throw new UnwritableFile(path, REASONS.ELOOP)
}

function folderOf(at: string, path: string): string {
  const folder = dirname(at)
  try {
    return realpathSync.native(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new UnwritableFile(path, `cannot be written: there is no folder '${folder}'; make it, or name another`)
  }
}

/** undefined for what is no link. */
function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    // EINVAL is Linux's word for it; Windows has others.
    if (['EINVAL', 'ENOENT', 'UNKNOWN'].includes(code)) return undefined
    throw error
  }
}

function descriptorOf(path: string): number | undefined {
  if (path in STANDARD) return STANDARD[path]
  const found = DESCRIPTOR.exec(path)
  if (!found || (found[1] !== undefined && Number(found[1]) !== process.pid)) return undefined
  return Number(found[2])
}

function isDenied(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Node's errors as an UnwritableFile where the path is to blame, and with the path where it is not. */
function told<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof UnwritableFile || !(error instanceof Error)) throw error
    const { code = '' } = error as NodeJS.ErrnoException
    if (Object.hasOwn(REASONS, code)) throw new UnwritableFile(path, REASONS[code])
    ;(error as NodeJS.ErrnoException).path = path
    throw error
  }
}
