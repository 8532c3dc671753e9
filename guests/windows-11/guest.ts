import { defineGuest, graphics, image } from 'bootwright'
import { ovmf } from '../efi.js'
import { setup } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-11',
  title: 'Windows 11',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    firmware: 'uefi',
    memory: 3072,
    cdrom: image('Win11_*.iso', {
      maker: 'Microsoft’s image; it wants UEFI with Secure Boot and a TPM, which the machine lacks so far',
    }),
  },
  media: [ovmf],
  levels: [{ name: 'loader', title: 'it loads its files', until: graphics(), timeout: '10m' }, setup('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
