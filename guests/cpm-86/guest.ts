import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'cpm-86',
  title: 'CP/M-86',
  family: 'CP/M',
  licence: 'LicenseRef-Digital-Research',
  machine: { memory: 1, floppies: [image('cpm86*.img', { maker: 'the boot floppy for the IBM PC' })] },
  levels: [
    firmware,
    { name: 'kernel', title: 'its version', until: text(/CP\/M-86/), timeout: '2m' },
    { name: 'shell', title: 'the prompt', until: text(/^A>/m), timeout: '2m' },
  ],
})
