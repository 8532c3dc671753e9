import { defineGuest, image, serial } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

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
    bootMenu,
    { name: 'kernel', title: 'the kernel starts', until: serial(/Linux version/), timeout: '20m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
