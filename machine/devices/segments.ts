/** A buffer in several pieces of guest memory, as descriptors and lists of pages tell of it. */
import type { BusMaster } from './bus-master.js'

export interface Segment {
  address: number
  length: number
}

export function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0)
}

/** Fills `into` with what the segments hold from byte `from` on; how much that was. */
export function gather(memory: BusMaster, segments: readonly Segment[], into: Uint8Array, from = 0): number {
  let skip = from
  let done = 0
  for (const { address, length } of segments) {
    if (done === into.length) break
    if (skip >= length) {
      skip -= length
      continue
    }
    const part = Math.min(length - skip, into.length - done)
    memory.read(address + skip, into.subarray(done, done + part))
    done += part
    skip = 0
  }
  return done
}

/** Writes `from` into the segments from their byte `at` on; how much found room. */
export function scatter(memory: BusMaster, segments: readonly Segment[], from: Uint8Array, at = 0): number {
  let skip = at
  let done = 0
  for (const { address, length } of segments) {
    if (done === from.length) break
    if (skip >= length) {
      skip -= length
      continue
    }
    const part = Math.min(length - skip, from.length - done)
    memory.write(address + skip, from.subarray(done, done + part))
    done += part
    skip = 0
  }
  return done
}
