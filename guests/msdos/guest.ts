import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'msdos',
  title: 'MS-DOS 6.22',
  family: 'DOS',
  licence: 'LicenseRef-Microsoft',
  machine: { memory: 16, floppies: [image('*dos622*.img', { maker: 'a boot floppy of one’s own' })] },
  levels: [
    firmware,
    { name: 'kernel', title: 'it starts', until: text(/Starting MS-DOS/) },
    { name: 'shell', title: 'the prompt', until: text(/^A:\\>/m), timeout: '5m' },
  ],
})
