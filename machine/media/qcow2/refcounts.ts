/**
 * How often each cluster of a qcow2 image is used (docs/interop/qcow2.txt, "Host cluster management"): a table of blocks
 * of counts, of 1 to 64 bits each. Counts that go up are written before what refers to their clusters, and those that go
 * down after it: so an image whose writer dies at any moment has at most clusters that nobody uses.
 */
import { MediumError } from '../block-device.js'
import type { HostFile } from '../host-file.js'
import { AT, type Qcow2Header } from './header.js'

const OFFSET_MASK_HIGH = 0x00ff_ffff

interface Block {
  offset: number
  bytes: Uint8Array
  isDirty: boolean
}

export class Refcounts {
  readonly clusterSize: number
  /** Of the whole image, in use or not. */
  private table: Float64Array
  private readonly blocks = new Map<number, Block>()
  private readonly bits: number
  private readonly perBlock: number
  private readonly dirtyEntries = new Set<number>()
  /** Where the table is, and whether it has to be written as a whole to a new place. */
  private tableOffset: number
  private hasMoved = false
  /** Clusters that one reference less will use, once what has given it up is in the file. */
  private released: number[] = []
  /** Where the search for a free cluster goes on. */
  private next = 0

  constructor(
    private readonly file: HostFile,
    { clusterBits, refcountOrder, refcountTableOffset, refcountTableClusters }: Qcow2Header,
  ) {
    this.clusterSize = 2 ** clusterBits
    this.bits = 2 ** refcountOrder
    this.perBlock = (this.clusterSize * 8) / this.bits
    this.tableOffset = refcountTableOffset
    const bytes = file.table(refcountTableOffset, refcountTableClusters * this.clusterSize)
    const view = new DataView(bytes.buffer)
    this.table = Float64Array.from({ length: bytes.length / 8 }, (_, i) => offsetAt(view, 8 * i))
  }

  /** Offsets and lengths of the table and its blocks. */
  *places(): Generator<[offset: number, length: number]> {
    yield [this.tableOffset, this.table.length * 8]
    for (const offset of this.table) if (offset !== 0) yield [offset, this.clusterSize]
  }

  get(cluster: number): number {
    const block = this.block(Math.floor(cluster / this.perBlock))
    return block ? this.count(block.bytes, cluster % this.perBlock) : 0
  }

  /** As a repair does: whatever it was before. */
  set(cluster: number, count: number): void {
    if (count > this.most) throw new MediumError(`${this.file.path}: a cluster is used more often than can be counted`)
    const block = this.ensureBlock(cluster)
    this.put(block.bytes, cluster % this.perBlock, count)
    block.isDirty = true
  }

  private get most(): number {
    return this.bits >= 53 ? Number.MAX_SAFE_INTEGER : 2 ** this.bits - 1
  }

  /** A run of free clusters, now in use once; its offset. */
  allocate(clusters = 1): number {
    // The search looks at every cluster once at most before it comes to the file's end, behind which all are free.
    for (let first = this.next, run = 0; ; ) {
      if (this.get(first + run) !== 0) {
        first += run + 1
        run = 0
        continue
      }
      run++
      if (run < clusters) continue
      if (clusters === 1) this.next = first + 1
      // A block of counts for these may take one of them for itself: then it is looked for again.
      for (let i = 0; i < clusters; i++) this.ensureBlock(first + i)
      if (Array.from({ length: clusters }, (_, i) => this.get(first + i)).some((count) => count !== 0)) {
        run = 0
        continue
      }
      for (let i = 0; i < clusters; i++) this.set(first + i, 1)
      return first * this.clusterSize
    }
  }

  /** What was allocated is not needed: nothing refers to it yet. */
  undo(offset: number): void {
    this.set(offset / this.clusterSize, 0)
    this.next = Math.min(this.next, offset / this.clusterSize)
  }

  /** One reference less, when `writeReleased` comes. */
  release(cluster: number): void {
    this.released.push(cluster)
  }

  get hasReleased(): boolean {
    return this.released.length > 0
  }

  /** Counts that went up, and the table. Needs a `sync` before and after. */
  write(): void {
    const { file } = this
    this.writeBlocks()
    if (this.dirtyEntries.size === 0 && !this.hasMoved) return
    file.sync()
    if (this.hasMoved) {
      file.write(this.tableOffset, this.tableBytes())
      file.sync()
      const place = new DataView(new ArrayBuffer(12))
      place.setBigUint64(0, BigInt(this.tableOffset))
      place.setUint32(8, (this.table.length * 8) / this.clusterSize)
      file.write(AT.refcountTable, new Uint8Array(place.buffer))
      this.hasMoved = false
    } else {
      for (const index of this.dirtyEntries) {
        const entry = new DataView(new ArrayBuffer(8))
        entry.setBigUint64(0, BigInt(this.table[index]))
        file.write(this.tableOffset + 8 * index, new Uint8Array(entry.buffer))
      }
    }
    this.dirtyEntries.clear()
    file.sync()
  }

