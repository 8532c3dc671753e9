/**
 * A raw disk image: the bytes of the medium are the bytes of the file. A medium that is longer than its file reads as
 * zeros behind the file's end; written there, the file grows.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { type BlockDevice, MediumError } from './block-device.js'
import { lockImage } from './image-lock.js'
import { checkRange } from './memory.js'

export class RawImage implements BlockDevice {
  readonly readOnly: boolean
  private fd: number
  private bytes: number
  /** Of the file. */
  private fileSize: number
  private failed: string | undefined

  /**
   * Opens `path`, for reading only unless `write` is set, and locks it. Throws Node's own error when that fails, or an
   * ImageLockedError: `openMedium` turns them into sentences for people.
   */
  constructor(
    readonly path: string,
    options: { write?: boolean } = {},
  ) {
    this.readOnly = !options.write
    this.fd = openSync(path, options.write ? 'r+' : 'r')
    try {
      this.bytes = this.fileSize = fstatSync(this.fd).size
      lockImage(this.fd, path, { write: options.write ?? false })
    } catch (error) {
      closeSync(this.fd)
      throw error
    }
  }

  get size(): number {
    return this.bytes
  }

  get failure(): string | undefined {
    return this.failed
  }

  /** Makes the medium one of `size` bytes, whatever the file has. */
  standFor(size: number): void {
    this.bytes = size
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    const there = Math.max(0, Math.min(into.length, this.fileSize - offset))
    let done = 0
    while (done < there) {
      const count = this.attempt('read', () => readSync(this.fd, into, done, there - done, offset + done))
      if (count === 0) throw new MediumError(`${this.path} has become shorter than ${this.fileSize} bytes while in use`)
      done += count
    }
    into.fill(0, there)
  }

  write(offset: number, from: Uint8Array): void {
    if (this.readOnly) throw new MediumError(`${this.path} is open for reading only`)
    checkRange(this, offset, from.length)
    let done = 0
    while (done < from.length) {
      done += this.attempt('write', () => writeSync(this.fd, from, done, from.length - done, offset + done))
    }
    this.fileSize = Math.max(this.fileSize, offset + from.length)
  }

  flush(): void {
    if (!this.readOnly) this.attempt('flush', () => fsyncSync(this.fd))
  }

  /** Reads as before: punching holes has no portable call. */
  discard(): void {}

  close(): void {
    if (this.fd < 0) return
    closeSync(this.fd)
    this.fd = -1
  }

  private attempt<T>(what: string, action: () => T): T {
    try {
      return action()
    } catch (error) {
      this.failed = `cannot ${what} ${this.path}: ${(error as Error).message}`
      throw new MediumError(this.failed)
    }
  }
}
