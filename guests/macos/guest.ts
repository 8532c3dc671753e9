import { defineGuest, graphics, image } from 'bootwright'
import { ovmf } from '../efi.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'macos',
  title: 'Mac OS X',
  family: 'macOS',
  licence: 'LicenseRef-Apple',
  machine: {
    firmware: 'uefi',
    memory: 3072,
    cdrom: image('macos*.iso', {
      maker:
        'an installer of one’s own; Apple’s licence allows it on Apple’s hardware alone, and the machine lacks Apple’s SMC, AHCI-only storage and a loader of HFS+',
    }),
  },
  media: [ovmf],
  levels: [{ name: 'loader', title: 'a loader finds it', until: graphics(), timeout: '10m' }],
  hostTimeout: '60m',
  heavy: 'Apple’s licence allows it on Apple’s hardware alone',
})
