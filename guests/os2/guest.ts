import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'os2',
  title: 'OS/2 Warp 4',
  family: 'OS/2',
  licence: 'LicenseRef-IBM',
  machine: { memory: 64, floppies: [image('os2*.img', { maker: 'the installation floppy of one’s own' })] },
  levels: [firmware, { name: 'kernel', title: 'its logo', until: text(/OS\/2/), timeout: '5m' }],
})
