import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-1',
  title: 'Windows 1.0',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 2,
    floppies: [image('windows1*.img', { maker: 'a floppy of one’s own with MS-DOS and Windows 1.0' })],
  },
  levels: [firmware, { name: 'kernel', title: 'DOS starts', until: text(/MS-DOS/) }, desktop('5m')],
})
