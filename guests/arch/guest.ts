import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'arch',
  title: 'Arch Linux',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: { memory: 1024, cdrom: image('archlinux-*-x86_64.iso', { maker: 'the Arch project’s monthly image' }) },
  levels: [
    firmware,
    bootMenu,
    { name: 'userland', title: 'root is logged in', until: text(/root@archiso/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
