/**
 * Cylinders, heads and sectors for a disk that is only a number of sectors: what its partition table was made with, or
 * the largest the ATA command set can tell. The BIOS translation that goes with it is for CMOS registers 39h and 3ah.
 */
import { type BiosParameterBlock, readBpb } from '../../media/bios-parameter-block.js'
import { type BlockDevice, MediumError } from '../../media/block-device.js'

export interface DiskGeometry {
  readonly cylinders: number
  readonly heads: number
  readonly sectors: number
  /** How the BIOS is to turn it into INT 13h's 1024 cylinders. */
  readonly translation: 'none' | 'lba' | 'large'
}

const SECTOR = 512
const MAX_CYLINDERS = 16383
const PHYSICAL_HEADS = 16
const PHYSICAL_SECTORS = 63
/** INT 13h: 1024 cylinders, up to 128 heads by the "large" (bit-shift) translation. */
const LARGE_LIMIT = 131072

export function guessGeometry(medium: BlockDevice): DiskGeometry {
  const total = Math.floor(medium.size / SECTOR)
  const cylinders = Math.max(2, Math.min(MAX_CYLINDERS, Math.floor(total / (PHYSICAL_HEADS * PHYSICAL_SECTORS))))
  const physical = { cylinders, heads: PHYSICAL_HEADS, sectors: PHYSICAL_SECTORS }
  const logical = partitionedWith(medium, total)
  if (!logical) return { ...physical, translation: cylinders <= 1024 ? 'none' : 'lba' }
  if (logical.heads <= PHYSICAL_HEADS) return { ...logical, translation: 'none' }
  return { ...physical, translation: cylinders * PHYSICAL_HEADS <= LARGE_LIMIT ? 'large' : 'lba' }
}

/** The FAT volume that a partition holds, where it says itself that it starts there. */
function volumeAt(medium: BlockDevice, start: number): BiosParameterBlock | undefined {
  if (start === 0 || (start + 1) * SECTOR > medium.size) return undefined
  const sector = new Uint8Array(SECTOR)
  try {
    medium.read(start * SECTOR, sector)
  } catch (error) {
    if (error instanceof MediumError) return undefined
    throw error
  }
  const bpb = sector[510] === 0x55 && sector[511] === 0xaa ? readBpb(sector) : undefined
  return bpb?.hiddenSectors === start && bpb.heads > 1 ? bpb : undefined
}

/** Partitions end on a cylinder boundary, so the end of one tells the heads and sectors it was made with. */
function partitionedWith(medium: BlockDevice, total: number) {
  if (medium.size < SECTOR) return undefined
  const sector = new Uint8Array(SECTOR)
  try {
    medium.read(0, sector)
  } catch (error) {
    if (error instanceof MediumError) return undefined
    throw error
  }
  if (sector[510] !== 0x55 || sector[511] !== 0xaa) return undefined
  const view = new DataView(sector.buffer)
  for (let entry = 446; entry < 510; entry += 16) {
    const endHead = sector[entry + 5]
    const start = view.getUint32(entry + 8, true)
    if (view.getUint32(entry + 12, true) === 0 || endHead === 0) continue
    // A volume's own word goes before the guess: its partition may end anywhere, as those aligned to 1 MiB do.
    const bpb = volumeAt(medium, start)
    const heads = bpb?.heads ?? endHead + 1
    const sectors = bpb?.sectorsPerTrack ?? sector[entry + 6] & 63
    if (sectors === 0) continue
    const cylinders = Math.floor(total / (heads * sectors))
    if (cylinders < 1 || cylinders > MAX_CYLINDERS) continue
    return { cylinders, heads, sectors }
  }
  return undefined
}
