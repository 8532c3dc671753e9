import { defineGuest, image } from 'bootwright'
import { anaconda, bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'fedora',
  title: 'Fedora Server, network install',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    cdrom: image('Fedora-Server-netinst-x86_64-*.iso', { maker: 'the Fedora project’s network image for x86_64' }),
  },
  levels: [firmware, bootMenu, anaconda],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
