import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'openbsd-installer',
  title: 'OpenBSD 2.8 installer',
  family: 'BSD',
  licence: 'BSD-3-Clause',
  machine: { memory: 64, floppies: [image('openbsd-floppy.img')] },
  levels: [
    firmware,
    { name: 'loader', title: 'the prompt boot>', until: text(/^boot>/) },
    { name: 'kernel', title: 'the kernel’s version', keys: '<enter>', until: text(/OpenBSD 2\.8 \(RAMDISK\)/) },
    { name: 'installer', title: 'its first question', until: text('(I)nstall, (U)pgrade or (S)hell?') },
    { name: 'shell', title: 's opens a shell', keys: 's<enter>', until: text(/^# *$/) },
  ],
})
