/** The firmware for commands that run machines: fetched where it is missing. */
import { type Firmware, FirmwareMissingError, findFirmware } from '../../machine/firmware/find-firmware.js'
import { installFirmware } from '../../machine/firmware/install-packages.js'

/** Throws a FirmwareMissingError or a PackageError when it cannot be had. */
export async function ensureFirmware(): Promise<Firmware> {
  try {
    return findFirmware()
  } catch (error) {
    // A folder that the user named is not ours to fill.
    if (!(error instanceof FirmwareMissingError) || process.env.BOOTWRIGHT_FIRMWARE) throw error
    process.stderr.write('bootwright: SeaBIOS is not installed here; fetching it\n')
    return await installFirmware()
  }
}
