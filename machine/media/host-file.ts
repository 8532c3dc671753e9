/** A file of the host's under an image: locked, read with zeros behind its end, grown by writes; its errors are the medium's. */
import { closeSync, constants, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { MediumError } from './block-device.js'
import { ImageError } from './image-error.js'
import { lockImage } from './image-lock.js'
import { checkRegular, UnreadableFile } from './regular-file.js'

export class HostFile {
  readonly writable: boolean
  /** Bytes. */
  size: number
  /** What failed last. */
  failure: string | undefined
  private fd: number
  /** Written since the host was told to keep it. */
  private isDirty = false

  /**
   * Opens `path`, for reading only unless `write` is set, and locks it; `briefly`: it is closed again at once; `unlocked`:
   * whoever writes it. Throws Node's own error when that fails, an ImageError for what is no file, or an
   * ImageLockedError: `openMedium` turns them into sentences for people.
   */
  constructor(
    readonly path: string,
    options: { write?: boolean; briefly?: boolean; unlocked?: boolean } = {},
  ) {
    this.writable = options.write ?? false
    // A pipe that an image names, and nobody writes to, would not open otherwise.
    this.fd = openSync(path, (this.writable ? constants.O_RDWR : constants.O_RDONLY) | (constants.O_NONBLOCK ?? 0))
    try {
      const stats = fstatSync(this.fd)
      checkRegular(stats)
      this.size = stats.size
      if (!options.unlocked) lockImage(this.fd, path, { write: this.writable, briefly: options.briefly })
    } catch (error) {
      closeSync(this.fd)
      throw error instanceof UnreadableFile ? new ImageError(error.message) : error
    }
  }

  read(offset: number, into: Uint8Array): void {
    const there = Math.max(0, Math.min(into.length, this.size - offset))
    let done = 0
    while (done < there) {
      const count = this.attempt('read', () => readSync(this.fd, into, done, there - done, offset + done))
      if (count === 0) throw new MediumError(`${this.path} has become shorter than ${this.size} bytes while in use`)
      done += count
    }
    into.fill(0, there)
  }

  /** `length` bytes from `offset` on. */
  bytes(offset: number, length: number): Uint8Array {
    const into = new Uint8Array(length)
    this.read(offset, into)
    return into
  }

  /** A table that is in the file as a whole. Throws an ImageError where it is not. */
  table(offset: number, length: number): Uint8Array {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > this.size)
      throw new ImageError(`is damaged: a table of it is behind the end of the file; is the file complete?`)
    return this.bytes(offset, length)
  }

  write(offset: number, from: Uint8Array): void {
    if (!this.writable) throw new MediumError(`${this.path} is open for reading only`)
    this.isDirty = true
    let done = 0
    while (done < from.length) {
      done += this.attempt('write', () => writeSync(this.fd, from, done, from.length - done, offset + done))
      this.size = Math.max(this.size, offset + done)
    }
  }

  /** What was written so far survives the host: nothing that is written later gets ahead of it. */
  sync(): void {
    if (!this.isDirty) return
    this.attempt('flush', () => fdatasyncSync(this.fd))
    this.isDirty = false
  }

  truncate(size: number): void {
    this.attempt('resize', () => ftruncateSync(this.fd, size))
    this.size = size
    this.isDirty = true
  }

  close(): void {
    if (this.fd < 0) return
    closeSync(this.fd)
    this.fd = -1
  }

  private attempt<T>(what: string, action: () => T): T {
    try {
      return action()
    } catch (error) {
      this.failure = `cannot ${what} ${this.path}: ${(error as Error).message}`
      throw new MediumError(this.failure)
    }
  }
}
