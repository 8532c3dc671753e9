/**
 * A floppy drive: the mechanics behind the controller. It knows its medium, where its heads stand and the disk-change
 * line; the controller does the rest.
 */

import type { StateTable } from '../../device.js'
import type { BlockDevice } from '../../media/block-device.js'
import { FLOPPY_SECTOR_SIZE, type FloppyGeometry, floppyGeometry } from '../../media/floppy-geometry.js'
import { count, flag, same, u8 } from '../../state/fields.js'
import { choiceOption, integerOption } from '../device-option.js'
import { deviceType } from '../device-type.js'

export type FloppyDriveType = '360K' | '1.2M' | '720K' | '1.44M' | '2.88M'

/** The drive type nibbles of CMOS register 0x10. */
const CMOS_TYPES: { [type in FloppyDriveType]: number } = { '360K': 1, '1.2M': 2, '720K': 3, '1.44M': 4, '2.88M': 5 }

const SECTORS_OF_144 = 18

/** Data rates as the DSR and CCR select them. */
export const RATE_500K = 0
export const RATE_300K = 1
export const RATE_250K = 2
export const RATE_1M = 3

const STATE: StateTable = {
  ...{ track: u8, sector: u8, changed: flag },
  mediumSize: same(
    count,
    (saved, here) =>
      `the snapshot's floppy drive holds ${saved ? `a medium of ${saved} bytes` : 'no medium'}, ` +
      `this one ${here ? `one of ${here} bytes` : 'none'}: insert the same before loading`,
  ),
}

export class FloppyDrive {
  readonly state = STATE
  readonly type: FloppyDriveType
  medium: BlockDevice | undefined
  geometry: FloppyGeometry | undefined
  /** Cylinder under the heads. */
  track = 0
  /** Last sector that passed under the head, for READ ID; the disk spins. */
  sector = 0
  /** DSKCHG: set while there is no medium and until the heads are stepped with one. */
  changed = true

  /**
   * Without `type`, the drive in which the BIOS reads the medium: 1.2M for 5.25-inch ones, 2.88M for extended density and
   * more than 18 sectors a track, else 1.44M. Throws an `Error` when the medium does not fit.
   */
  constructor(options: { type?: FloppyDriveType; medium?: BlockDevice } = {}) {
    const geometry = options.medium && floppyGeometry(options.medium.size)
    this.type = options.type ?? (geometry ? driveFor(geometry) : '1.44M')
    if (options.medium) this.insert(options.medium)
  }

  /** For the low or high nibble of CMOS register 0x10. */
  get cmosType(): number {
    return CMOS_TYPES[this.type]
  }

  get writeProtected(): boolean {
    return this.medium?.readOnly ?? false
  }

  /** Throws an `Error` when the medium has no floppy's size or is not for this drive. */
  insert(medium: BlockDevice): void {
    const geometry = floppyGeometry(medium.size)
    if (!geometry) throw new Error(`a medium of ${medium.size} bytes is no floppy`)
    if (!fits(this.type, geometry)) throw new Error(`a ${geometry.name} floppy does not fit a ${this.type} drive`)
    this.medium = medium
    this.geometry = geometry
    this.changed = true
  }

  /** Returns what was in the drive. */
  eject(): BlockDevice | undefined {
    const medium = this.medium
    this.medium = undefined
    this.geometry = undefined
    this.changed = true
    return medium
  }

  /** Whether the medium is recorded at the data rate (RATE_*) that the controller is set to. */
  readableAt(rate: number): boolean {
    const geometry = this.geometry
    if (!geometry) return false
    if (geometry.density === 'ED') return rate === RATE_1M
    if (geometry.density === 'HD') return rate === RATE_500K
    if (geometry.inches === 3.5) return rate === RATE_250K
    // A 1.2M drive turns at 360/min and reads them at 300 kbit/s, but firmware programs either.
    return rate === RATE_250K || (rate === RATE_300K && this.type === '1.2M')
  }

  /** Moves the heads; a step with a medium inserted ends the disk-change signal. */
  stepTo(track: number): void {
    if (track !== this.track && this.medium) this.changed = false
    this.track = track
  }

  /** Byte offset of a sector; the caller has checked that it exists. */
  offset(cylinder: number, head: number, sector: number): number {
    const geometry = this.geometry as FloppyGeometry
    const lba = (cylinder * geometry.heads + head) * geometry.sectorsPerTrack + sector - 1
    return lba * FLOPPY_SECTOR_SIZE
  }

  /** The medium itself is restored by its owner, before; 0 for none. */
  get mediumSize(): number {
    return this.medium?.size ?? 0
  }
}

/** SeaBIOS refuses sectors that the drive's own format has not: DMF and its like are read in a drive of 36 a track. */
function driveFor({ inches, sectorsPerTrack }: FloppyGeometry): FloppyDriveType {
  if (inches === 5.25) return '1.2M'
  return sectorsPerTrack > SECTORS_OF_144 ? '2.88M' : '1.44M'
}

function fits(type: FloppyDriveType, geometry: FloppyGeometry): boolean {
  switch (type) {
    case '360K':
      return geometry.inches === 5.25 && geometry.density === 'DD'
    case '1.2M':
      return geometry.inches === 5.25
    case '720K':
      return geometry.inches === 3.5 && geometry.density === 'DD'
    case '1.44M':
      return geometry.inches === 3.5 && geometry.density !== 'ED'
    case '2.88M':
      return geometry.inches === 3.5
  }
}

/** The controller's cable. */
export interface FloppyBus {
  readonly drives: readonly (FloppyDrive | undefined)[]
  /** Throws an Error where a drive is there already. */
  attach(unit: number, drive: FloppyDrive): void
}

export const floppy = deviceType({
  type: 'floppy',
  title: 'floppy disk drive',
  category: 'Storage',
  bus: 'floppy',
  options: () => ({
    unit: integerOption(0, 3).default(0).describe('0 for A: to 3'),
    'drive-type': choiceOption(['360K', '1.2M', '720K', '1.44M', '2.88M'])
      .optional()
      .describe('default: one that takes the medium'),
  }),
  create(slot, { unit, 'drive-type': type }) {
    slot.bus<FloppyBus>('floppy').attach(unit, new FloppyDrive({ type, medium: slot.backend<BlockDevice>('block') }))
    return undefined
  },
})
