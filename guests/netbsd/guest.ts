import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'netbsd',
  title: 'NetBSD',
  family: 'BSD',
  licence: 'BSD-2-Clause',
  machine: {
    memory: 256,
    cdrom: image('NetBSD-*-amd64.iso', { maker: 'the NetBSD project’s installation CD for amd64' }),
  },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/NetBSD/), timeout: '5m' },
    { name: 'installer', title: 'sysinst', until: text(/Installation messages in English/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
