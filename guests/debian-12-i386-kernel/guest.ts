import { defineGuest, serial } from 'bootwright'
import { DEBIAN, debianFiles, kernelOnScreen, userland } from '../debian-12.js'
import { firmware } from '../levels.js'

export default defineGuest({
  ...DEBIAN,
  name: 'debian-12-i386-kernel',
  title: 'Debian 12 i386, kernel',
  machine: {
    memory: 512,
    kernel: { ...debianFiles('i386'), append: 'console=ttyS0,115200 console=tty0 nomodeset' },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'its version on COM1', until: serial(/^\[ +0\.000000\] Linux version 6\.1/) },
    { ...kernelOnScreen, name: 'screen' },
    { name: 'devices', title: 'the RTC’s driver is there', until: serial(/rtc_cmos .*: registered as rtc0/) },
    userland,
  ],
  hostTimeout: '15m',
})
