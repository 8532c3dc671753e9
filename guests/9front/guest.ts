import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: '9front',
  title: '9front',
  family: 'Plan 9',
  licence: 'MIT',
  machine: { memory: 512, cdrom: image('9front-*.amd64.iso', { maker: 'the 9front project’s image for amd64' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'it asks for bootargs', until: text(/bootargs is/), timeout: '10m' },
    {
      name: 'userland',
      title: 'it asks for the user',
      keys: '<enter>',
      until: text(/user\[glenda\]/),
      timeout: '10m',
    },
  ],
})
