import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'solaris',
  title: 'Oracle Solaris 11',
  family: 'Solaris',
  licence: 'LicenseRef-Oracle',
  machine: {
    memory: 2048,
    cdrom: image('sol-11*-text-x86.iso', { maker: 'Oracle’s text installer for x86, under Oracle’s licence' }),
  },
  levels: [
    firmware,
    bootMenu,
    {
      name: 'installer',
      title: 'the language question',
      until: text(/Welcome to the Oracle Solaris|keyboard layout/),
      timeout: '30m',
    },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
