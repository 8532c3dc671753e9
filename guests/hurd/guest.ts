import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware, login } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'hurd',
  title: 'Debian GNU/Hurd',
  family: 'Hurd',
  licence: 'GPL-2.0-or-later',
  machine: { memory: 1024, disks: [image('debian-hurd*.img', { maker: 'the Debian ports’ pre-installed image' })] },
  levels: [firmware, bootMenu, { name: 'kernel', title: 'GNU Mach', until: text(/GNU Mach/), timeout: '5m' }, login],
  hostTimeout: '60m',
  heavy: 'boots a whole system',
})
