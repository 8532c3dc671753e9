import { defineGuest, graphics, image } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Its Installer is a window that takes no answers, so that it is booted live. Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'haiku',
  title: 'Haiku, live (its Installer takes no answers)',
  family: 'BeOS',
  licence: 'MIT',
  machine: { memory: 512, cdrom: image('haiku-*-anyboot.iso', { maker: 'the Haiku project’s “anyboot” image' }) },
  levels: [firmware, { name: 'loader', title: 'its splash screen', until: graphics(), timeout: '5m' }, desktop('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole desktop',
})
