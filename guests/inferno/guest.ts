import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'inferno',
  title: 'Inferno',
  family: 'Plan 9',
  licence: 'MIT',
  machine: { memory: 64, floppies: [image('inferno*.img', { maker: 'a native boot floppy' })] },
  levels: [firmware, { name: 'kernel', title: 'its version', until: text(/Inferno/), timeout: '5m' }],
})
