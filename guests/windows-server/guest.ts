import { defineGuest, graphics, image } from 'bootwright'
import { firmware, setup } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-server',
  title: 'Windows Server',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: { memory: 2048, cdrom: image('*SERVER_EVAL*.iso', { maker: 'Microsoft’s evaluation image' }) },
  levels: [firmware, { name: 'loader', title: 'it loads its files', until: graphics(), timeout: '10m' }, setup('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
