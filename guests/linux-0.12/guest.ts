import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'linux-0.12',
  title: 'Linux 0.12',
  family: 'Linux',
  licence: 'LicenseRef-Linux-0.12',
  machine: {
    memory: 16,
    floppies: [image('linux-0.12*.img', { maker: 'the boot floppy of January 1992, with a root floppy in drive B' })],
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'it asks for the root floppy', until: text(/Insert root floppy|Loading system/) },
  ],
})
