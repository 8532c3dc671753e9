import { all, defineGuest, graphics, image, still, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'helenos',
  title: 'HelenOS',
  family: 'hobby',
  licence: 'BSD-3-Clause',
  machine: { memory: 256, cdrom: image('HelenOS-*-ia32.iso', { maker: 'the HelenOS project’s CD for ia32' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'a boot menu', until: text(/GRUB|ISOLINUX|SYSLINUX|Boot menu/i), timeout: '5m' },
    { name: 'desktop', title: 'the desktop stands still', until: all(graphics(), still('10s')), timeout: '15m' },
  ],
})
