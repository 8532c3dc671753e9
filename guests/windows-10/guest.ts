import { defineGuest, graphics, image } from 'bootwright'
import { answerDiskette } from '../answers.js'
import { desktop, firmware, installed, setup } from '../levels.js'
import { autounattend } from '../windows.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-10',
  title: 'Windows 10, installs itself by an Autounattend.xml',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 2048,
    boot: 'order=cd',
    cdrom: image('Win10_*.iso', { maker: 'Microsoft’s image of the media creation tool' }),
    floppies: [answerDiskette('windows-10', autounattend('bios'))],
    disks: [{ size: '32G' }],
  },
  levels: [
    firmware,
    { name: 'loader', title: 'it loads its files', until: graphics(), timeout: '10m' },
    setup('30m'),
    installed('6h'),
    desktop('4h'),
  ],
  hostTimeout: '24h',
  heavy: 'installs a whole system',
})
