import { defineGuest, image } from 'bootwright'
import { answerDiskette } from '../answers.js'
import { textSetup, winnt } from '../windows.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-xp',
  title: 'Windows XP, installs itself by a WINNT.SIF',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 256,
    boot: 'order=cd',
    cdrom: image('winxp*.iso', { maker: 'a CD of one’s own; its key is BOOTWRIGHT_WINDOWS_KEY' }),
    floppies: [answerDiskette('windows-xp', winnt())],
    disks: [{ size: '4G' }],
  },
  levels: textSetup,
  hostTimeout: '10h',
  heavy: 'installs a whole system',
})
