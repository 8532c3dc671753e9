/** A disk's contents as a new image: raw with holes where there are zeros, or qcow2 with clusters where there are none. */
import { closeSync, openSync, rmSync } from 'node:fs'
import type { BlockDevice } from './block-device.js'
import { HostFile } from './host-file.js'
import { newQcow2, type Qcow2Options } from './qcow2/create.js'
import { Qcow2Image } from './qcow2/qcow2-image.js'
import { RawImage } from './raw-image.js'

export type WrittenFormat = 'raw' | 'qcow2'

const PIECE = 64 << 10
const READ_AT_ONCE = 16

/**
 * A new image of this size, open for writing; a file that is there is replaced.
 * Throws Node's error, an ImageLockedError or a MediumError.
 */
export function createImage(path: string, format: WrittenFormat, options: Qcow2Options): BlockDevice {
  // What is there may be open elsewhere: its lock is asked for before it is emptied.
  closeSync(openSync(path, 'a'))
  const file = new HostFile(path, { write: true })
  try {
    file.truncate(0)
    if (format === 'raw') {
      file.truncate(options.size)
      return new RawImage(file)
    }
    file.write(0, newQcow2(options))
    return new Qcow2Image(file)
  } catch (error) {
    file.close()
    throw error
  }
}

/**
 * Copies all of `from`; what was written so far is removed when that fails. Throws as `createImage` does.
 * @param told How many bytes are done, now and then.
 */
export function copyDisk(
  from: BlockDevice,
  path: string,
  format: WrittenFormat,
  options: Omit<Qcow2Options, 'size'> = {},
  told: (done: number) => void = () => {},
): void {
  const to = createImage(path, format, { ...options, size: from.size })
  try {
    const bytes = new Uint8Array(PIECE * READ_AT_ONCE)
    for (let at = 0; at < from.size; at += bytes.length) {
      const there = bytes.subarray(0, Math.min(bytes.length, from.size - at))
      from.read(at, there)
      for (let piece = 0; piece < there.length; piece += PIECE) {
        const part = there.subarray(piece, piece + PIECE)
        if (!isZero(part)) to.write(at + piece, part)
      }
      told(at + there.length)
    }
    to.flush()
  } catch (error) {
    to.close()
    rmSync(path, { force: true })
    throw error
  }
  to.close()
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0
}

const ZEROS = new Uint8Array(PIECE)
