/** The floppy formats a PC knows, told apart by the size of the image alone. */

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

export const FLOPPY_GEOMETRIES: readonly FloppyGeometry[] = [
  { name: '160K', cylinders: 40, heads: 1, sectorsPerTrack: 8, inches: 5.25, density: 'DD' },
  { name: '180K', cylinders: 40, heads: 1, sectorsPerTrack: 9, inches: 5.25, density: 'DD' },
  { name: '320K', cylinders: 40, heads: 2, sectorsPerTrack: 8, inches: 5.25, density: 'DD' },
  { name: '360K', cylinders: 40, heads: 2, sectorsPerTrack: 9, inches: 5.25, density: 'DD' },
  { name: '720K', cylinders: 80, heads: 2, sectorsPerTrack: 9, inches: 3.5, density: 'DD' },
  { name: '1.2M', cylinders: 80, heads: 2, sectorsPerTrack: 15, inches: 5.25, density: 'HD' },
  { name: '1.44M', cylinders: 80, heads: 2, sectorsPerTrack: 18, inches: 3.5, density: 'HD' },
  // Distribution Media Format: Microsoft's 21 sectors a track, with 80 or 82 cylinders.
  { name: '1.68M', cylinders: 80, heads: 2, sectorsPerTrack: 21, inches: 3.5, density: 'HD' },
  { name: '1.72M', cylinders: 82, heads: 2, sectorsPerTrack: 21, inches: 3.5, density: 'HD' },
  { name: '2.88M', cylinders: 80, heads: 2, sectorsPerTrack: 36, inches: 3.5, density: 'ED' },
]

/** Bytes on a floppy of this geometry. */
export function floppySize(geometry: FloppyGeometry): number {
  return geometry.cylinders * geometry.heads * geometry.sectorsPerTrack * FLOPPY_SECTOR_SIZE
}

/** The geometry of an image of `size` bytes; undefined when no floppy has that size. */
export function floppyGeometry(size: number): FloppyGeometry | undefined {
  return FLOPPY_GEOMETRIES.find((geometry) => floppySize(geometry) === size)
}
