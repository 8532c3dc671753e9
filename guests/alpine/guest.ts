import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'alpine',
  title: 'Alpine Linux, “virtual” image',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 512,
    cdrom: image('alpine-virt-*-x86_64.iso', { maker: 'the Alpine project’s “virtual” image for x86_64' }),
  },
  levels: [
    firmware,
    { name: 'loader', title: 'a boot menu', until: text(/GRUB|ISOLINUX|SYSLINUX|Boot menu/i), timeout: '5m' },
    { name: 'userland', title: 'the login', until: text(/login:/), timeout: '20m' },
    { name: 'shell', title: 'a shell', keys: 'root<enter>', until: text(/# $/m), timeout: '5m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
