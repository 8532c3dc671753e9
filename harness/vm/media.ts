/** `vm.media`: floppies and CDs changed while the machine runs. */

import type { Drive } from '../config/machine-config.js'
import { type MediumSource, mediumConfig } from '../guest/medium-source.js'
import { probeImage } from '../guest/probe-image.js'
import { parseDuration } from '../units/durations.js'
import type { Duration, VmDriver } from './driver.js'
import { LaunchError } from './errors.js'

/**
 * A guest notices an empty drive only when it looks, ns. FreeDOS takes a floppy that it used less than 37 ticks (2 s) ago
 * for unchanged without a look.
 */
const EMPTY = 2.5e9

export class Media {
  constructor(private readonly driver: VmDriver) {}

  /** Puts a medium into a drive, in place of what is there. Rejects with an error of the name MediaError. */
  async insert(drive: Drive, medium: MediumSource): Promise<void> {
    const config = await mediumConfig(medium)
    await this.driver.ask((thread) => thread.insert(drive, config))
  }

  async eject(drive: Drive): Promise<void> {
    await this.driver.ask((thread) => thread.insert(drive))
  }

  /** Takes out what is in the drive, lets the guest run for a while, 2.5 seconds by default, and puts the other in. */
  async swap(drive: Drive, medium: MediumSource, pause?: Duration): Promise<void> {
    const config = await mediumConfig(medium)
    await this.eject(drive)
    await this.driver.run([{ kind: 'wait', ns: pause === undefined ? EMPTY : parseDuration(pause) }])
    await this.driver.ask((thread) => thread.insert(drive, config))
  }

  /** Puts a medium into the drive that it is for, A: or the CD drive, and says which. Disks cannot be added to a PC that runs. */
  async attach(medium: MediumSource): Promise<Drive> {
    const config = await mediumConfig(medium)
    const kind = probeImage(config.path)
    if (kind === 'disk')
      throw new LaunchError(
        `'${config.path}' is a disk image; an IDE disk is there from the start: give it to launch()`,
      )
    const drive = kind === 'floppy' ? 'a' : 'cdrom'
    await this.driver.ask((thread) => thread.insert(drive, config))
    return drive
  }
}
