import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'freedos-installer',
  title: 'FreeDOS 1.3 installer',
  family: 'DOS',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 32, floppies: [image('freedos13-floppy.img')] },
  levels: [
    firmware,
    { name: 'kernel', title: 'the language menu', until: text('FreeDOS 1.3 Floppy Edition') },
    { name: 'shell', title: 'FreeCOM’s banner', keys: '1', until: text('FreeCom version') },
    { name: 'installer', title: '“Do you want to proceed”', until: text('Do you want to proceed') },
  ],
})
