import { defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'ipxe',
  title: 'iPXE',
  family: 'boot loader',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 64, cdrom: packageFile('ipxe', '/usr/lib/ipxe/ipxe.iso') },
  levels: [
    firmware,
    { name: 'loader', title: 'ISOLINUX’s banner', until: text(/ISOLINUX \d/) },
    { name: 'kernel', title: 'its own banner', until: text('Press Ctrl-B for the iPXE command line') },
    {
      name: 'shell',
      title: 'the prompt iPXE> after Ctrl-B',
      keys: '<leftCtrlOn>b<leftCtrlOff>',
      until: text(/^iPXE>/),
    },
    {
      name: 'keyboard',
      title: 'show version answers',
      keys: 'show version<enter>',
      until: text(/^builtin\/version:string = \d/),
    },
  ],
})
