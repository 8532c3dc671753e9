import { defineGuest, image } from 'bootwright'
import { answerDiskette } from '../answers.js'
import { autounattend, graphicalSetup } from '../windows.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-server',
  title: 'Windows Server, installs itself by an Autounattend.xml',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 2048,
    boot: 'order=cd',
    cdrom: image('*SERVER_EVAL*.iso', { maker: 'Microsoft’s evaluation image' }),
    floppies: [answerDiskette('windows-server', autounattend('bios'))],
    disks: [{ size: '32G' }],
  },
  levels: graphicalSetup,
  hostTimeout: '24h',
  heavy: 'installs a whole system',
})
