import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'minix-3',
  title: 'MINIX 3',
  family: 'Unix',
  licence: 'BSD-3-Clause',
  machine: { memory: 256, cdrom: image('minix_R3*.iso', { maker: 'the MINIX 3 project’s installation CD' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'its boot menu', until: text(/MINIX/), timeout: '5m' },
    { name: 'userland', title: 'the login', until: text(/login:/), timeout: '20m' },
    { name: 'shell', title: 'a shell', keys: 'root<enter>', until: text(/# $/m), timeout: '5m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole live system',
})
