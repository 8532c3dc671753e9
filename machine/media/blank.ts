/** An empty disk without a file: all zeros, and nothing that is written stays; an overlay over it holds what is. */
import { type BlockDevice, MediumError } from './block-device.js'
import { checkRange } from './memory.js'

export class BlankMedium implements BlockDevice {
  readonly readOnly = true

  constructor(readonly size: number) {}

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    into.fill(0)
  }

  write(): void {
    throw new MediumError('the empty disk is read only')
  }

  flush(): void {}

  discard(): void {}

  close(): void {}
}
