/** Microsoft's "Virtual Hard Disk Image Format Specification" 1.0: fixed and dynamic disks. */
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'
import { MappedImage } from './mapped-image.js'

export const VHD_COOKIE = 'conectix'
const FOOTER = 512
const FIXED = 2
const DYNAMIC = 3
const DIFFERENCING = 4
const NOWHERE = 0xffff_ffff
const LARGEST_TABLE = 64 << 20
/** Those whose current size is the disk's; others have it by its cylinders, heads and sectors. */
const BY_SIZE = ['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS', 'wa\0\0']
const LARGEST_GEOMETRY = 65535 * 16 * 255

export class VhdImage extends MappedImage {
  private readonly table: DataView | undefined
  private readonly bitmap: number = 0

  /** Throws an ImageError. */
  constructor(file: HostFile) {
    const footer = readFooter(file)
    const view = new DataView(footer.buffer)
    const type = view.getUint32(60)
    if (type === DIFFERENCING)
      throw new ImageError('is a VHD image that holds what differs from another one; merge it first')
    if (type !== FIXED && type !== DYNAMIC) throw new ImageError(`is a VHD image of type ${type}, which is unknown`)
    const size = diskSize(view)
    if (type === FIXED) {
      if (size > file.size - FOOTER) throw new ImageError('is a damaged VHD image: its file is shorter than its disk')
      super(file, size, Math.max(size, 1))
      return
    }
    const header = new DataView(file.table(Number(view.getBigUint64(16)), 1024).buffer)
    const [entries, blockSize] = [header.getUint32(28), header.getUint32(32)]
    const isSound = Buffer.from(header.buffer, 0, 8).toString('latin1') === 'cxsparse'
    if (!isSound || blockSize < 512 || blockSize & (blockSize - 1) || entries * 4 > LARGEST_TABLE)
      throw new ImageError('is a damaged VHD image: its dynamic header is not there')
    if (entries * blockSize < size) throw new ImageError('is a damaged VHD image: its table is shorter than its disk')
    super(file, size, blockSize)
    this.table = new DataView(file.table(Number(header.getBigUint64(16)), entries * 4).buffer)
    this.bitmap = Math.ceil(blockSize / 512 / 8 / 512) * 512
  }

  /** The bitmap before a block's data says what of it was written; the rest is zeros in the file, too. */
  protected place(block: number): number | undefined {
    if (!this.table) return 0
    const sector = this.table.getUint32(4 * block)
    return sector === NOWHERE ? undefined : sector * 512 + this.bitmap
  }
}

/** At the end, and of dynamic disks a copy at the beginning. */
function readFooter(file: HostFile): Uint8Array {
  for (const at of [0, Math.max(0, file.size - FOOTER)]) {
    const footer = file.bytes(at, FOOTER)
    if (isVhdFooter(footer)) return footer
  }
  throw new ImageError('is a damaged VHD image: it has no footer')
}

/** With its checksum: the one's complement of the sum of all its other bytes. */
export function isVhdFooter(footer: Uint8Array): boolean {
  if (footer.length < FOOTER || Buffer.from(footer.subarray(0, 8)).toString('latin1') !== VHD_COOKIE) return false
  const sum = footer.reduce((total, byte, i) => (i >= 64 && i < 68 ? total : total + byte), 0)
  return new DataView(footer.buffer, footer.byteOffset).getUint32(64) === ~sum >>> 0
}

function diskSize(view: DataView): number {
  const creator = Buffer.from(view.buffer, view.byteOffset + 28, 4).toString('latin1')
  const sectors = view.getUint16(56) * view.getUint8(58) * view.getUint8(59)
  if (BY_SIZE.includes(creator) || sectors === LARGEST_GEOMETRY)
    return Math.floor(Number(view.getBigUint64(48)) / 512) * 512
  return sectors * 512
}
