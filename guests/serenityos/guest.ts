import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'serenityos',
  title: 'SerenityOS',
  family: 'hobby',
  licence: 'BSD-2-Clause',
  machine: { memory: 1024, disks: [image('serenity*grub*.img', { maker: 'a GRUB disk image of one’s own build' })] },
  levels: [firmware, { name: 'loader', title: 'GRUB’s menu', until: text(/GRUB/) }, desktop('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole desktop',
})
