/**
 * A copy-on-write overlay: reads fall through to the base, writes stay in memory and, where they become many, in a file
 * without a name, so a user's image never changes and many machines may share it. What changed is what a snapshot has to
 * hold.
 */
import { type BlockDevice, MediumError } from './block-device.js'
import { ClusterFile, readStored, type StoredCluster } from './cluster-file.js'
import { checkRange } from './memory.js'

const SMALLEST_CLUSTER = 4 << 10
const LARGEST_CLUSTER = 64 << 10
/** An image of more layers is made one layer. */
const MOST_LAYERS = 16
/** Changes in memory; what is beyond goes to a file. */
const MEMORY_BYTES = 64 << 20

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
  /** Their contents one after the other, in shared memory; of no length where they are in a file. */
  readonly data: Uint8Array
  /** The file, a descriptor that whoever was given the image owns, and where the clusters are in it. */
  readonly fd?: number
  readonly offsets?: Float64Array
}

export interface OverlayOptions {
  /** Bytes copied at the first write to a place, a power of two from 4 KiB to 64 KiB; default 16 KiB. */
  clusterSize?: number
  /** Most bytes that are changed; a write beyond fails as on a broken disk. Default none. */
  limit?: number
  /** Most bytes of them in memory; default 64 MiB. */
  inMemory?: number
  /** For what is not in memory; default the host's folder for temporary files. */
  folder?: string
}

type Cluster = Uint8Array | StoredCluster

export class Overlay implements BlockDevice {
  readonly readOnly = false
  readonly size: number
  readonly clusterSize: number
  /** Written since the last snapshot. */
  private readonly clusters = new Map<number, Cluster>()
  /** Those of the layers that a snapshot holds too: copied before they are written. */
  private readonly frozen = new Map<number, Cluster>()
  private layers: readonly OverlayLayer[] = []
  private file: ClusterFile
  private readonly limit: number
  private readonly inMemory: number
  /** Bytes of changes in memory, frozen ones with them. */
  private memoryBytes = 0
  private failed: string | undefined

  constructor(
    readonly base: BlockDevice,
    private readonly options: OverlayOptions = {},
  ) {
    const clusterSize = options.clusterSize ?? 16 << 10
    if (clusterSize < SMALLEST_CLUSTER || clusterSize > LARGEST_CLUSTER || clusterSize & (clusterSize - 1))
      throw new RangeError(`an overlay's cluster is a power of two from 4096 to 65536 bytes, not ${clusterSize}`)
    this.clusterSize = clusterSize
    this.size = base.size
    this.limit = options.limit ?? Number.POSITIVE_INFINITY
    this.inMemory = options.inMemory ?? MEMORY_BYTES
    this.file = new ClusterFile(clusterSize, options.folder)
  }

  /** Bytes held because they were written. */
  get changedBytes(): number {
    const { clusters, frozen } = this
    let count = clusters.size
    for (const index of frozen.keys()) if (!clusters.has(index)) count++
    return count * this.clusterSize
  }

  get failure(): string | undefined {
    return this.failed ?? this.base.failure
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
        readCluster(cluster, start, into.subarray(done, done + count))
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
    try {
      let done = 0
      while (done < from.length) {
        const at = offset + done
        const index = Math.floor(at / this.clusterSize)
        const start = at - index * this.clusterSize
        const count = Math.min(this.clusterSize - start, from.length - done)
        this.change(index, start, from.subarray(done, done + count))
        done += count
      }
    } catch (error) {
      if (error instanceof MediumError) this.failed = error.message
      throw error
    }
  }

  /** Nothing of it is to survive the machine, and the base was not touched. */
  flush(): void {}

  /** Reads as before. */
  discard(): void {}

  close(): void {
    this.forget()
    this.base.close()
  }

