import { defineGuest, graphics, image } from 'bootwright'
import { answerDiskette } from '../answers.js'
import { ovmf } from '../efi.js'
import { desktop, installed, setup } from '../levels.js'
import { autounattend } from '../windows.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-11',
  title: 'Windows 11, installs itself by an Autounattend.xml',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    firmware: 'uefi',
    memory: 3072,
    cdrom: image('Win11_*.iso', {
      maker: 'Microsoft’s image; that the machine has neither a TPM nor Secure Boot, the answers have it overlook',
    }),
    floppies: [answerDiskette('windows-11', autounattend('uefi'))],
    disks: [{ size: '64G' }],
  },
  media: [ovmf],
  levels: [
    {
      name: 'loader',
      title: 'it loads its files',
      keys: "<wait 'Press any key'><spacebar>",
      until: graphics(),
      timeout: '10m',
    },
    setup('30m'),
    installed('6h'),
    desktop('4h'),
  ],
  hostTimeout: '24h',
  heavy: 'installs a whole system',
})
