/**
 * A copy-on-write overlay: reads fall through to the base, writes stay in memory, so a user's image never changes and
 * many machines may share it. What changed is what a snapshot has to hold.
 */
import type { BlockDevice } from './block-device.js'
import { checkRange } from './memory.js'

const SMALLEST_CLUSTER = 4 << 10
const LARGEST_CLUSTER = 64 << 10
/** An image of more layers is made one layer. */
const MOST_LAYERS = 16

/** What was changed, as it was at one moment. Plain data that crosses threads without a copy; nobody writes to it. */
export interface OverlayImage {
  /** Bytes of the medium. */
  readonly size: number
  readonly clusterSize: number
  /** The oldest first; a later one covers those before. */
  readonly layers: readonly OverlayLayer[]
}

export interface OverlayLayer {
  /** Numbers of the clusters, ascending. */
  readonly indexes: Uint32Array
  /** Their contents one after the other, in shared memory. */
  readonly data: Uint8Array
}

export class Overlay implements BlockDevice {
  readonly readOnly = false
  readonly size: number
  readonly clusterSize: number
  /** Written since the last snapshot. */
  private readonly clusters = new Map<number, Uint8Array>()
  /** Those of the layers that a snapshot holds too: copied before they are written. */
  private readonly frozen = new Map<number, Uint8Array>()
  private layers: readonly OverlayLayer[] = []

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
    const { clusters, frozen } = this
    let count = clusters.size
    for (const index of frozen.keys()) if (!clusters.has(index)) count++
    return count * this.clusterSize
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    let done = 0
    while (done < into.length) {
      const at = offset + done
      const index = Math.floor(at / this.clusterSize)
      const cluster = this.held(index)
      if (cluster) {
        const start = at - index * this.clusterSize
        const count = Math.min(this.clusterSize - start, into.length - done)
        into.set(cluster.subarray(start, start + count), done)
        done += count
      } else {
        // One read of the base for a whole run of unchanged clusters.
        let end = (index + 1) * this.clusterSize
        while (end < offset + into.length && !this.held(end / this.clusterSize)) end += this.clusterSize
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
    this.frozen.clear()
    this.layers = []
    this.base.close()
  }

  /** The changes so far, to be restored over the same base; what was frozen before is shared, not copied again. */
  freeze(): OverlayImage {
    if (this.layers.length >= MOST_LAYERS) {
      for (const [index, cluster] of this.frozen) if (!this.clusters.has(index)) this.clusters.set(index, cluster)
      this.layers = []
    }
    if (this.clusters.size > 0) {
      const layer = layerOf(this.clusters, this.clusterSize)
      this.layers = [...this.layers, layer]
      this.clusters.clear()
      this.show(layer)
    }
    return { size: this.size, clusterSize: this.clusterSize, layers: this.layers }
  }

  /** Puts the medium back to that moment. Throws an `Error` when the image is of another size or cluster size. */
  restore(image: OverlayImage): void {
    if (image.size !== this.size || image.clusterSize !== this.clusterSize)
      throw new Error(
        `the snapshot holds changes to a medium of ${image.size} bytes (clusters of ${image.clusterSize}), ` +
          `this one has ${this.size} (clusters of ${this.clusterSize}): restore it over the image it was made with`,
      )
    this.clusters.clear()
    this.frozen.clear()
    this.layers = image.layers
    for (const layer of image.layers) this.show(layer)
  }

  private show({ indexes, data }: OverlayLayer): void {
    indexes.forEach((index, i) => {
      this.frozen.set(index, data.subarray(i * this.clusterSize, (i + 1) * this.clusterSize))
    })
  }

  private held(index: number): Uint8Array | undefined {
    return this.clusters.get(index) ?? this.frozen.get(index)
  }

  /** The cluster to write `count` bytes to; filled from the base unless all of it is about to be written. */
  private changed(index: number, count: number): Uint8Array {
    let cluster = this.clusters.get(index)
    if (cluster) return cluster
    cluster = new Uint8Array(this.clusterSize)
    const frozen = this.frozen.get(index)
    if (frozen) cluster.set(frozen)
    else if (count < this.clusterSize) {
      const start = index * this.clusterSize
      this.base.read(start, cluster.subarray(0, Math.min(this.clusterSize, this.size - start)))
    }
    this.clusters.set(index, cluster)
    return cluster
  }
}

function layerOf(clusters: ReadonlyMap<number, Uint8Array>, clusterSize: number): OverlayLayer {
  const indexes = Uint32Array.from(clusters.keys()).sort()
  const data = new Uint8Array(new SharedArrayBuffer(indexes.length * clusterSize))
  indexes.forEach((index, i) => {
    data.set(clusters.get(index) as Uint8Array, i * clusterSize)
  })
  return { indexes, data }
}

/** The image's layers as one. */
export function flattened({ layers, clusterSize }: OverlayImage): OverlayLayer {
  if (layers.length === 1) return layers[0]
  const clusters = new Map<number, Uint8Array>()
  for (const { indexes, data } of layers)
    for (const [i, index] of indexes.entries())
      clusters.set(index, data.subarray(i * clusterSize, (i + 1) * clusterSize))
  return layerOf(clusters, clusterSize)
}
