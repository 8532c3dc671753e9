/** The disk that a device was told to be for, by `drive=`. */
import type { BlockDevice } from '../../media/block-device.js'
import { DeviceError, type Slot } from '../device-type.js'

/** Throws a DeviceError where there is none. */
export function diskNamed(slot: Slot, drive: string): BlockDevice {
  const medium = slot.backend<BlockDevice>('block', drive)
  if (medium) return medium
  throw new DeviceError(
    `the device ${slot.name}: there is no drive '${drive}'; the first disk is disk0, or give it an id`,
  )
}

/** A serial number for the disk of this name. */
export function serialOf(drive: string): string {
  const number = Number(/^disk(\d+)$/.exec(drive)?.[1] ?? 0) + 1
  return `BW${String(number).padStart(5, '0')}`
}
