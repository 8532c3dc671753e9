import { all, defineGuest, graphics, image, still } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'haiku',
  title: 'Haiku',
  family: 'BeOS',
  licence: 'MIT',
  machine: { memory: 512, cdrom: image('haiku-*-anyboot.iso', { maker: 'the Haiku project’s “anyboot” image' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'its splash screen', until: graphics(), timeout: '5m' },
    { name: 'desktop', title: 'the desktop stands still', until: all(graphics(), still('10s')), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole desktop',
})
