import { text } from '../../harness/conditions.js'
import { defineGuest } from '../../harness/guest.js'
import { packageFile } from '../../harness/guest-media.js'
import { firmware } from '../levels.js'

const FOLDER = '/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386'

export default defineGuest({
  name: 'debian-12-i386-installer',
  title: 'Debian 12 i386, installer',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 512,
    kernel: {
      image: packageFile('debian-installer-12-netboot-i386', `${FOLDER}/linux`),
      initrd: packageFile('debian-installer-12-netboot-i386', `${FOLDER}/initrd.gz`),
      // In text mode, so that the dialogs can be read exactly.
      append: 'vga=normal fb=false nomodeset',
    },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'its messages on the screen', until: text(/^\[ +\d+\.\d+\] /) },
    { name: 'userland', title: '/init starts', until: text('Run /init as init process'), timeout: '15m' },
    {
      name: 'installer',
      title: 'the dialog “Select a language”',
      until: text(/Select a language[\s\S]*<Tab> moves/),
      timeout: '15m',
    },
    {
      name: 'keyboard',
      title: 'Enter goes on to the location',
      keys: '<wait2><enter>',
      until: text(/Select your location[\s\S]*<Tab> moves/),
      timeout: '15m',
    },
  ],
  hostTimeout: '20m',
})
