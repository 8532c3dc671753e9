import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'pintos',
  title: 'Pintos',
  family: 'teaching',
  licence: 'MIT',
  machine: { memory: 8, disks: [image('pintos*.img', { maker: 'Stanford’s Pintos, built with a loader' })] },
  levels: [firmware, { name: 'loader', title: 'its loader', until: text(/PiLo|Pintos/), timeout: '2m' }],
})
