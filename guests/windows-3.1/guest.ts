import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-3.1',
  title: 'Windows 3.1',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 16,
    disks: [image('win31*.img', { maker: 'a disk of one’s own with MS-DOS and Windows 3.1, started by AUTOEXEC.BAT' })],
  },
  levels: [firmware, { name: 'kernel', title: 'DOS starts', until: text(/MS-DOS/) }, desktop('5m')],
})
