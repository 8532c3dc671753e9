/** The floppy formats a PC knows, told apart by the size of the image. */
import { type BiosParameterBlock, readBpb } from './bios-parameter-block.js'

export interface FloppyGeometry {
  /** As people write it: `1.44M`. */
  readonly name: string
  readonly cylinders: number
  readonly heads: number
  readonly sectorsPerTrack: number
  /** `5.25` or `3.5` inches. */
  readonly inches: 5.25 | 3.5
  /** Recorded density: DD 250 kbit/s (300 in a 1.2M drive), HD 500 kbit/s, ED 1 Mbit/s. */
  readonly density: 'DD' | 'HD' | 'ED'
}

export const FLOPPY_SECTOR_SIZE = 512

/** Ascending; those that no drive was sold for are what formatters squeeze out of one, as QEMU and v86 know them. */
export const FLOPPY_GEOMETRIES: readonly FloppyGeometry[] = [
  { name: '160K', cylinders: 40, heads: 1, sectorsPerTrack: 8, inches: 5.25, density: 'DD' },
  { name: '180K', cylinders: 40, heads: 1, sectorsPerTrack: 9, inches: 5.25, density: 'DD' },
  { name: '200K', cylinders: 40, heads: 1, sectorsPerTrack: 10, inches: 5.25, density: 'DD' },
  { name: '320K', cylinders: 40, heads: 2, sectorsPerTrack: 8, inches: 5.25, density: 'DD' },
  { name: '360K', cylinders: 40, heads: 2, sectorsPerTrack: 9, inches: 5.25, density: 'DD' },
  { name: '400K', cylinders: 40, heads: 2, sectorsPerTrack: 10, inches: 5.25, density: 'DD' },
  { name: '410K', cylinders: 41, heads: 2, sectorsPerTrack: 10, inches: 5.25, density: 'DD' },
  { name: '420K', cylinders: 42, heads: 2, sectorsPerTrack: 10, inches: 5.25, density: 'DD' },
  { name: '640K', cylinders: 80, heads: 2, sectorsPerTrack: 8, inches: 3.5, density: 'DD' },
  { name: '720K', cylinders: 80, heads: 2, sectorsPerTrack: 9, inches: 3.5, density: 'DD' },
  { name: '800K', cylinders: 80, heads: 2, sectorsPerTrack: 10, inches: 3.5, density: 'DD' },
  { name: '820K', cylinders: 82, heads: 2, sectorsPerTrack: 10, inches: 3.5, density: 'DD' },
  { name: '830K', cylinders: 83, heads: 2, sectorsPerTrack: 10, inches: 3.5, density: 'DD' },
  { name: '1.2M', cylinders: 80, heads: 2, sectorsPerTrack: 15, inches: 5.25, density: 'HD' },
  { name: '1.44M', cylinders: 80, heads: 2, sectorsPerTrack: 18, inches: 3.5, density: 'HD' },
  { name: '1.52M', cylinders: 80, heads: 2, sectorsPerTrack: 19, inches: 3.5, density: 'HD' },
  { name: '1.6M', cylinders: 80, heads: 2, sectorsPerTrack: 20, inches: 3.5, density: 'HD' },
  // Distribution Media Format: Microsoft's 21 sectors a track, with 80 or 82 cylinders.
  { name: '1.68M', cylinders: 80, heads: 2, sectorsPerTrack: 21, inches: 3.5, density: 'HD' },
  { name: '1.72M', cylinders: 82, heads: 2, sectorsPerTrack: 21, inches: 3.5, density: 'HD' },
  { name: '1.74M', cylinders: 83, heads: 2, sectorsPerTrack: 21, inches: 3.5, density: 'HD' },
  { name: '1.76M', cylinders: 80, heads: 2, sectorsPerTrack: 22, inches: 3.5, density: 'HD' },
  { name: '1.84M', cylinders: 80, heads: 2, sectorsPerTrack: 23, inches: 3.5, density: 'HD' },
  { name: '1.92M', cylinders: 80, heads: 2, sectorsPerTrack: 24, inches: 3.5, density: 'HD' },
  { name: '2.88M', cylinders: 80, heads: 2, sectorsPerTrack: 36, inches: 3.5, density: 'ED' },
]

/** What an image that is short of it by less than a track is taken for: the formats that drives were sold for. */
const SOLD = ['160K', '180K', '320K', '360K', '720K', '1.2M', '1.44M', '2.88M']
/** What boot code with a kernel behind it, of no floppy's size, is written for. */
const USUAL = ['1.44M', '2.88M']

/** Bytes on a floppy of this geometry. */
export function floppySize(geometry: FloppyGeometry): number {
  return geometry.cylinders * geometry.heads * geometry.sectorsPerTrack * FLOPPY_SECTOR_SIZE
}

/** The geometry of an image of `size` bytes, its last sector whole or not; undefined when no floppy has that size. */
export function floppyGeometry(size: number): FloppyGeometry | undefined {
  const whole = Math.ceil(size / FLOPPY_SECTOR_SIZE) * FLOPPY_SECTOR_SIZE
  return FLOPPY_GEOMETRIES.find((geometry) => floppySize(geometry) === whole)
}

/**
 * The floppy that an image of another size stands for: the one that its FAT was made on, else the one whose last track
 * it lacks a part of, else 1.44M. A boot sector and a kernel, one behind the other, count 18 sectors to a track.
 *
 * @param boot Its first sector.
 */
export function paddedFloppyGeometry(size: number, boot: Uint8Array): FloppyGeometry | undefined {
  const bpb = readBpb(boot)
  const made = bpb && FLOPPY_GEOMETRIES.find((geometry) => isMadeOn(bpb, geometry))
  if (made) return made
  const fits = FLOPPY_GEOMETRIES.filter((geometry) => floppySize(geometry) >= size)
  const cut = fits.find((geometry) => SOLD.includes(geometry.name) && lacks(geometry, size) < geometry.sectorsPerTrack)
  return cut ?? fits.find((geometry) => USUAL.includes(geometry.name))
}

/** Sectors of the floppy that an image of `size` bytes has nothing of. */
function lacks(geometry: FloppyGeometry, size: number): number {
  return Math.floor((floppySize(geometry) - size) / FLOPPY_SECTOR_SIZE)
}

function isMadeOn(bpb: BiosParameterBlock, { cylinders, heads, sectorsPerTrack }: FloppyGeometry): boolean {
  const { sectors } = bpb
  return (
    bpb.heads === heads && bpb.sectorsPerTrack === sectorsPerTrack && sectors === cylinders * heads * sectorsPerTrack
  )
}
