import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'opensuse',
  title: 'openSUSE Leap, network install',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    cdrom: image('openSUSE-Leap-*-NET-x86_64*.iso', { maker: 'openSUSE’s network image for x86_64' }),
  },
  levels: [
    firmware,
    bootMenu,
    { name: 'installer', title: 'YaST starts', until: text(/YaST|linuxrc/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
