import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'smartos',
  title: 'SmartOS',
  family: 'Solaris',
  licence: 'CDDL-1.0',
  machine: { memory: 2048, cdrom: image('smartos-*.iso', { maker: 'the SmartOS platform image as a CD' }) },
  levels: [
    firmware,
    bootMenu,
    { name: 'installer', title: 'its configurator', until: text(/SmartOS Setup|configurator/i), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
