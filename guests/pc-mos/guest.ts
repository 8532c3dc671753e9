import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'pc-mos',
  title: 'PC-MOS/386',
  family: 'DOS',
  licence: 'GPL-3.0-only',
  machine: { memory: 16, floppies: [image('*mos*.img', { maker: 'the boot floppy of the sources’ release' })] },
  levels: [firmware, { name: 'kernel', title: 'its version', until: text(/PC-MOS/), timeout: '5m' }],
})
