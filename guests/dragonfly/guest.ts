import { defineGuest, image, text } from 'bootwright'
import { firmware, login } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'dragonfly',
  title: 'DragonFly BSD',
  family: 'BSD',
  licence: 'BSD-3-Clause',
  machine: { memory: 512, cdrom: image('dfly-x86_64-*.iso', { maker: 'the DragonFly project’s release image' }) },
  levels: [firmware, { name: 'loader', title: 'its menu', until: text(/DragonFly/), timeout: '5m' }, login],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
