import { defineGuest, serial } from 'bootwright'
import { DEBIAN, debianFiles, kernelOnScreen, userland } from '../debian-12.js'
import { firmware } from '../levels.js'

const CPUS = 4

export default defineGuest({
  ...DEBIAN,
  name: 'debian-12-amd64-kernel',
  title: 'Debian 12 amd64, kernel on four CPUs',
  machine: {
    memory: 512,
    cpus: CPUS,
    kernel: { ...debianFiles('amd64'), append: 'console=ttyS0,115200 console=tty0 nomodeset' },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'its version on COM1', until: serial(/^\[ +0\.000000\] Linux version 6\.1/) },
    { ...kernelOnScreen, name: 'screen' },
    { name: 'cpus', title: 'all of its CPUs run', until: serial(new RegExp(`Brought up 1 node, ${CPUS} CPUs`)) },
    { name: 'devices', title: 'the RTC’s driver is there', until: serial(/rtc_cmos .*: registered as rtc0/) },
    userland,
  ],
  hostTimeout: '40m',
  heavy: 'executes some 6,000 million instructions',
})
