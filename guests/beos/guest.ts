import { defineGuest, graphics, image } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'beos',
  title: 'BeOS 5 Personal Edition',
  family: 'BeOS',
  licence: 'LicenseRef-Be',
  machine: {
    memory: 64,
    floppies: [image('beos*floppy*.img', { maker: 'Be’s boot floppy, with the image on a disk' })],
  },
  levels: [firmware, { name: 'kernel', title: 'its splash screen', until: graphics(), timeout: '5m' }],
})
