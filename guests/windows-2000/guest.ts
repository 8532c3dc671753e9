import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-2000',
  title: 'Windows 2000',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: { memory: 128, cdrom: image('win2000*.iso', { maker: 'a CD of one’s own' }) },
  levels: [
    firmware,
    {
      name: 'installer',
      title: 'Setup asks what to do',
      until: text(/Windows 2000.*Setup[\s\S]*ENTER/),
      timeout: '30m',
    },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
