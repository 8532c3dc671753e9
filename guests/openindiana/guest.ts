import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'openindiana',
  title: 'OpenIndiana, minimal',
  family: 'Solaris',
  licence: 'CDDL-1.0',
  machine: {
    memory: 2048,
    cdrom: image('OI-hipster-minimal-*.iso', { maker: 'the OpenIndiana project’s minimal image' }),
  },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/OpenIndiana|illumos/), timeout: '5m' },
    { name: 'installer', title: 'the keyboard question', until: text(/keyboard layout/i), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
