import { all, graphics, serial, still } from '../../harness/conditions.js'
import { defineGuest } from '../../harness/guest.js'
import { DEBIAN, debianFiles } from '../debian-12.js'
import { firmware } from '../levels.js'

export default defineGuest({
  ...DEBIAN,
  name: 'debian-12-amd64-gtk-installer',
  title: 'Debian 12 amd64, graphical installer',
  machine: {
    memory: 1024,
    kernel: { ...debianFiles('amd64', 'gtk'), append: 'vga=788 console=ttyS0,115200 console=tty0' },
  },
  levels: [
    firmware,
    { name: 'kernel', title: 'the mode of vga=788', until: graphics(800, 600) },
    { name: 'userland', title: '/init starts', until: serial('Run /init as init process'), timeout: '15m' },
    { name: 'installer', title: 'a still picture', until: all(graphics(800, 600), still('30s')), timeout: '15m' },
  ],
  hostTimeout: '60m',
  heavy: 'executes some 20,000 million instructions',
})
