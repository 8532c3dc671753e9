/** An image that is read alone: blocks of one size, each somewhere in its file or nowhere, which is zeros. */
import { type BlockDevice, MediumError } from '../block-device.js'
import type { HostFile } from '../host-file.js'
import { checkRange } from '../memory.js'

export abstract class MappedImage implements BlockDevice {
  readonly readOnly = true

  constructor(
    protected readonly file: HostFile,
    readonly size: number,
    protected readonly blockSize: number,
  ) {}

  /** Where the block's bytes are; undefined: zeros. */
  protected abstract place(block: number): number | undefined

  get failure(): string | undefined {
    return this.file.failure
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    const { blockSize } = this
    for (let done = 0; done < into.length; ) {
      const block = Math.floor((offset + done) / blockSize)
      const within = (offset + done) % blockSize
      const piece = into.subarray(done, done + Math.min(blockSize - within, into.length - done))
      this.readBlock(block, within, piece)
      done += piece.length
    }
  }

  protected readBlock(block: number, within: number, into: Uint8Array): void {
    const place = this.place(block)
    if (place === undefined) into.fill(0)
    else this.file.read(place + within, into)
  }

  write(): void {
    throw new MediumError(`${this.file.path} is read only`)
  }

  flush(): void {}

  discard(): void {}

  close(): void {
    this.file.close()
  }
}
