import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'toaruos',
  title: 'ToaruOS',
  family: 'hobby',
  licence: 'NCSA',
  machine: { memory: 512, cdrom: image('toaruos*.iso', { maker: 'the ToaruOS project’s live CD' }) },
  levels: [firmware, { name: 'loader', title: 'its menu', until: text(/ToaruOS/), timeout: '5m' }, desktop('15m')],
})
