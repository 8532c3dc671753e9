import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

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
  levels: [
    firmware,
    bootMenu,
    { name: 'installer', title: 'Anaconda starts', until: text(/anaconda|installer/i), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
