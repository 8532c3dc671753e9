import { all, defineGuest, graphics, image, still, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'toaruos',
  title: 'ToaruOS',
  family: 'hobby',
  licence: 'NCSA',
  machine: { memory: 512, cdrom: image('toaruos*.iso', { maker: 'the ToaruOS project’s live CD' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/ToaruOS/), timeout: '5m' },
    { name: 'desktop', title: 'the desktop stands still', until: all(graphics(), still('10s')), timeout: '15m' },
  ],
})
