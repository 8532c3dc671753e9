import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'freebsd',
  title: 'FreeBSD, boot-only CD',
  family: 'BSD',
  licence: 'BSD-2-Clause',
  machine: {
    memory: 512,
    cdrom: image('FreeBSD-*-amd64-bootonly.iso', { maker: 'the FreeBSD project’s boot-only image for amd64' }),
  },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/Welcome to FreeBSD/), timeout: '5m' },
    {
      name: 'installer',
      title: 'the first dialog',
      until: text(/Would you like to begin an installation|Welcome/),
      timeout: '30m',
    },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
