import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'gentoo',
  title: 'Gentoo, minimal installation CD',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: { memory: 1024, cdrom: image('install-amd64-minimal-*.iso', { maker: 'Gentoo’s minimal CD for amd64' }) },
  levels: [firmware, bootMenu, { name: 'userland', title: 'a prompt', until: text(/livecd ~ #/), timeout: '30m' }],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
