import { defineGuest, graphics, serial } from 'bootwright'
import { ovmf, UEFI } from '../efi.js'

export default defineGuest({
  name: 'ovmf-shell',
  title: 'OVMF with the UEFI shell',
  family: 'firmware',
  licence: 'BSD-2-Clause-Patent',
  machine: UEFI,
  media: [ovmf],
  levels: [
    { name: 'firmware', title: 'it shows 1280×800 pixels', until: graphics(1280, 800), timeout: '5m' },
    { name: 'shell', title: 'the prompt Shell>', until: serial(/Shell> /), timeout: '5m' },
    {
      name: 'keyboard',
      title: 'echo answers',
      keys: '<wait1>echo six times seven<enter>',
      until: serial(/^six times seven/m),
    },
  ],
})
