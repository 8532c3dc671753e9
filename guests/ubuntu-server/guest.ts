import { defineGuest, image, serial, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'ubuntu-server',
  title: 'Ubuntu Server',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    cdrom: image('ubuntu-*-live-server-amd64.iso', { maker: 'Canonical’s server image for amd64' }),
  },
  levels: [
    firmware,
    { name: 'loader', title: 'a boot menu', until: text(/GRUB|ISOLINUX|SYSLINUX|Boot menu/i), timeout: '5m' },
    { name: 'kernel', title: 'the kernel starts', until: serial(/Linux version/), timeout: '20m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
