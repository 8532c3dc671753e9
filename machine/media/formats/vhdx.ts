/** Microsoft's "[MS-VHDX]: Virtual Hard Disk v2 File Format": fixed and dynamic disks whose log is empty. */
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'
import { MappedImage } from './mapped-image.js'

export const VHDX_SIGNATURE = 'vhdxfile'
const KIB = 1 << 10
const MIB = 1 << 20
const HEADERS = [64 * KIB, 128 * KIB]
const HEADER = 4 * KIB
const REGION_TABLES = [192 * KIB, 256 * KIB]
const REGION_TABLE = 64 * KIB
const MOST_ENTRIES = 2047
const LARGEST_TABLE = 512 * MIB

const BAT = '2dc27766-f623-4200-9d64-115e9bfd4a08'
const METADATA = '8b7ca206-4790-4b9a-b8fe-575f050f886e'
const FILE_PARAMETERS = 'caa16737-fa36-4d43-b3b6-33f0aa44e76b'
const DISK_SIZE = '2fa54224-cd1b-4876-b211-5dbed83bf4b8'
const SECTOR_SIZE = '8141bf1d-a96f-4709-ba47-f233a8faab5f'
const HAS_PARENT = 2

const FULLY_PRESENT = 6
const PARTIALLY_PRESENT = 7

export class VhdxImage extends MappedImage {
  private readonly table: DataView
  /** Blocks of data between two of bitmaps. */
  private readonly chunk: number

  /** Throws an ImageError. */
  constructor(file: HostFile) {
    checkLog(file)
    const regions = readRegions(file)
    const metadata = readMetadata(file, regions(METADATA).offset)
    const parameters = metadata(FILE_PARAMETERS, 8)
    const blockSize = parameters.getUint32(0, true)
    if (parameters.getUint32(4, true) & HAS_PARENT)
      throw new ImageError('is a VHDX image that holds what differs from another one; merge it first')
    const size = Number(metadata(DISK_SIZE, 8).getBigUint64(0, true))
    const sector = metadata(SECTOR_SIZE, 4).getUint32(0, true)
    const isPower = blockSize >= MIB && blockSize <= 256 * MIB && (blockSize & (blockSize - 1)) === 0
    if (!isPower || (sector !== 512 && sector !== 4096) || !Number.isSafeInteger(size))
      throw new ImageError('is a damaged VHDX image: its blocks or sectors have no size')
    super(file, size, blockSize)
    this.chunk = (2 ** 23 * sector) / blockSize
    const blocks = Math.ceil(size / blockSize)
    const length = (blocks + Math.floor((blocks - 1) / this.chunk)) * 8
    const { offset, length: there } = regions(BAT)
    if (length > there || length > LARGEST_TABLE)
      throw new ImageError('is a damaged VHDX image: its table is shorter than its disk')
    this.table = new DataView(file.table(offset, length).buffer)
  }

  protected place(block: number): number | undefined {
    const entry = this.table.getBigUint64(8 * (block + Math.floor(block / this.chunk)), true)
    const state = Number(entry & 7n)
    if (state === PARTIALLY_PRESENT || state === FULLY_PRESENT) return Number(entry >> 20n) * MIB
    return undefined
  }
}

/** Of two headers the later one that is sound counts (2.2.2). */
function checkLog(file: HostFile): void {
  const headers = HEADERS.map((at) => file.bytes(at, HEADER)).filter((bytes) => isSound(bytes, 'head'))
  if (headers.length === 0) throw new ImageError('is a damaged VHDX image: neither of its headers is sound')
  const sequence = (bytes: Uint8Array) => new DataView(bytes.buffer).getBigUint64(8, true)
  const [header] = headers.sort((a, b) => (sequence(b) > sequence(a) ? 1 : -1))
  if (header.subarray(48, 64).some((byte) => byte !== 0))
    throw new ImageError("is a VHDX image whose log has to be played first; 'qemu-img check -r all' does it")
}

function readRegions(file: HostFile): (guid: string) => { offset: number; length: number } {
  const table = REGION_TABLES.map((at) => file.bytes(at, REGION_TABLE)).find((bytes) => isSound(bytes, 'regi'))
  if (!table) throw new ImageError('is a damaged VHDX image: it has no table of its regions')
  const view = new DataView(table.buffer)
  const count = Math.min(view.getUint32(8, true), MOST_ENTRIES)
  return (guid) => {
    for (let at = 16; at < 16 + 32 * count; at += 32)
      if (guidAt(view, at) === guid)
        return { offset: Number(view.getBigUint64(at + 16, true)), length: view.getUint32(at + 24, true) }
    throw new ImageError('is a damaged VHDX image: a region of it is not there')
  }
}

function readMetadata(file: HostFile, offset: number): (guid: string, length: number) => DataView {
  const view = new DataView(file.table(offset, 64 * KIB).buffer)
  const count = Math.min(view.getUint16(10, true), MOST_ENTRIES)
  return (guid, length) => {
    for (let at = 32; at < 32 + 32 * count; at += 32)
      if (guidAt(view, at) === guid)
        return new DataView(file.bytes(offset + view.getUint32(at + 16, true), length).buffer)
    throw new ImageError('is a damaged VHDX image: it does not say how large its disk is')
  }
}

/** The first three of its parts are little-endian. */
function guidAt(view: DataView, at: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
  const rest = Array.from({ length: 8 }, (_, i) => hex(view.getUint8(at + 8 + i), 2)).join('')
  const first = [
    hex(view.getUint32(at, true), 8),
    hex(view.getUint16(at + 4, true), 4),
    hex(view.getUint16(at + 6, true), 4),
  ]
  return [...first, rest.slice(0, 4), rest.slice(4)].join('-')
}

/** Its signature, and its CRC-32C with the field itself as zeros. */
function isSound(bytes: Uint8Array, signature: string): boolean {
  if (Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== signature) return false
  const view = new DataView(bytes.buffer)
  const said = view.getUint32(4, true)
  const copy = bytes.slice()
  copy.fill(0, 4, 8)
  return crc32c(copy) === said
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}
