import { defineGuest, graphics, image } from 'bootwright'
import { firmware, setup } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-10',
  title: 'Windows 10',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: { memory: 2048, cdrom: image('Win10_*.iso', { maker: 'Microsoft’s image of the media creation tool' }) },
  levels: [firmware, { name: 'loader', title: 'it loads its files', until: graphics(), timeout: '10m' }, setup('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
