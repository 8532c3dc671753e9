import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'qnx',
  title: 'QNX demo disk',
  family: 'Unix',
  licence: 'LicenseRef-QNX',
  machine: { memory: 16, floppies: [image('qnx*.img', { maker: 'QNX’s demo floppy of 1999' })] },
  levels: [firmware, { name: 'kernel', title: 'it boots', until: text(/QNX/), timeout: '2m' }, desktop('5m')],
})
