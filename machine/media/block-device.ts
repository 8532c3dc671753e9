import { HostError } from '../errors.js'

/** Block devices: what a floppy, disk or CD drive reads and writes. Synchronous: a machine lives in a worker of its own. */

export interface BlockDevice {
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
  /** What failed last, one sentence without the medium's name: the guest was told of an error, people are not yet. */
  readonly failure?: string
  /** Fills `into` from byte `offset`. Throws a `MediumError` when the host cannot read. */
  read(offset: number, into: Uint8Array): void
  write(offset: number, from: Uint8Array): void
  /** Everything written so far survives the machine. */
  flush(): void
  /** The guest no longer needs these bytes; they read as zeros or as before. */
  discard(offset: number, length: number): void
  close(): void
}

/** The medium failed under the guest (host I/O error, disk full): the drive reports it to the guest as a hardware error. */
export class MediumError extends HostError {
  override readonly name = 'MediumError'
}
