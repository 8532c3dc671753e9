import { defineGuest, packageFile } from 'bootwright'
import { grubRescue } from '../levels.js'

export default defineGuest({
  name: 'grub-rescue-cd',
  title: 'GRUB 2 rescue CD',
  family: 'boot loader',
  licence: 'GPL-3.0-or-later',
  machine: { memory: 64, cdrom: packageFile('grub-rescue-pc', '/usr/lib/grub-rescue/grub-rescue-cdrom.iso') },
  levels: grubRescue('cd'),
})
