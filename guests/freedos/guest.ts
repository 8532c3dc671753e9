import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'freedos',
  title: 'FreeDOS',
  family: 'DOS',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 16, floppies: [image('freedos722.img')] },
  levels: [
    firmware,
    { name: 'kernel', title: 'the kernel’s first line', until: text(/FreeDOS kernel - SVN \(build 2040/) },
    { name: 'shell', title: 'the prompt A:\\>', until: text(/^A:\\>$/) },
    {
      name: 'keyboard',
      title: 'dir lists the floppy',
      keys: 'dir<enter>',
      until: text(/dir\(s\) .* bytes free\n+A:\\>$/),
    },
  ],
})
