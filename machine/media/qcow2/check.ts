/** Whether a qcow2 image is sound: what is referred to in it, against how often it says that it is. */
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'
import { type Qcow2Header, readHeader } from './header.js'
import { offsetAt, Refcounts } from './refcounts.js'
import { mappingAt } from './tables.js'

export interface Qcow2Check {
  /** Clusters that are used more often than is counted: data may be lost when they are given away. */
  corruptions: number
  /** Clusters that are counted as used and are not. */
  leaks: number
  /** Of the disk, and how many are in the file. */
  totalClusters: number
  allocatedClusters: number
  compressedClusters: number
  /** The first byte behind all that is used. */
  endOffset: number
  /** What was found, a sentence each, the first hundred. */
  findings: string[]
}

const MOST_FINDINGS = 100
/** A file that says that it has more clusters is none that was made. */
const MOST_CLUSTERS = 2 ** 28

interface Uses {
  counts: Uint16Array
  allocated: number
  compressed: number
  corruptions: number
  findings: string[]
}

/** More references to one cluster are not told apart: no image has so many snapshots. */
const MOST_USES = 0xffff

/** Counts, without changing anything. Throws an ImageError. */
export function checkQcow2(file: HostFile, header = readHeader(file)): Qcow2Check {
  const refcounts = new Refcounts(file, header)
  const uses = countUses(file, header, refcounts)
  const { counts, findings } = uses
  let { corruptions } = uses
  let leaks = 0
  let last = 0
  for (const [cluster, count] of counts.entries()) {
    const said = refcounts.get(cluster)
    if (said > 0 || count > 0) last = cluster
    if (said === count) continue
    if (said > count) leaks++
    else corruptions++
    note(
      findings,
      `${said > count ? 'Leaked cluster' : 'ERROR cluster'} ${cluster} refcount=${said} reference=${count}`,
    )
  }
  const size = 2 ** header.clusterBits
  return {
    ...{ corruptions, leaks, findings },
    totalClusters: Math.ceil(header.size / size),
    allocatedClusters: uses.allocated,
    compressedClusters: uses.compressed,
    endOffset: (last + 1) * size,
  }
}

/** Sets every count to what it is to be; the caller writes them. Throws an ImageError where references lead nowhere. */
export function repairRefcounts(file: HostFile, header: Qcow2Header, refcounts: Refcounts): void {
  const { counts, corruptions, findings } = countUses(file, header, refcounts)
  if (corruptions > 0) throw new ImageError(`is damaged (${findings[0]}); repair it with 'qemu-img check -r all'`)
  for (const [cluster, count] of counts.entries()) if (refcounts.get(cluster) !== count) refcounts.set(cluster, count)
}

function countUses(file: HostFile, header: Qcow2Header, refcounts: Refcounts): Uses {
  const size = 2 ** header.clusterBits
  const clusters = Math.ceil(file.size / size)
  if (clusters > MOST_CLUSTERS) throw new ImageError(`has ${clusters} clusters, more than are looked at here`)
  const uses: Uses = { counts: new Uint16Array(clusters), allocated: 0, compressed: 0, corruptions: 0, findings: [] }
  const use = (offset: number, length: number, what: string, times = 1) => {
    if (offset % size !== 0 && what !== 'compressed data') {
      uses.corruptions++
      note(uses.findings, `ERROR ${what} at 0x${offset.toString(16)} is not at a cluster's beginning`)
      return
    }
    const end = Math.ceil((offset + length) / size)
    for (let cluster = Math.floor(offset / size); cluster < end; cluster++) {
      if (cluster < clusters) uses.counts[cluster] = Math.min(MOST_USES, uses.counts[cluster] + times)
      else if (what !== 'compressed data' || cluster === Math.floor(offset / size)) {
        uses.corruptions++
        note(uses.findings, `ERROR ${what} at 0x${offset.toString(16)} is behind the end of the file`)
        return
      }
    }
  }
  use(0, size, 'the header')
  for (const [offset, length] of refcounts.places()) use(offset, length, 'a table of reference counts')
  const tables = [
    { offset: header.l1Offset, entries: header.l1Entries, isActive: true },
    ...snapshots(file, header, use),
  ]
  // Each has clusters of its own: those that share them, or lie behind the end, would never be walked through.
  if (tables.reduce((sum, { entries }) => sum + entries * 8, 0) > Math.max(file.size, header.l1Entries * 8))
    throw new ImageError('is a damaged qcow2 image: the L1 tables of its snapshots are larger than its file')
  const references = new Map<number, References>()
  for (const { offset, entries, isActive } of tables) {
    if (entries === 0) continue
    use(offset, entries * 8, 'an L1 table')
    const l1 = new DataView(file.bytes(offset, entries * 8).buffer)
    for (let i = 0; i < entries; i++) {
      const l2 = offsetAt(l1, 8 * i)
      if (l2 === 0) continue
      const to = references.get(l2) ?? { active: 0, all: 0 }
      if (isActive) to.active++
      to.all++
      references.set(l2, to)
    }
  }
  for (const [l2, to] of references) countTable(file, header, l2, to, use, uses)
  return uses
}

/** How many entries of L1 tables refer to an L2 table: of the disk's own, and of those of its snapshots as well. */
interface References {
  active: number
  all: number
}

function countTable(
  file: HostFile,
  header: Qcow2Header,
  offset: number,
  { active, all }: References,
  use: (offset: number, length: number, what: string, times: number) => void,
  uses: Uses,
): void {
  const size = 2 ** header.clusterBits
  use(offset, size, 'an L2 table', all)
  if (offset % size !== 0 || offset >= file.size) return
  const view = new DataView(file.bytes(offset, size).buffer)
  for (let at = 0; at < size; at += 8) {
    const mapping = mappingAt(view, at, header)
    if (mapping.kind === 'none') continue
    if (mapping.kind === 'compressed') {
      use(mapping.offset, mapping.length, 'compressed data', all)
      uses.compressed += active
    } else if (mapping.offset !== undefined) use(mapping.offset, size, 'data', all)
    if (mapping.kind !== 'zero' || mapping.offset !== undefined) uses.allocated += active
  }
}

/** The L1 tables of internal snapshots ("Snapshots"). */
function snapshots(
  file: HostFile,
  { snapshots: count, snapshotsOffset }: Qcow2Header,
  use: (offset: number, length: number, what: string) => void,
): { offset: number; entries: number; isActive: boolean }[] {
  const tables = []
  let at = snapshotsOffset
  for (let n = 0; n < count; n++) {
    const view = new DataView(file.bytes(at, 40).buffer)
    tables.push({ offset: Number(view.getBigUint64(0)), entries: view.getUint32(8), isActive: false })
    if (tables[n].entries > (32 << 20) / 8) throw new ImageError('is a damaged qcow2 image: a snapshot has no L1 table')
    const length = 40 + view.getUint32(36) + view.getUint16(12) + view.getUint16(14)
    at += Math.ceil(length / 8) * 8
  }
  if (count > 0) use(snapshotsOffset, at - snapshotsOffset, 'the table of snapshots')
  return tables
}

function note(findings: string[], sentence: string): void {
  if (findings.length < MOST_FINDINGS) findings.push(sentence)
}
