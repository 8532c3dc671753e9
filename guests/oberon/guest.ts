import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'oberon',
  title: 'Native Oberon',
  family: 'hobby',
  licence: 'LicenseRef-ETH',
  machine: { memory: 32, floppies: [image('oberon*.img', { maker: 'ETH Zürich’s native Oberon boot floppy' })] },
  levels: [firmware, { name: 'loader', title: 'its loader', until: text(/OBL|Oberon/), timeout: '2m' }, desktop('5m')],
})
