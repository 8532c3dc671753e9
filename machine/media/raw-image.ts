/**
 * A raw disk image: the bytes of the medium are the bytes of the file. A medium that is longer than its file reads as
 * zeros behind the file's end; written there, the file grows.
 */
import { type BlockDevice, MediumError } from './block-device.js'
import { HostFile } from './host-file.js'
import { checkRange } from './memory.js'

export class RawImage implements BlockDevice {
  private readonly file: HostFile
  private bytes: number
  /** Throws a MediumError for bytes at this place that would make another format of it. */
  guard: ((offset: number, bytes: Uint8Array) => void) | undefined

  /** Opens `path` or takes a file that is open. Throws as `HostFile` does. */
  constructor(file: string | HostFile, options: { write?: boolean } = {}) {
    this.file = typeof file === 'string' ? new HostFile(file, options) : file
    this.bytes = this.file.size
  }

  get path(): string {
    return this.file.path
  }

  get readOnly(): boolean {
    return !this.file.writable
  }

  get size(): number {
    return this.bytes
  }

  get failure(): string | undefined {
    return this.file.failure
  }

  /** Makes the medium one of `size` bytes, whatever the file has. */
  standFor(size: number): void {
    this.bytes = size
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    this.file.read(offset, into)
  }

  write(offset: number, from: Uint8Array): void {
    if (this.readOnly) throw new MediumError(`${this.path} is open for reading only`)
    checkRange(this, offset, from.length)
    this.guard?.(offset, from)
    this.file.write(offset, from)
  }

  flush(): void {
    this.file.sync()
  }

  /** Reads as before: punching holes has no portable call. */
  discard(): void {}

  close(): void {
    this.file.close()
  }
}
