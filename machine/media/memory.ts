/** A medium in memory: scratch disks, generated media and tests. */
import { type BlockDevice, MediumError } from './block-device.js'

export class MemoryMedium implements BlockDevice {
  readonly data: Uint8Array
  readonly readOnly: boolean

  /** `contents`: bytes to serve (not copied), or a size in bytes for a blank medium. */
  constructor(contents: Uint8Array | number, options: { readOnly?: boolean } = {}) {
    this.data = typeof contents === 'number' ? new Uint8Array(contents) : contents
    this.readOnly = options.readOnly ?? false
  }

  get size(): number {
    return this.data.length
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    into.set(this.data.subarray(offset, offset + into.length))
  }

  write(offset: number, from: Uint8Array): void {
    if (this.readOnly) throw new MediumError('the medium is read only')
    checkRange(this, offset, from.length)
    this.data.set(from, offset)
  }

  flush(): void {}

  discard(): void {}

  close(): void {}
}

/** Throws a `MediumError` when the bytes do not all lie on the medium. */
export function checkRange(medium: BlockDevice, offset: number, length: number): void {
  if (offset >= 0 && offset + length <= medium.size) return
  throw new MediumError(`${length} bytes at ${offset} are past the medium's end at ${medium.size}`)
}
