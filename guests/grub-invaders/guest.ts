import { defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'grub-invaders',
  title: 'GRUB Invaders',
  family: 'game',
  licence: 'GPL-2.0-or-later',
  machine: {
    memory: 64,
    kernel: { image: packageFile('grub-invaders', '/boot/invaders.exec', { unpackOnly: true }) },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'rows of invaders', until: text(/-\*-/), timeout: '1m' },
    {
      name: 'keyboard',
      title: 'the ship goes to the left',
      keys: '<wait1><left><left><left><left><left><left><left><left><left><left><left><left>',
      until: text(/^ {1,36}_$/m),
      timeout: '1m',
    },
  ],
})
