/**
 * QEMU's image format qcow2 (docs/interop/qcow2.txt), versions 2 and 3, read and written: clusters that are there or are a
 * backing file's, deflated ones, zeros. Data goes to the file at once, tables when they are flushed, in an order in which
 * none of them ever refers to what is not there: whenever the process dies, the image is sound, and what was flushed is
 * in it.
 */
import { inflateRawSync } from 'node:zlib'
import { type BlockDevice, MediumError } from '../block-device.js'
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'
import { checkRange } from '../memory.js'
import { repairRefcounts } from './check.js'
import { AT, DIRTY, isMarkedCorrupt, type Qcow2Header, readHeader } from './header.js'
import { Refcounts } from './refcounts.js'
import { type Mapping, Tables } from './tables.js'

/** Inflated clusters that are held. */
const INFLATED = 8

export class Qcow2Image implements BlockDevice {
  readonly header: Qcow2Header
  private readonly refcounts: Refcounts
  private readonly tables: Tables
  private readonly clusterSize: number
  private readonly inflated = new Map<number, Uint8Array>()

  /**
   * @param backing Opens the file behind it. Throws an ImageError for what is no image, or none that is read here.
   */
  constructor(
    readonly file: HostFile,
    backing?: (name: string, format: string | undefined) => BlockDevice,
  ) {
    this.header = readHeader(file)
    const { header } = this
    if (file.writable) checkWritable(header)
    this.clusterSize = 2 ** header.clusterBits
    this.refcounts = new Refcounts(file, header)
    this.tables = new Tables(file, header, this.refcounts)
    if (file.writable && header.incompatible & DIRTY) this.recount()
    this.backing =
      header.backingFile !== undefined && backing ? backing(header.backingFile, header.backingFormat) : undefined
  }

  readonly backing: BlockDevice | undefined

  get size(): number {
    return this.header.size
  }

  get readOnly(): boolean {
    return !this.file.writable
  }

  get failure(): string | undefined {
    return this.file.failure ?? this.backing?.failure
  }

  /** What stands for each cluster that is this image's own, in order, for who copies or counts them. */
  mapping(cluster: number): Mapping {
    return this.tables.get(cluster)
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    for (let done = 0; done < into.length; ) {
      const mapping = this.tables.get(Math.floor((offset + done) / this.clusterSize))
      const length = this.run(offset + done, into.length - done, mapping)
      this.readRun(mapping, offset + done, into.subarray(done, done + length))
      done += length
    }
  }

  /** Bytes from `at` on that stand one after the other as the first ones do. */
  private run(at: number, most: number, first: Mapping): number {
    const { clusterSize } = this
    let length = clusterSize - (at % clusterSize)
    if (first.kind === 'compressed') return Math.min(length, most)
    for (let n = 1; length < most; n++, length += clusterSize) {
      const next = this.tables.get(Math.floor(at / clusterSize) + n)
      if (next.kind !== first.kind) break
      if (next.kind === 'data' && next.offset !== (first as typeof next).offset + n * clusterSize) break
    }
    return Math.min(length, most)
  }

  private readRun(mapping: Mapping, offset: number, into: Uint8Array): void {
    const within = offset % this.clusterSize
    switch (mapping.kind) {
      case 'data':
        this.checkPlace(mapping.offset)
        this.file.read(mapping.offset + within, into)
        return
      case 'zero':
        into.fill(0)
        return
      case 'compressed':
        into.set(this.inflate(mapping).subarray(within, within + into.length))
        return
      case 'none': {
        const there = Math.max(0, Math.min(into.length, (this.backing?.size ?? 0) - offset))
        if (there > 0) this.backing?.read(offset, into.subarray(0, there))
        into.fill(0, there)
      }
    }
  }

  private inflate({ offset, length }: Extract<Mapping, { kind: 'compressed' }>): Uint8Array {
    const held = this.inflated.get(offset)
    if (held) return held
    const { clusterSize } = this
    let bytes: Uint8Array
    try {
      // Its window is 4 KiB; what follows it in its last sector is another's.
      bytes = inflateRawSync(this.file.bytes(offset, length), {
        ...{ windowBits: 12, maxOutputLength: clusterSize, finishFlush: 2 },
      })
    } catch (error) {
      throw new MediumError(
        `${this.file.path} is damaged: a compressed cluster at ${offset}: ${(error as Error).message}`,
      )
    }
    if (bytes.length < clusterSize)
      throw new MediumError(`${this.file.path} is damaged: a compressed cluster at ${offset} is too short`)
    if (this.inflated.size >= INFLATED) this.inflated.delete(this.inflated.keys().next().value as number)
    this.inflated.set(offset, bytes)
    return bytes
  }

  write(offset: number, from: Uint8Array): void {
    if (this.readOnly) throw new MediumError(`${this.file.path} is open for reading only`)
    checkRange(this, offset, from.length)
    const { clusterSize } = this
    for (let done = 0; done < from.length; ) {
      const at = offset + done
      const cluster = Math.floor(at / clusterSize)
      const mapping = this.tables.get(cluster)
      if (mapping.kind === 'data' && this.isOwn(mapping)) {
        const length = this.run(at, from.length - done, mapping)
        this.checkPlace(mapping.offset)
        this.file.write(mapping.offset + (at % clusterSize), from.subarray(done, done + length))
        done += length
      } else {
        const length = Math.min(clusterSize - (at % clusterSize), from.length - done)
        this.place(cluster, mapping, at % clusterSize, from.subarray(done, done + length))
        done += length
      }
    }
    if (this.tables.isFull) this.flush()
  }

