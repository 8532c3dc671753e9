import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'menuetos',
  title: 'MenuetOS 32',
  family: 'hobby',
  licence: 'LicenseRef-Menuet',
  machine: { memory: 64, floppies: [image('M32*.IMG', { maker: 'the MenuetOS project’s floppy image' })] },
  levels: [firmware, { name: 'loader', title: 'its questions', until: text(/Menuet/), timeout: '2m' }, desktop('5m')],
})
