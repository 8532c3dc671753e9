import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: '9legacy',
  title: '9legacy',
  family: 'Plan 9',
  licence: 'MIT',
  machine: { memory: 256, cdrom: image('9legacy*.iso', { maker: 'the 9legacy image of Plan 9' }) },
  levels: [firmware, { name: 'loader', title: 'the start menu', until: text(/Plan 9 Startup Menu/), timeout: '5m' }],
})
