import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'reactos',
  title: 'ReactOS, installation CD',
  family: 'Windows',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 256, cdrom: image('ReactOS-*.iso', { maker: 'the ReactOS project’s boot CD' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'FreeLoader', until: text(/FreeLoader|ReactOS/), timeout: '5m' },
    { name: 'installer', title: 'its first page', until: text(/Language Selection|Setup/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
