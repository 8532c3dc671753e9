/** A raw disk image: the bytes of the medium are the bytes of the file. */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { type BlockDevice, MediumError } from './block-device.js'
import { checkRange } from './memory.js'

export class RawImage implements BlockDevice {
  readonly size: number
  readonly readOnly: boolean
  private fd: number

  /**
   * Opens `path`; for reading only unless `write` is set. Throws Node's own error when that fails: `openMedium` turns
   * it into a sentence for people.
   */
  constructor(
    readonly path: string,
    options: { write?: boolean } = {},
  ) {
    this.readOnly = !options.write
    this.fd = openSync(path, options.write ? 'r+' : 'r')
    this.size = fstatSync(this.fd).size
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    let done = 0
    while (done < into.length) {
      const count = this.attempt('read', () => readSync(this.fd, into, done, into.length - done, offset + done))
      if (count === 0) throw new MediumError(`${this.path} has become shorter than ${this.size} bytes while in use`)
      done += count
    }
  }

  write(offset: number, from: Uint8Array): void {
    if (this.readOnly) throw new MediumError(`${this.path} is open for reading only`)
    checkRange(this, offset, from.length)
    let done = 0
    while (done < from.length) {
      done += this.attempt('write', () => writeSync(this.fd, from, done, from.length - done, offset + done))
    }
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
      throw new MediumError(`cannot ${what} ${this.path}: ${(error as Error).message}`)
    }
  }
}
