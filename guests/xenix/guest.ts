import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'xenix',
  title: 'Xenix 386',
  family: 'Unix',
  licence: 'LicenseRef-SCO',
  machine: { memory: 16, floppies: [image('xenix*.img', { maker: 'the boot floppy of one’s own' })] },
  levels: [firmware, { name: 'loader', title: 'its prompt', until: text(/Boot/), timeout: '2m' }],
})
