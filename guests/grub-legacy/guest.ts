import { built, defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

const FLOPPY_BYTES = 1_474_560
const SECTOR = 512
const part = (name: string) => packageFile('grub-legacy', `/usr/lib/grub/x86_64-pc/${name}`, { unpackOnly: true })

/** As its manual has it: `cat stage1 stage2 >/dev/fd0`. */
const floppy = built('grub-legacy.img', [part('stage1'), part('stage2')], ([stage1, stage2]) => {
  const image = new Uint8Array(FLOPPY_BYTES)
  image.set(stage1)
  image.set(stage2, SECTOR)
  return image
})

export default defineGuest({
  name: 'grub-legacy',
  title: 'GRUB 0.97',
  family: 'boot loader',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 64, floppies: [floppy] },
  levels: [
    firmware,
    { name: 'loader', title: 'its version', until: text(/GNU GRUB +version 0\.97/) },
    { name: 'shell', title: 'the prompt grub>', until: text(/^grub>/m) },
    {
      name: 'keyboard',
      title: 'displaymem answers',
      keys: 'displaymem<enter>',
      until: text(/EISA Memory BIOS Interface/),
    },
  ],
})
