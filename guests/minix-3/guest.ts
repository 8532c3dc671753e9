import { defineGuest, image, text } from 'bootwright'
import { firmware, login, rootShell } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'minix-3',
  title: 'MINIX 3',
  family: 'Unix',
  licence: 'BSD-3-Clause',
  machine: { memory: 256, cdrom: image('minix_R3*.iso', { maker: 'the MINIX 3 project’s installation CD' }) },
  levels: [firmware, { name: 'loader', title: 'its boot menu', until: text(/MINIX/), timeout: '5m' }, login, rootShell],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
