/** VirtualBox's disk images, as "VDI image format" on its forums and QEMU's block/vdi.c have them. */
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'
import { MappedImage } from './mapped-image.js'

export const VDI_SIGNATURE = 0xbeda107f
const HEADER = 0x200
const LARGEST_MAP = 256 << 20
const DYNAMIC = 1
const FIXED = 2
/** From here on: never written, or given back. */
const NOWHERE = 0xffff_fffe

export class VdiImage extends MappedImage {
  private readonly map: DataView
  private readonly dataOffset: number

  /** Throws an ImageError. */
  constructor(file: HostFile) {
    const view = new DataView(file.bytes(0, HEADER).buffer)
    const word = (at: number) => view.getUint32(at, true)
    const [version, type] = [word(0x44), word(0x4c)]
    if (version >> 16 !== 1) throw new ImageError(`is a VDI image of version ${version >> 16}; version 1 is read here`)
    if (type !== DYNAMIC && type !== FIXED)
      throw new ImageError('is a VDI image that holds what differs from another one; merge it in VirtualBox first')
    if (new Uint8Array(view.buffer, 0x1a8, 32).some((byte) => byte !== 0))
      throw new ImageError('is a VDI image with a parent; merge it in VirtualBox first')
    const [size, blockSize, blocks] = [Number(view.getBigUint64(0x170, true)), word(0x178), word(0x180)]
    if (blockSize < 512 || blockSize % 512 !== 0 || blocks * 4 > LARGEST_MAP || size > blocks * blockSize)
      throw new ImageError('is a damaged VDI image: its blocks do not hold its disk')
    super(file, size, blockSize)
    this.map = new DataView(file.table(word(0x154), blocks * 4).buffer)
    this.dataOffset = word(0x158)
  }

  protected place(block: number): number | undefined {
    const at = this.map.getUint32(4 * block, true)
    return at >= NOWHERE ? undefined : this.dataOffset + at * this.blockSize
  }
}
