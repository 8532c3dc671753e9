import { defineGuest, image } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'haribote',
  title: 'Haribote OS',
  family: 'hobby',
  licence: 'KL-01',
  machine: { memory: 32, floppies: [image('haribote.img', { maker: 'the floppy of the book “OS in 30 days”' })] },
  levels: [firmware, desktop('5m')],
})
