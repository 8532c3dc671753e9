import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'floppinux',
  title: 'floppinux',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: { memory: 32, floppies: [image('floppinux*.img', { maker: 'the project’s floppy image' })] },
  levels: [
    firmware,
    { name: 'kernel', title: 'its version', until: text(/Linux version|floppinux/i), timeout: '10m' },
    { name: 'shell', title: 'a prompt', until: text(/[#$] ?$/m), timeout: '10m' },
  ],
})
