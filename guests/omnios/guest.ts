import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'omnios',
  title: 'OmniOS',
  family: 'Solaris',
  licence: 'CDDL-1.0',
  machine: { memory: 2048, cdrom: image('omnios-r*.iso', { maker: 'the OmniOS project’s installation image' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/OmniOS/), timeout: '5m' },
    { name: 'installer', title: 'the installer’s menu', until: text(/Install OmniOS/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
