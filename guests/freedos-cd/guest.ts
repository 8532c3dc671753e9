import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'freedos-cd',
  title: 'FreeDOS 1.3, live CD',
  family: 'DOS',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 64, cdrom: image('FD13LIVE.iso', { maker: 'the FreeDOS project’s live CD' }) },
  levels: [firmware, bootMenu, { name: 'shell', title: 'a prompt', until: text(/[A-Z]:\\.*>/), timeout: '10m' }],
})
