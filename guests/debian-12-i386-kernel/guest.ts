import { serial, text } from '../../harness/conditions.js'
import { defineGuest } from '../../harness/guest.js'
import { packageFile } from '../../harness/guest-media.js'
import { firmware } from '../levels.js'

const FOLDER = '/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386'

export default defineGuest({
  name: 'debian-12-i386-kernel',
  title: 'Debian 12 i386, kernel',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 512,
    kernel: {
      image: packageFile('debian-installer-12-netboot-i386', `${FOLDER}/linux`),
      initrd: packageFile('debian-installer-12-netboot-i386', `${FOLDER}/initrd.gz`),
      append: 'console=ttyS0,115200 console=tty0 nomodeset',
    },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'its version on COM1', until: serial(/^\[ +0\.000000\] Linux version 6\.1/) },
    { name: 'screen', title: 'its messages on the screen', until: text(/^\[ +\d+\.\d+\] /) },
    { name: 'devices', title: 'the RTC’s driver is there', until: serial(/rtc_cmos .*: registered as rtc0/) },
    { name: 'userland', title: '/init starts', until: text('Run /init as init process'), timeout: '15m' },
  ],
  hostTimeout: '15m',
})
