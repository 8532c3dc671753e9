import { defineGuest, image } from 'bootwright'
import { answerDiskette } from '../answers.js'
import { textSetup, winnt } from '../windows.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-2000',
  title: 'Windows 2000, installs itself by a WINNT.SIF',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 128,
    boot: 'order=cd',
    cdrom: image('win2000*.iso', { maker: 'a CD of one’s own; its key is BOOTWRIGHT_WINDOWS_KEY' }),
    floppies: [answerDiskette('windows-2000', winnt())],
    disks: [{ size: '4G' }],
  },
  levels: textSetup,
  hostTimeout: '10h',
  heavy: 'installs a whole system',
})
