import { defineGuest, image } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-95',
  title: 'Windows 95',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: { memory: 32, disks: [image('win95*.img', { maker: 'a disk of one’s own' })] },
  levels: [firmware, desktop('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole desktop',
})
