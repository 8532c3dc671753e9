/** For tests that run SeaBIOS: where it is not to be had, they are skipped by name. */
import { findFirmware } from '../machine/firmware/find-firmware.js'

function look(): string | undefined {
  try {
    findFirmware()
    return undefined
  } catch {
    return 'no SeaBIOS here'
  }
}

/** Why there is none; undefined where it is. */
export const noFirmware = look()
/** For the names of tests. */
export const firmwareNote = noFirmware ? ` (skipped: ${noFirmware})` : ''
