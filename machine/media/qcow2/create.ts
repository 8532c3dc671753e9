/** A new qcow2 image: its header, a table and a block of reference counts, an L1 table. */
import { BACKING_FORMAT, HEADER_V2, HEADER_V3, LAZY_REFCOUNTS, MAGIC } from './header.js'

export interface Qcow2Options {
  size: number
  /** 2 or 3; default 3. */
  version?: number
  clusterBits?: number
  refcountOrder?: number
  lazyRefcounts?: boolean
  backingFile?: string
  backingFormat?: string
}

/** All bytes of an image without a cluster of its own. */
export function newQcow2(options: Qcow2Options): Uint8Array {
  const { size, version = 3, clusterBits = 16, refcountOrder = 4, backingFile, backingFormat } = options
  const cluster = 2 ** clusterBits
  const l1Entries = Math.ceil(size / (cluster * (cluster / 8)))
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * 8) / cluster))
  // As many blocks as count themselves and all that is before them.
  const perBlock = (cluster * 8) / 2 ** refcountOrder
  let blocks = 1
  while (blocks * perBlock < 2 + blocks + l1Clusters) blocks++
  const used = 2 + blocks + l1Clusters
  const image = new Uint8Array(used * cluster)
  const view = new DataView(image.buffer)
  const long = (at: number, value: number) => view.setBigUint64(at, BigInt(value))
  view.setUint32(0, MAGIC)
  view.setUint32(4, version)
  view.setUint32(20, clusterBits)
  long(24, size)
  view.setUint32(36, l1Entries)
  long(40, (2 + blocks) * cluster)
  long(48, cluster)
  view.setUint32(56, 1)
  const headerLength = version === 3 ? HEADER_V3 : HEADER_V2
  if (version === 3) {
    long(80, options.lazyRefcounts ? LAZY_REFCOUNTS : 0)
    view.setUint32(96, refcountOrder)
    view.setUint32(100, HEADER_V3)
  }
  let at = headerLength
  if (backingFormat !== undefined) {
    view.setUint32(at, BACKING_FORMAT)
    view.setUint32(at + 4, backingFormat.length)
    image.set(Buffer.from(backingFormat), at + 8)
    at += 8 + Math.ceil(backingFormat.length / 8) * 8
  }
  at += 8
  if (backingFile !== undefined) {
    const name = Buffer.from(backingFile)
    image.set(name, at)
    long(8, at)
    view.setUint32(16, name.length)
  }
  for (let block = 0; block < blocks; block++) long(cluster + 8 * block, (2 + block) * cluster)
  countOne(view, 2 * cluster, used, refcountOrder)
  return image
}

/** The first clusters are used once each. */
function countOne(view: DataView, at: number, clusters: number, order: number): void {
  const bits = 2 ** order
  for (let i = 0; i < clusters; i++) {
    if (bits >= 8) view.setUint8(at + ((i + 1) * bits) / 8 - 1, 1)
    else {
      const byte = at + Math.floor((i * bits) / 8)
      view.setUint8(byte, view.getUint8(byte) | (1 << ((i * bits) % 8)))
    }
  }
}
