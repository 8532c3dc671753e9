import { defineGuest, image } from 'bootwright'
import { anaconda, bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'rocky',
  title: 'Rocky Linux, boot image',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    cdrom: image('Rocky-*-x86_64-boot.iso', {
      maker: 'the Rocky project’s boot image; AlmaLinux’s does as well under this name',
    }),
  },
  levels: [firmware, bootMenu, anaconda],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
