/** `vm.media`: floppies and CDs changed while the machine runs, disks kept. */
import { resolve } from 'node:path'

import { REMOVABLE_DRIVES, type RemovableDrive } from '../../machine/media/drive-id.js'
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

/** The machine's names, and A: and B: by their letters. */
export type DriveWord = RemovableDrive | 'a' | 'b'

const LETTERS: { readonly [letter: string]: RemovableDrive } = { a: 'floppy0', b: 'floppy1' }

/** Throws a LaunchError. */
function driveOf(word: DriveWord): RemovableDrive {
  const drive = REMOVABLE_DRIVES.find((one) => one === word) ?? LETTERS[word]
  if (drive) return drive
  throw new LaunchError(
    `there is no drive '${word}' whose medium can be changed; there are ${REMOVABLE_DRIVES.join(', ')}, and a and b for the floppies`,
  )
}

export class Media {
  constructor(private readonly driver: VmDriver) {}

  /** Puts a medium into a drive, in place of what is there. Rejects with an error of the name MediaError. */
  async insert(drive: DriveWord, medium: MediumSource): Promise<void> {
    const place = driveOf(drive)
    const config = await mediumConfig(medium)
    await this.driver.ask((thread) => thread.insert(place, config))
  }

  /**
   * Writes what a disk holds now, with all that the guest changed, to a new image: raw, or qcow2 where its name ends so.
   * Rejects with an error of the name MediaError.
   *
   * @param disk `disk0`, or its id.
   */
  async save(disk: string, file: string): Promise<void> {
    const format = /\.qcow2?$/i.test(file) ? 'qcow2' : 'raw'
    await this.driver.ask((thread) => thread.saveDisk(disk, resolve(file), format))
  }

  async eject(drive: DriveWord): Promise<void> {
    const place = driveOf(drive)
    await this.driver.ask((thread) => thread.insert(place))
  }

  /** Takes out what is in the drive, lets the guest run for a while, 2.5 seconds by default, and puts the other in. */
  async swap(drive: DriveWord, medium: MediumSource, pause?: Duration): Promise<void> {
    const config = await mediumConfig(medium)
    await this.eject(drive)
    await this.driver.run([{ kind: 'wait', ns: pause === undefined ? EMPTY : parseDuration(pause) }])
    await this.insert(drive, config)
  }

  /** Puts a medium into the drive that it is for, A: or the CD drive, and says which. Disks cannot be added to a PC that runs. */
  async attach(medium: MediumSource): Promise<RemovableDrive> {
    const config = await mediumConfig(medium)
    const kind = probeImage(config.path)
    if (kind === 'disk')
      throw new LaunchError(
        `'${config.path}' is a disk image; an IDE disk is there from the start: give it to launch()`,
      )
    const drive = kind === 'floppy' ? 'floppy0' : 'cdrom'
    await this.driver.ask((thread) => thread.insert(drive, config))
    return drive
  }
}
