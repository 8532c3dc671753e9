import { all, defineGuest, graphics, image, still, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'menuetos',
  title: 'MenuetOS 32',
  family: 'hobby',
  licence: 'LicenseRef-Menuet',
  machine: { memory: 64, floppies: [image('M32*.IMG', { maker: 'the MenuetOS project’s floppy image' })] },
  levels: [
    firmware,
    { name: 'loader', title: 'its questions', until: text(/Menuet/), timeout: '2m' },
    { name: 'desktop', title: 'the desktop stands still', until: all(graphics(), still('10s')), timeout: '5m' },
  ],
})
