import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'aros',
  title: 'AROS',
  family: 'Amiga',
  licence: 'APL-1.1',
  machine: {
    memory: 256,
    cdrom: image('AROS-*-pc-i386-boot-iso.iso', { maker: 'the AROS project’s nightly boot CD' }),
  },
  levels: [firmware, { name: 'loader', title: 'GRUB’s menu', until: text(/GRUB/) }, desktop('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole desktop',
})
