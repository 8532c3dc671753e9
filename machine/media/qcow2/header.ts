/** The header of a qcow2 image, versions 2 and 3 (QEMU's docs/interop/qcow2.txt, "Header"). */
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'

export const MAGIC = 0x514649fb
export const HEADER_V2 = 72
export const HEADER_V3 = 104

// Offsets of what is rewritten in place.
export const AT = { size: 24, l1: 36, refcountTable: 48, incompatible: 72, compatible: 80, autoclear: 88 } as const

// Incompatible features
export const DIRTY = 1 << 0
const CORRUPT = 1 << 1
const DATA_FILE = 1 << 2
const COMPRESSION = 1 << 3
const EXTENDED_L2 = 1 << 4
// Compatible ones
export const LAZY_REFCOUNTS = 1 << 0

// Header extensions
const END = 0
export const BACKING_FORMAT = 0xe2792aca
const BITMAPS = 0x23852875

const SMALLEST_CLUSTER_BITS = 9
const LARGEST_CLUSTER_BITS = 21
/** QEMU's limits. */
const MOST_L1 = (32 << 20) / 8
const LARGEST_REFCOUNT_TABLE = 8 << 20
const LONGEST_BACKING_NAME = 1023
const LARGEST = 2 ** 50

export interface Qcow2Header {
  version: number
  clusterBits: number
  size: number
  l1Entries: number
  l1Offset: number
  refcountTableOffset: number
  refcountTableClusters: number
  /** log2 of a reference count's bits. */
  refcountOrder: number
  snapshots: number
  snapshotsOffset: number
  incompatible: number
  compatible: number
  autoclear: number
  headerLength: number
  backingFile: string | undefined
  backingFormat: string | undefined
  hasBitmaps: boolean
}

export function isQcow2(head: Uint8Array): boolean {
  return head.length >= 8 && new DataView(head.buffer, head.byteOffset).getUint32(0) === MAGIC
}

/** Throws an ImageError that says what of it cannot be. */
export function readHeader(file: HostFile): Qcow2Header {
  const bytes = file.bytes(0, 112)
  const view = new DataView(bytes.buffer)
  const version = view.getUint32(4)
  const damaged = (what: string) => new ImageError(`is a damaged qcow2 image: ${what}`)
  if (view.getUint32(0) !== MAGIC) throw new ImageError('is no qcow2 image')
  if (version !== 2 && version !== 3)
    throw new ImageError(`is a qcow2 image of version ${version}; versions 2 and 3 are read here`)
  const long = (at: number) => Number(view.getBigUint64(at))
  const isThree = version === 3
  const header: Qcow2Header = {
    version,
    clusterBits: view.getUint32(20),
    size: long(24),
    l1Entries: view.getUint32(36),
    l1Offset: long(40),
    refcountTableOffset: long(48),
    refcountTableClusters: view.getUint32(56),
    refcountOrder: isThree ? view.getUint32(96) : 4,
    snapshots: view.getUint32(60),
    snapshotsOffset: long(64),
    incompatible: isThree ? long(AT.incompatible) : 0,
    compatible: isThree ? long(AT.compatible) : 0,
    autoclear: isThree ? long(AT.autoclear) : 0,
    headerLength: isThree ? view.getUint32(100) : HEADER_V2,
    backingFile: undefined,
    backingFormat: undefined,
    hasBitmaps: false,
  }
  checkFeatures(header, view.getUint32(32), header.headerLength > 104 ? bytes[104] : 0)
  const { clusterBits } = header
  if (clusterBits < SMALLEST_CLUSTER_BITS || clusterBits > LARGEST_CLUSTER_BITS)
    throw damaged(`its clusters have 2^${clusterBits} bytes`)
  const cluster = 2 ** clusterBits
  const isPlace = (offset: number) => Number.isSafeInteger(offset) && offset % cluster === 0
  if (header.headerLength < HEADER_V2 || header.headerLength > cluster || header.headerLength % 8)
    throw damaged(`its header has ${header.headerLength} bytes`)
  if (header.refcountOrder > 6) throw damaged(`its reference counts have 2^${header.refcountOrder} bits`)
  if (header.size > LARGEST) throw damaged(`it says that it has ${header.size} bytes`)
  const l1Needed = Math.ceil(header.size / (cluster * (cluster / 8)))
  if (header.l1Entries < l1Needed || header.l1Entries > MOST_L1 || !isPlace(header.l1Offset))
    throw damaged('its L1 table is not there')
  if (
    !isPlace(header.refcountTableOffset) ||
    header.refcountTableOffset === 0 ||
    header.refcountTableClusters === 0 ||
    header.refcountTableClusters * cluster > LARGEST_REFCOUNT_TABLE
  )
    throw damaged('its table of reference counts is not there')
  if (header.snapshots > 65536 || !isPlace(header.snapshotsOffset)) throw damaged('its snapshots are not there')
  readBackingName(header, file, long(8), view.getUint32(16), damaged)
  readExtensions(header, file, damaged)
  return header
}

function checkFeatures({ incompatible, clusterBits: _ }: Qcow2Header, crypt: number, compression: number): void {
  const refused = (what: string, how: string) =>
    new ImageError(`is a qcow2 image with ${what}, which cannot be read here; ${how}`)
  const convert = 'make one without it: qemu-img convert -O qcow2'
  if (crypt !== 0) throw refused('encryption', convert)
  if (incompatible & DATA_FILE) throw refused('an external data file', convert)
  if (incompatible & EXTENDED_L2) throw refused('extended L2 entries (subclusters)', `${convert} -o extended_l2=off`)
  if (incompatible & COMPRESSION || compression !== 0)
    throw refused('zstd compression', `${convert} -o compression_type=zlib`)
  const known = DIRTY | CORRUPT
  if (incompatible > 0xffffffff || incompatible & ~known)
    throw refused(`features that are unknown here (0x${incompatible.toString(16)})`, convert)
}

/** The image says of itself that it is damaged: it is read and not written. */
export function isMarkedCorrupt({ incompatible }: Qcow2Header): boolean {
  return (incompatible & CORRUPT) !== 0
}

function readBackingName(
  header: Qcow2Header,
  file: HostFile,
  offset: number,
  length: number,
  damaged: (what: string) => Error,
): void {
  if (offset === 0) return
  if (length > LONGEST_BACKING_NAME || offset + length > 2 ** header.clusterBits)
    throw damaged('the name of its backing file is not there')
  header.backingFile = Buffer.from(file.bytes(offset, length)).toString()
}

function readExtensions(header: Qcow2Header, file: HostFile, damaged: (what: string) => Error): void {
  const all = file.bytes(0, 2 ** header.clusterBits)
  const view = new DataView(all.buffer)
  for (let at = header.headerLength; at + 8 <= all.length; ) {
    const [type, length] = [view.getUint32(at), view.getUint32(at + 4)]
    if (type === END) return
    if (at + 8 + length > all.length) throw damaged('an extension of its header does not end')
    if (type === BACKING_FORMAT) header.backingFormat = Buffer.from(all.subarray(at + 8, at + 8 + length)).toString()
    if (type === BITMAPS) header.hasBitmaps = true
    at += 8 + Math.ceil(length / 8) * 8
  }
}