  /** Counts that go down. */
  writeReleased(): void {
    for (const cluster of this.released) {
      const count = this.get(cluster)
      if (count === 0) continue
      this.set(cluster, count - 1)
      if (count === 1) this.next = Math.min(this.next, cluster)
    }
    this.released = []
    this.writeBlocks()
  }

  private writeBlocks(): void {
    for (const block of this.blocks.values()) {
      if (!block.isDirty) continue
      this.file.write(block.offset, block.bytes)
      block.isDirty = false
    }
  }

  private block(index: number): Block | undefined {
    const known = this.blocks.get(index)
    if (known) return known
    const offset = this.table[index]
    if (!offset) return undefined
    if (offset % this.clusterSize !== 0)
      throw new MediumError(`${this.file.path} is damaged: a block of reference counts is at ${offset}`)
    const block = { offset, bytes: this.file.bytes(offset, this.clusterSize), isDirty: false }
    this.blocks.set(index, block)
    return block
  }

  /** The block that counts this cluster; a new one is in the first free cluster of those that it counts. */
  private ensureBlock(cluster: number): Block {
    const index = Math.floor(cluster / this.perBlock)
    const there = this.block(index)
    if (there) return there
    if (index >= this.table.length) this.growTable(index + 1)
    const block = { offset: cluster * this.clusterSize, bytes: new Uint8Array(this.clusterSize), isDirty: true }
    this.put(block.bytes, cluster % this.perBlock, 1)
    this.blocks.set(index, block)
    this.table[index] = block.offset
    this.dirtyEntries.add(index)
    return block
  }

  /** Half as much again as is needed, in a new place; the old one is free once the header names the new one. */
  private growTable(entries: number): void {
    const perCluster = this.clusterSize / 8
    const clusters = Math.ceil((entries * 1.5) / perCluster) + 1
    const [old, oldOffset] = [this.table, this.tableOffset]
    this.table = new Float64Array(clusters * perCluster)
    this.table.set(old)
    this.hasMoved = true
    this.tableOffset = this.allocate(clusters)
    const oldClusters = (old.length * 8) / this.clusterSize
    for (let i = 0; i < oldClusters; i++) this.release(oldOffset / this.clusterSize + i)
  }

  private tableBytes(): Uint8Array {
    const view = new DataView(new ArrayBuffer(this.table.length * 8))
    for (const [i, offset] of this.table.entries()) view.setBigUint64(8 * i, BigInt(offset))
    return new Uint8Array(view.buffer)
  }

  private count(bytes: Uint8Array, index: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    switch (this.bits) {
      case 8:
        return bytes[index]
      case 16:
        return view.getUint16(2 * index)
      case 32:
        return view.getUint32(4 * index)
      case 64:
        return Number(view.getBigUint64(8 * index))
      default: {
        const perByte = 8 / this.bits
        return (bytes[Math.floor(index / perByte)] >> (this.bits * (index % perByte))) & (2 ** this.bits - 1)
      }
    }
  }

  private put(bytes: Uint8Array, index: number, count: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    switch (this.bits) {
      case 8:
        bytes[index] = count
        return
      case 16:
        view.setUint16(2 * index, count)
        return
      case 32:
        view.setUint32(4 * index, count)
        return
      case 64:
        view.setBigUint64(8 * index, BigInt(count))
        return
      default: {
        const perByte = 8 / this.bits
        const shift = this.bits * (index % perByte)
        const mask = (2 ** this.bits - 1) << shift
        const at = Math.floor(index / perByte)
        bytes[at] = (bytes[at] & ~mask) | (count << shift)
      }
    }
  }
}

/** Bits 9 to 55 of a table's entry. */
export function offsetAt(view: DataView, at: number): number {
  return (view.getUint32(at) & OFFSET_MASK_HIGH) * 2 ** 32 + (view.getUint32(at + 4) & 0xffff_fe00) + lowHalf(view, at)
}

/** The bitwise operator makes it signed. */
function lowHalf(view: DataView, at: number): number {
  return view.getUint32(at + 4) >= 2 ** 31 ? 2 ** 32 : 0
}
