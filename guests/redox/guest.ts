import { defineGuest, graphics, image } from 'bootwright'
import { ovmf } from '../efi.js'
import { desktop } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'redox',
  title: 'Redox',
  family: 'hobby',
  licence: 'MIT',
  machine: { firmware: 'uefi', memory: 1024, disks: [image('redox*.img', { maker: 'the Redox project’s demo disk' })] },
  media: [ovmf],
  levels: [{ name: 'loader', title: 'its resolution menu', until: graphics(), timeout: '10m' }, desktop('30m')],
  hostTimeout: '60m',
  heavy: 'boots a whole desktop',
})
