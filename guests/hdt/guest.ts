import { all, defineGuest, still, text } from 'bootwright'
import { firmware } from '../levels.js'
import { isolinuxCd, SYSLINUX } from '../syslinux.js'

const cd = isolinuxCd('hdt', 'DEFAULT hdt\nLABEL hdt\n  COM32 hdt.c32\n', [
  ...['ldlinux', 'libcom32', 'libutil', 'libmenu', 'libgpl', 'hdt'],
])

/** It draws its menus line by line. */
const drawn = (words: RegExp) => all(text(words), still('500ms'))

export default defineGuest({
  ...SYSLINUX,
  name: 'hdt',
  title: 'Hardware Detection Tool',
  family: 'diagnostics',
  machine: { memory: 64, cdrom: cd },
  levels: [
    firmware,
    { name: 'loader', title: 'ISOLINUX’s banner', until: text(/ISOLINUX \d/) },
    { name: 'menu', title: 'what it has found', until: drawn(/Hardware Detection Tool[\s\S]*PCI Devices/) },
    {
      name: 'keyboard',
      title: 'the menu of the processor opens',
      keys: '<down><down><enter>',
      until: drawn(/Vendor +:/),
    },
  ],
})
