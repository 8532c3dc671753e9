import { defineGuest, image } from 'bootwright'
import { bootMenu, firmware, login, rootShell } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'alpine-x86',
  title: 'Alpine Linux x86, “virtual” image',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 512,
    cdrom: image('alpine-virt-*-x86.iso', { maker: 'the Alpine project’s “virtual” image for x86' }),
  },
  levels: [firmware, bootMenu, login, rootShell],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
