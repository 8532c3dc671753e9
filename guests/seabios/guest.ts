import { defineGuest, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'seabios',
  title: 'SeaBIOS with an empty disk',
  family: 'firmware',
  licence: 'LGPL-3.0-only',
  machine: { memory: 32, disks: [{ size: '8M' }], boot: 'menu=on' },
  levels: [
    firmware,
    {
      name: 'keyboard',
      title: 'Esc opens its boot menu',
      keys: "<wait 'Press ESC'><esc>",
      until: text('Select boot device'),
    },
    { name: 'disk', title: 'which lists the disk', until: text(/1\. .*(ata|AHCI|Disk|HARDDISK)/i) },
    { name: 'loader', title: 'an empty disk boots nothing', keys: '1', until: text(/not a bootable disk/) },
  ],
})
