import { defineGuest, image, text } from 'bootwright'
import { desktop, firmware, installed } from '../levels.js'

/** Its Setup takes answers from its own CD alone; each of its pages is answered by what it proposes. */
const PAGES = [
  ...['Language Selection', 'Welcome to ReactOS Setup', 'Version Status', 'current device settings'],
  ...['existing partitions', 'format', 'format', 'onto the selected partition', 'boot loader'],
]

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'reactos',
  title: 'ReactOS, installation CD',
  family: 'Windows',
  licence: 'GPL-2.0-or-later',
  machine: {
    memory: 256,
    boot: 'order=cd',
    cdrom: image('ReactOS-*.iso', { maker: 'the ReactOS project’s boot CD' }),
    disks: [{ size: '2G' }],
  },
  levels: [
    firmware,
    { name: 'loader', title: 'FreeLoader', until: text(/FreeLoader|ReactOS/), timeout: '5m' },
    { name: 'installer', title: 'its first page', until: text(/Language Selection|Setup/), timeout: '30m' },
    {
      ...installed('2h', PAGES.map((page) => `<wait '${page}'><enter><wait1>`).join('')),
      title: 'its files are copied, and it is reset',
    },
    desktop('2h'),
  ],
  hostTimeout: '4h',
  heavy: 'installs a whole system',
})
