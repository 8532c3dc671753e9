import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'tinycore',
  title: 'Tiny Core Linux, Core',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: { memory: 128, cdrom: image('Core-*.iso', { maker: 'the Tiny Core project’s 17 MB “Core” image' }) },
  levels: [firmware, bootMenu, { name: 'shell', title: 'the prompt of tc', until: text(/tc@box/), timeout: '10m' }],
})
