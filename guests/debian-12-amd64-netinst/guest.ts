import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'debian-12-amd64-netinst',
  title: 'Debian 12 amd64, netinst CD',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 1024,
    cdrom: image('debian-12*-amd64-netinst.iso', { maker: 'Debian’s small installation image for amd64' }),
  },
  levels: [
    firmware,
    bootMenu,
    { name: 'installer', title: 'its first dialog', until: text(/Select a language/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
