import { defineGuest, image } from 'bootwright'
import { bootMenu, desktop, firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'helenos',
  title: 'HelenOS',
  family: 'hobby',
  licence: 'BSD-3-Clause',
  machine: { memory: 256, cdrom: image('HelenOS-*-ia32.iso', { maker: 'the HelenOS project’s CD for ia32' }) },
  levels: [firmware, bootMenu, desktop('15m')],
})
