import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-98',
  title: 'Windows 98',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: { memory: 64, cdrom: image('win98*.iso', { maker: 'a bootable CD of one’s own' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'its boot menu', until: text(/CD-ROM support|Boot from CD/i), timeout: '5m' },
    { name: 'installer', title: 'Setup', until: text(/Setup/), timeout: '30m' },
  ],
})
