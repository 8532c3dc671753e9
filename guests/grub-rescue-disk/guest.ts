import { defineGuest, packageFile } from 'bootwright'
import { grubRescue } from '../levels.js'

export default defineGuest({
  name: 'grub-rescue-disk',
  title: 'GRUB 2 rescue disk',
  family: 'boot loader',
  licence: 'GPL-3.0-or-later',
  machine: { memory: 64, disks: [packageFile('grub-rescue-pc', '/usr/lib/grub-rescue/grub-rescue-usb.img')] },
  levels: grubRescue('hd0'),
})
