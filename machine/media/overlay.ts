/**
 * A copy-on-write overlay: reads fall through to the base, writes stay in memory, so a user's image never changes and
 * many machines may share it. What changed is what a snapshot has to hold.
 */
import type { State } from '../device.js'
import type { BlockDevice } from './block-device.js'
import { checkRange } from './memory.js'

const SMALLEST_CLUSTER = 4 << 10
const LARGEST_CLUSTER = 64 << 10

export class Overlay implements BlockDevice {
  readonly readOnly = false
  readonly size: number
  readonly clusterSize: number
  private clusters = new Map<number, Uint8Array>()

  /**
   * `clusterSize`: bytes copied at the first write to a place, a power of two from 4 KiB to 64 KiB; default 16 KiB.
   */
  constructor(
    readonly base: BlockDevice,
    options: { clusterSize?: number } = {},
  ) {
    const clusterSize = options.clusterSize ?? 16 << 10
    if (clusterSize < SMALLEST_CLUSTER || clusterSize > LARGEST_CLUSTER || clusterSize & (clusterSize - 1))
      throw new RangeError(`an overlay's cluster is a power of two from 4096 to 65536 bytes, not ${clusterSize}`)
    this.clusterSize = clusterSize
    this.size = base.size
  }

  /** Bytes held in memory because they were written. */
  get changedBytes(): number {
    return this.clusters.size * this.clusterSize
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    let done = 0
    while (done < into.length) {
      const at = offset + done
      const index = Math.floor(at / this.clusterSize)
      const cluster = this.clusters.get(index)
      if (cluster) {
        const start = at - index * this.clusterSize
        const count = Math.min(this.clusterSize - start, into.length - done)
        into.set(cluster.subarray(start, start + count), done)
        done += count
      } else {
        // One read of the base for a whole run of unchanged clusters.
        let end = (index + 1) * this.clusterSize
        while (end < offset + into.length && !this.clusters.has(end / this.clusterSize)) end += this.clusterSize
        const count = Math.min(end, offset + into.length) - at
        this.base.read(at, into.subarray(done, done + count))
        done += count
      }
    }
  }

  write(offset: number, from: Uint8Array): void {
    checkRange(this, offset, from.length)
    let done = 0
    while (done < from.length) {
      const at = offset + done
      const index = Math.floor(at / this.clusterSize)
      const start = at - index * this.clusterSize
      const count = Math.min(this.clusterSize - start, from.length - done)
      this.changed(index, count).set(from.subarray(done, done + count), start)
      done += count
    }
  }

  /** Everything lives in memory: nothing to do, and the base was not touched. */
  flush(): void {}

  /** Reads as before. */
  discard(): void {}

  close(): void {
    this.clusters.clear()
    this.base.close()
  }

  /** The changed clusters, as copies. The base is not in it: `load` wants an overlay over the same base. */
  save(): State {
    const indexes = [...this.clusters.keys()].sort((a, b) => a - b)
    const data = new Uint8Array(indexes.length * this.clusterSize)
    indexes.forEach((index, i) => {
      data.set(this.clusters.get(index) as Uint8Array, i * this.clusterSize)
    })
    return { size: this.size, clusterSize: this.clusterSize, indexes, data }
  }

  /** Throws an `Error` when the state is of a medium of another size or another cluster size. */
  load(state: State): void {
    if (state.size !== this.size || state.clusterSize !== this.clusterSize)
      throw new Error(
        `the snapshot holds changes to a medium of ${state.size} bytes (clusters of ${state.clusterSize}), ` +
          `this one has ${this.size} (clusters of ${this.clusterSize}): restore it over the image it was made with`,
      )
    const data = state.data as Uint8Array
    this.clusters = new Map()
    ;(state.indexes as number[]).forEach((index, i) => {
      this.clusters.set(index, data.slice(i * this.clusterSize, (i + 1) * this.clusterSize))
    })
  }

  /** The cluster to write `count` bytes to; filled from the base unless all of it is about to be written. */
  private changed(index: number, count: number): Uint8Array {
    let cluster = this.clusters.get(index)
    if (cluster) return cluster
    cluster = new Uint8Array(this.clusterSize)
    if (count < this.clusterSize) {
      const start = index * this.clusterSize
      this.base.read(start, cluster.subarray(0, Math.min(this.clusterSize, this.size - start)))
    }
    this.clusters.set(index, cluster)
    return cluster
  }
}
