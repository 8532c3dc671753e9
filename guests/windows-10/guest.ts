import { defineGuest, image } from 'bootwright'
import { answerDiskette } from '../answers.js'
import { autounattend, graphicalSetup } from '../windows.js'

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
  levels: graphicalSetup,
  hostTimeout: '24h',
  heavy: 'installs a whole system',
})