  /** The changes so far, to be restored over the same base; what was frozen before is shared, not copied again. */
  freeze(): OverlayImage {
    if (this.layers.length >= MOST_LAYERS) this.melt()
    if (this.clusters.size > 0) {
      const layers = this.newLayers()
      this.layers = [...this.layers, ...layers]
      // What is in the file stays known by the own descriptor: that of the layer may be closed before.
      for (const [index, cluster] of this.clusters)
        if (!(cluster instanceof Uint8Array)) this.frozen.set(index, cluster)
      for (const layer of layers) if (layer.fd === undefined) this.show(layer)
      this.clusters.clear()
      this.countMemory()
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
    this.forget()
    this.layers = image.layers
    for (const layer of image.layers) this.show(layer)
    this.countMemory()
  }

  private forget(): void {
    this.clusters.clear()
    this.frozen.clear()
    this.layers = []
    this.memoryBytes = 0
    this.file.close()
  }

  private show(layer: OverlayLayer): void {
    layer.indexes.forEach((index, i) => {
      this.frozen.set(index, clusterOf(layer, i, this.clusterSize))
    })
  }

  private held(index: number): Cluster | undefined {
    return this.clusters.get(index) ?? this.frozen.get(index)
  }

  /** All that is held, as if it had been written since the last snapshot: layers of others are borrowed no longer. */
  private melt(): void {
    const file = new ClusterFile(this.clusterSize, this.options.folder)
    const melted = new Map([...this.frozen, ...this.clusters])
    try {
      for (const [index, cluster] of melted)
        if (!(cluster instanceof Uint8Array)) melted.set(index, file.add(this.contents(cluster)))
    } catch (error) {
      file.close()
      throw error
    }
    this.forget()
    this.file = file
    for (const [index, cluster] of melted) this.clusters.set(index, cluster)
  }

  private newLayers(): OverlayLayer[] {
    const { clusters, clusterSize, file } = this
    const stored = [...clusters].filter(([, cluster]) => !(cluster instanceof Uint8Array)) as [number, StoredCluster][]
    const fd = stored.length > 0 ? file.duplicate() : undefined
    if (fd === undefined) return [layerOf(clusters, clusterSize)]
    const inMemory = new Map([...clusters].filter(([, cluster]) => cluster instanceof Uint8Array))
    stored.sort(([a], [b]) => a - b)
    const indexes = Uint32Array.from(stored, ([index]) => index)
    const offsets = Float64Array.from(stored, ([, { offset }]) => offset)
    const layer = { indexes, data: new Uint8Array(), fd, offsets }
    return inMemory.size > 0 ? [layerOf(inMemory, clusterSize), layer] : [layer]
  }

  private countMemory(): void {
    const inMemory = (clusters: Map<number, Cluster>) =>
      [...clusters.values()].filter((cluster) => cluster instanceof Uint8Array).length
    this.memoryBytes = (inMemory(this.clusters) + inMemory(this.frozen)) * this.clusterSize
  }

  private contents(cluster: Cluster): Uint8Array {
    const bytes = new Uint8Array(this.clusterSize)
    readCluster(cluster, 0, bytes)
    return bytes
  }

  /** Writes to a cluster; what it does not fill comes from the base. */
  private change(index: number, start: number, bytes: Uint8Array): void {
    const { clusterSize } = this
    const own = this.clusters.get(index)
    if (own instanceof Uint8Array) {
      own.set(bytes, start)
      return
    }
    if (own) {
      this.file.write(own, start, bytes)
      return
    }
    const frozen = this.frozen.get(index)
    if (!frozen) this.checkLimit()
    const isWhole = bytes.length === clusterSize
    const hasRoom = this.memoryBytes + clusterSize <= this.inMemory
    let cluster: Uint8Array
    if (isWhole) cluster = hasRoom ? new Uint8Array(bytes) : bytes
    else if (frozen) cluster = this.contents(frozen)
    else {
      cluster = new Uint8Array(clusterSize)
      const offset = index * clusterSize
      this.base.read(offset, cluster.subarray(0, Math.min(clusterSize, this.size - offset)))
    }
    if (!isWhole) cluster.set(bytes, start)
    if (hasRoom) {
      this.memoryBytes += clusterSize
      this.clusters.set(index, cluster)
    } else this.clusters.set(index, this.file.add(cluster))
  }

  private checkLimit(): void {
    // The sum is cheap and no less than what is held: only near the limit the exact count matters.
    const most = (this.clusters.size + this.frozen.size + 1) * this.clusterSize
    if (most <= this.limit || this.changedBytes + this.clusterSize <= this.limit) return
    throw new MediumError(
      `its changes have reached the limit of ${megabytes(this.limit)}; give it more with --overlay-limit`,
    )
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}

function readCluster(cluster: Cluster, start: number, into: Uint8Array): void {
  if (cluster instanceof Uint8Array) into.set(cluster.subarray(start, start + into.length))
  else readStored(cluster, start, into)
}

function clusterOf({ data, fd, offsets }: OverlayLayer, i: number, clusterSize: number): Cluster {
  if (fd !== undefined && offsets) return { fd, offset: offsets[i] }
  return data.subarray(i * clusterSize, (i + 1) * clusterSize)
}

function layerOf(clusters: ReadonlyMap<number, Cluster>, clusterSize: number): OverlayLayer {
  const indexes = Uint32Array.from(clusters.keys()).sort()
  const data = new Uint8Array(new SharedArrayBuffer(indexes.length * clusterSize))
  indexes.forEach((index, i) => {
    readCluster(clusters.get(index) as Cluster, 0, data.subarray(i * clusterSize, (i + 1) * clusterSize))
  })
  return { indexes, data }
}

/** What the layers show together. */
function together({ layers, clusterSize }: OverlayImage): Map<number, Cluster> {
  const clusters = new Map<number, Cluster>()
  for (const layer of layers)
    for (const [i, index] of layer.indexes.entries()) clusters.set(index, clusterOf(layer, i, clusterSize))
  return clusters
}

/** What the layers show together, a cluster at a time: the numbers, then a function that reads the nth. */
export function clustersOf(image: OverlayImage): { indexes: Uint32Array; read(n: number): Uint8Array } {
  const clusters = together(image)
  const indexes = Uint32Array.from(clusters.keys()).sort()
  const bytes = new Uint8Array(image.clusterSize)
  return {
    indexes,
    read(n) {
      readCluster(clusters.get(indexes[n]) as Cluster, 0, bytes)
      return bytes
    },
  }
}

/** Bytes that a layer holds, in memory or in its file. */
export function layerBytes({ indexes }: OverlayLayer, { clusterSize }: OverlayImage): number {
  return indexes.length * clusterSize
}
