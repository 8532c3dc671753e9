/** What IDENTIFY DEVICE says of a disk: ATA/ATAPI-5 (T13 1321D), section 8.12, table 20. */
import type { DiskGeometry } from './ata-geometry.js'
import { identifyString } from './ide-drive.js'

/** Largest block of READ and WRITE MULTIPLE, in sectors; also the size after a reset. */
export const MAX_MULTIPLE = 16
export const LBA28_LIMIT = 0x0fffffff
/** 16383 cylinders of 16 heads and 63 sectors. */
const CHS_LIMIT = 16_514_064
const SECTOR = 512

export interface DiskIdentity {
  readonly model: string
  readonly serial: string
  readonly firmware: string
  readonly geometry: DiskGeometry
  readonly sectors: number
  /** The translation that is in force. */
  readonly heads: number
  readonly sectorsPerTrack: number
  readonly multiple: number
  /** Words 62, 63 and 88. */
  readonly singleWordDma: number
  readonly multiWordDma: number
  readonly ultraDma: number
  readonly writeCache: boolean
  readonly smart: boolean
}

/** Fills the first 512 bytes of `into`. */
export function identifyDisk(into: Uint8Array, disk: DiskIdentity): void {
  into.fill(0, 0, SECTOR)
  const view = new DataView(into.buffer, 0, SECTOR)
  const word = (index: number, value: number) => view.setUint16(index * 2, value, true)
  const { geometry } = disk
  word(0, 0x0040)
  word(1, geometry.cylinders)
  word(3, geometry.heads)
  word(4, SECTOR * geometry.sectors)
  word(5, SECTOR)
  word(6, geometry.sectors)
  identifyString(view, 10, disk.serial, 20)
  word(20, 3)
  word(21, 512)
  word(22, 4)
  identifyString(view, 23, disk.firmware, 8)
  identifyString(view, 27, disk.model, 40)
  word(47, 0x8000 | MAX_MULTIPLE)
  word(48, 1)
  // IORDY, LBA, DMA.
  word(49, 0x0b00)
  word(51, 0x0200)
  word(52, 0x0200)
  // Words 54 to 58, 64 to 70 and 88 are valid.
  word(53, 0x0007)
  const perCylinder = disk.heads * disk.sectorsPerTrack
  const cylinders = Math.min(65535, Math.floor(Math.min(disk.sectors, CHS_LIMIT) / perCylinder))
  word(54, cylinders)
  word(55, disk.heads)
  word(56, disk.sectorsPerTrack)
  view.setUint32(57 * 2, cylinders * perCylinder, true)
  if (disk.multiple > 0) word(59, 0x0100 | disk.multiple)
  view.setUint32(60 * 2, Math.min(disk.sectors, LBA28_LIMIT), true)
  word(62, disk.singleWordDma)
  word(63, disk.multiWordDma)
  // PIO modes 3 and 4, and the shortest cycles in ns.
  word(64, 0x0003)
  for (let index = 65; index <= 68; index++) word(index, 120)
  // ATA-4 to ATA-7, and the revision of ATA/ATAPI-5.
  word(80, 0x00f0)
  word(81, 0x0016)
  // NOP, write cache, SMART; FLUSH CACHE (EXT), 48-bit addresses; and which of them are enabled.
  word(82, 0x4021)
  word(83, 0x7400)
  word(84, 0x4000)
  word(85, 0x4000 | (disk.writeCache ? 0x20 : 0) | (disk.smart ? 1 : 0))
  word(86, 0x3400)
  word(87, 0x4000)
  word(88, disk.ultraDma)
  // Hardware reset result: an 80-wire cable, as device 0.
  word(93, 0x6001)
  // One logical sector a physical one.
  word(106, 0x6000)
  view.setBigUint64(100 * 2, BigInt(disk.sectors), true)
}
