import { built, defineGuest, packageFile } from 'bootwright'
import { grubRescue } from '../levels.js'

const FLOPPY_BYTES = 1_474_560

/** The package's image ends with its last used sector; a floppy has all of them. */
const floppy = built(
  'grub-rescue-floppy.img',
  [packageFile('grub-rescue-pc', '/usr/lib/grub-rescue/grub-rescue-floppy.img')],
  ([short]) => {
    const whole = new Uint8Array(FLOPPY_BYTES)
    whole.set(short)
    return whole
  },
)

export default defineGuest({
  name: 'grub-rescue-floppy',
  title: 'GRUB 2 rescue floppy',
  family: 'boot loader',
  licence: 'GPL-3.0-or-later',
  machine: { memory: 64, floppies: [floppy] },
  levels: grubRescue('fd0'),
})
