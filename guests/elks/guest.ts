import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'elks',
  title: 'ELKS 0.6',
  family: '16-bit Unix',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 16, floppies: [image('elks-fd1440.img')] },
  levels: [
    firmware,
    { name: 'loader', title: 'the boot sector finds the kernel', until: text('ELKS Setup') },
    { name: 'kernel', title: 'the kernel’s version', until: text(/ELKS kernel 0\.6\.0/) },
    { name: 'shell', title: 'the prompt #', until: text(/^#$/) },
    { name: 'keyboard', title: 'ls lists the root folder', keys: 'ls<enter>', until: text(/^bin +bootopts +dev/) },
  ],
})
