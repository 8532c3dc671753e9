/**
 * The two levels of tables that lead from a place on the disk to its cluster in the file (docs/interop/qcow2.txt,
 * "Cluster mapping"), held in memory as far as they are used and written when asked.
 */
import { MediumError } from '../block-device.js'
import type { HostFile } from '../host-file.js'
import { AT, type Qcow2Header } from './header.js'
import { offsetAt, type Refcounts } from './refcounts.js'

const COPIED = 0x8000_0000
const COMPRESSED = 0x4000_0000
const ZERO = 1
/** Of L2 tables that are held; changed ones are written before they go. */
const MOST_HELD = 32 << 20

/** What stands for a cluster of the disk. */
export type Mapping =
  | { kind: 'none' }
  /** Zeros, whatever the backing file has; `offset`: a cluster that is kept for it. */
  | { kind: 'zero'; offset: number | undefined }
  | { kind: 'data'; offset: number; isShared: boolean }
  /** Deflated, `length` bytes at most. */
  | { kind: 'compressed'; offset: number; length: number }

interface Table {
  offset: number
  view: DataView
  isDirty: boolean
}

export class Tables {
  /** Entries of the active L1 table: offsets, and whether the L2 table is this one's alone. */
  private l1: { offset: number; isShared: boolean }[]
  private readonly held = new Map<number, Table>()
  private readonly changedL1 = new Set<number>()
  readonly clusterSize: number
  private readonly perTable: number

  constructor(
    private readonly file: HostFile,
    private readonly header: Qcow2Header,
    private readonly refcounts: Refcounts,
  ) {
    this.clusterSize = 2 ** header.clusterBits
    this.perTable = this.clusterSize / 8
    const bytes = file.table(header.l1Offset, header.l1Entries * 8)
    const view = new DataView(bytes.buffer)
    this.l1 = Array.from({ length: header.l1Entries }, (_, i) => ({
      offset: offsetAt(view, 8 * i),
      isShared: (view.getUint32(8 * i) & COPIED) === 0,
    }))
  }

  get(cluster: number): Mapping {
    const table = this.table(Math.floor(cluster / this.perTable))
    return table ? mappingAt(table.view, 8 * (cluster % this.perTable), this.header) : { kind: 'none' }
  }

  /** A cluster of the disk is at this place from now on. */
  set(cluster: number, offset: number): void {
    this.put(cluster, (COPIED | Math.floor(offset / 2 ** 32)) >>> 0, (offset % 2 ** 32) >>> 0)
  }

  /** It reads as zeros, or as the backing file where `none`. */
  clear(cluster: number, kind: 'zero' | 'none'): void {
    this.put(cluster, 0, kind === 'zero' ? ZERO : 0)
  }

  private put(cluster: number, high: number, low: number): void {
    const table = this.ownTable(Math.floor(cluster / this.perTable))
    const at = 8 * (cluster % this.perTable)
    table.view.setUint32(at, high)
    table.view.setUint32(at + 4, low)
    table.isDirty = true
  }

  get isDirty(): boolean {
    return this.changedL1.size > 0 || [...this.held.values()].some(({ isDirty }) => isDirty)
  }

  /** More is held than is to be: what is changed has to be written before it can go. */
  get isFull(): boolean {
    return this.held.size * this.clusterSize > MOST_HELD
  }

  /** Needs the counts of what it refers to in the file; a `sync` comes before what is released is counted. */
  write(): void {
    const { file } = this
    for (const table of this.held.values()) {
      if (!table.isDirty) continue
      file.write(table.offset, new Uint8Array(table.view.buffer))
      table.isDirty = false
    }
    if (this.changedL1.size > 0) {
      file.sync()
      for (const index of this.changedL1) file.write(this.header.l1Offset + 8 * index, this.l1Entry(index))
      this.changedL1.clear()
    }
    if (this.isFull) this.held.clear()
  }

  /** A longer L1 table, in a new place, for a disk of more bytes. */
  grow(entries: number): void {
    const { header, refcounts, clusterSize, file } = this
    const bytes = (count: number) => Math.ceil((count * 8) / clusterSize)
    const old = { offset: header.l1Offset, clusters: bytes(header.l1Entries) }
    while (this.l1.length < entries) this.l1.push({ offset: 0, isShared: true })
    header.l1Entries = entries
    header.l1Offset = refcounts.allocate(bytes(entries))
    refcounts.write()
    file.sync()
    const table = new Uint8Array(bytes(entries) * clusterSize)
    for (let i = 0; i < entries; i++) table.set(this.l1Entry(i), 8 * i)
    file.write(header.l1Offset, table)
    file.sync()
    const place = new DataView(new ArrayBuffer(12))
    place.setUint32(0, entries)
    place.setBigUint64(4, BigInt(header.l1Offset))
    file.write(AT.l1, new Uint8Array(place.buffer))
    for (let i = 0; i < old.clusters; i++) refcounts.release(old.offset / clusterSize + i)
  }

  private l1Entry(index: number): Uint8Array {
    const { offset, isShared } = this.l1[index]
    const view = new DataView(new ArrayBuffer(8))
    view.setBigUint64(0, BigInt(offset))
    if (!isShared && offset !== 0) view.setUint32(0, (view.getUint32(0) | COPIED) >>> 0)
    return new Uint8Array(view.buffer)
  }

  private table(index: number): Table | undefined {
    const held = this.held.get(index)
    if (held) return held
    const { offset } = this.l1[index]
    if (offset === 0) return undefined
    if (offset % this.clusterSize !== 0)
      throw new MediumError(`${this.file.path} is damaged: an L2 table is at ${offset}`)
    // One that is not changed goes, where there are many.
    if (this.isFull)
      for (const [other, { isDirty }] of this.held) {
        if (isDirty) continue
        this.held.delete(other)
        break
      }
    const bytes = this.file.bytes(offset, this.clusterSize)
    const table = { offset, view: new DataView(bytes.buffer), isDirty: false }
    this.held.set(index, table)
    return table
  }

  /** The table to be written to: a new one where there was none, a copy where a snapshot has it too. */
  private ownTable(index: number): Table {
    const there = this.table(index)
    const entry = this.l1[index]
    if (there && !entry.isShared) return there
    const offset = this.refcounts.allocate()
    if (there) this.refcounts.release(there.offset / this.clusterSize)
    const view = new DataView(new ArrayBuffer(this.clusterSize))
    if (there) new Uint8Array(view.buffer).set(new Uint8Array(there.view.buffer))
    const table = { offset, view, isDirty: true }
    this.held.set(index, table)
    this.l1[index] = { offset, isShared: false }
    this.changedL1.add(index)
    return table
  }
}

/** An entry of an L2 table. */
export function mappingAt(view: DataView, at: number, { clusterBits, version }: Qcow2Header): Mapping {
  const [high, low] = [view.getUint32(at), view.getUint32(at + 4)]
  if (high & COMPRESSED) {
    // Sectors behind the first in the bits above those of the offset.
    const entry = view.getBigUint64(at) & 0x3fff_ffff_ffff_ffffn
    const shift = BigInt(62 - (clusterBits - 8))
    const offset = Number(entry & ((1n << shift) - 1n))
    return { kind: 'compressed', offset, length: (Number(entry >> shift) + 1) * 512 - (offset % 512) }
  }
  const offset = offsetAt(view, at)
  if (version > 2 && low & ZERO) return { kind: 'zero', offset: offset || undefined }
  if (offset === 0) return { kind: 'none' }
  return { kind: 'data', offset, isShared: (high & COPIED) === 0 }
}