  /** The table says so with a flag, which a run of them has in common or not: those of a snapshot are copied. */
  private isOwn({ isShared }: Extract<Mapping, { kind: 'data' }>): boolean {
    return !isShared
  }

  /** Into a new cluster: data first, and only then what leads to it. */
  private place(cluster: number, before: Mapping, start: number, bytes: Uint8Array): void {
    const { clusterSize, refcounts } = this
    let whole = bytes
    if (bytes.length < clusterSize) {
      whole = new Uint8Array(clusterSize)
      this.readRun(before, cluster * clusterSize, whole)
      whole.set(bytes, start)
    }
    const offset = refcounts.allocate()
    try {
      this.file.write(offset, whole)
    } catch (error) {
      refcounts.undo(offset)
      throw error
    }
    this.tables.set(cluster, offset)
    this.release(before)
  }

  private release(mapping: Mapping): void {
    if (mapping.kind === 'none' || mapping.offset === undefined) return
    const length = mapping.kind === 'compressed' ? mapping.length : 1
    const first = Math.floor(mapping.offset / this.clusterSize)
    const last = Math.floor((mapping.offset + length - 1) / this.clusterSize)
    for (let cluster = first; cluster <= last; cluster++) this.refcounts.release(cluster)
    if (mapping.kind === 'compressed') this.inflated.delete(mapping.offset)
  }

  flush(): void {
    const { file, refcounts, tables } = this
    if (this.readOnly) return
    if (tables.isDirty || refcounts.hasReleased) {
      refcounts.write()
      file.sync()
      tables.write()
      file.sync()
      if (refcounts.hasReleased) {
        refcounts.writeReleased()
        // A block of counts that was made for one of them, which a damaged image may need.
        refcounts.write()
      }
    }
    file.sync()
  }

  /** Whole clusters are given back; they read as zeros. */
  discard(offset: number, length: number): void {
    if (this.readOnly) return
    checkRange(this, offset, length)
    const { clusterSize, header, tables } = this
    const isRest = offset + length === this.size
    const end = isRest ? Math.ceil(this.size / clusterSize) : Math.floor((offset + length) / clusterSize)
    for (let cluster = Math.ceil(offset / clusterSize); cluster < end; cluster++) {
      const mapping = tables.get(cluster)
      if (mapping.kind === 'none' || (mapping.kind === 'zero' && mapping.offset === undefined)) continue
      // Version 2 has no zeros that stand before a backing file.
      if (header.version < 3 && this.backing) continue
      tables.clear(cluster, this.backing ? 'zero' : 'none')
      this.release(mapping)
    }
    if (tables.isFull) this.flush()
  }

  /** Makes the disk one of `size` bytes: what is behind its new end is gone. */
  resize(size: number): void {
    const { header, tables, file, clusterSize } = this
    const entries = Math.ceil(size / (clusterSize * (clusterSize / 8)))
    if (size < header.size) {
      const end = Math.ceil(size / clusterSize) * clusterSize
      if (end < header.size) this.discard(end, header.size - end)
    } else if (this.backing && this.backing.size > header.size) {
      // What the backing file has behind the old end is not to show up.
      const clusters = Math.ceil(Math.min(size, this.backing.size) / clusterSize)
      for (let cluster = Math.floor(header.size / clusterSize); cluster < clusters; cluster++)
        if (tables.get(cluster).kind === 'none') this.hide(cluster)
    }
    this.flush()
    if (entries > header.l1Entries) tables.grow(entries)
    header.size = size
    const bytes = new DataView(new ArrayBuffer(8))
    bytes.setBigUint64(0, BigInt(size))
    file.write(AT.size, new Uint8Array(bytes.buffer))
    this.flush()
  }

  private hide(cluster: number): void {
    const { clusterSize, header } = this
    const whole = new Uint8Array(clusterSize)
    const there = Math.max(0, Math.min(clusterSize, header.size - cluster * clusterSize))
    if (there > 0) this.read(cluster * clusterSize, whole.subarray(0, there))
    this.place(cluster, { kind: 'none' }, 0, whole)
  }

  close(): void {
    try {
      this.flush()
    } finally {
      this.backing?.close()
      this.file.close()
    }
  }

  /** A cluster in a place where none can be would be the header's, or read as something else's. */
  private checkPlace(offset: number): void {
    if (offset % this.clusterSize === 0 && offset > 0) return
    throw new MediumError(
      `${this.file.path} is damaged: a cluster is said to be at ${offset}; look with 'bootwright image check'`,
    )
  }

  /** A writer that counted lazily did not come to its end. */
  private recount(): void {
    const { file, header, refcounts } = this
    repairRefcounts(file, header, refcounts)
    refcounts.write()
    file.sync()
    header.incompatible &= ~DIRTY
    const bytes = new DataView(new ArrayBuffer(8))
    bytes.setBigUint64(0, BigInt(header.incompatible))
    file.write(AT.incompatible, new Uint8Array(bytes.buffer))
    file.sync()
  }
}

function checkWritable(header: Qcow2Header): void {
  if (isMarkedCorrupt(header))
    throw new ImageError(
      "says of itself that it is damaged, and is not written; repair it with 'qemu-img check -r all'",
    )
  if (header.hasBitmaps || header.autoclear !== 0)
    throw new ImageError(
      'has dirty bitmaps, which would no longer be right once it is written; remove them with qemu-img bitmap',
    )
}
