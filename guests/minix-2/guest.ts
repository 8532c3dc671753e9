import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'minix-2',
  title: 'MINIX 2',
  family: 'Unix',
  licence: 'BSD-3-Clause',
  machine: { memory: 16, floppies: [image('minix2*.img', { maker: 'the boot floppy of release 2.0.4' })] },
  levels: [
    firmware,
    { name: 'loader', title: 'its monitor', until: text(/Boot Monitor|Minix/i), timeout: '2m' },
    { name: 'userland', title: 'the login', until: text(/login:/), timeout: '5m' },
  ],
})
