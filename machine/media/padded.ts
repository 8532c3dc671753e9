/** A medium that is shorter than the disk it stands for: the rest reads as zeros and is not written. */
import { type BlockDevice, MediumError } from './block-device.js'

export class Padded implements BlockDevice {
  readonly readOnly = true

  /** `size` in bytes, at least `base.size`. */
  constructor(
    private readonly base: BlockDevice,
    readonly size: number,
  ) {}

  read(offset: number, into: Uint8Array): void {
    const there = Math.max(0, Math.min(into.length, this.base.size - offset))
    if (there > 0) this.base.read(offset, into.subarray(0, there))
    into.fill(0, there)
  }

  write(): void {
    throw new MediumError('the medium is shorter than its disk and cannot be written')
  }

  flush(): void {}

  discard(): void {}

  close(): void {
    this.base.close()
  }
}
