import { defineGuest, text } from 'bootwright'
import { firmware } from '../levels.js'
import { isolinuxCd, SYSLINUX } from '../syslinux.js'

const cd = isolinuxCd('hdt', 'DEFAULT hdt\nLABEL hdt\n  COM32 hdt.c32\n', [
  ...['ldlinux', 'libcom32', 'libutil', 'libmenu', 'libgpl', 'hdt'],
])

export default defineGuest({
  ...SYSLINUX,
  name: 'hdt',
  title: 'Hardware Detection Tool',
  family: 'diagnostics',
  machine: { memory: 64, cdrom: cd },
  levels: [
    firmware,
    { name: 'loader', title: 'ISOLINUX’s banner', until: text(/ISOLINUX \d/) },
    { name: 'menu', title: 'what it has found', until: text(/Hardware Detection Tool[\s\S]*PCI Devices/) },
    {
      name: 'keyboard',
      title: 'the menu of the processor opens',
      keys: '<down><down><enter>',
      until: text(/Vendor +:/),
    },
  ],
})
