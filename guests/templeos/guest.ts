import { defineGuest, image } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'templeos',
  title: 'TempleOS',
  family: 'hobby',
  licence: 'Unlicense',
  machine: { memory: 512, cdrom: image('TempleOS*.ISO', { maker: 'the last distribution CD' }) },
  levels: [firmware, desktop('10m')],
})
