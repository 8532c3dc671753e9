import { defineGuest, image } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'zealos',
  title: 'ZealOS',
  family: 'hobby',
  licence: 'Unlicense',
  machine: { memory: 512, cdrom: image('ZealOS*.iso', { maker: 'the ZealOS project’s CD for BIOS' }) },
  levels: [firmware, desktop('10m')],
})
