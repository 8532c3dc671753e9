import { defineGuest, packageFile, serial } from 'bootwright'
import { efiDisk, ovmf, UEFI } from '../efi.js'

const program = packageFile('efitools', '/usr/lib/efitools/x86_64-linux-gnu/HelloWorld.efi', { unpackOnly: true })

export default defineGuest({
  name: 'efitools-hello',
  title: 'HelloWorld.efi of efitools',
  family: 'UEFI program',
  licence: 'GPL-2.0-only',
  machine: { ...UEFI, disks: [efiDisk('efitools-hello', program)] },
  media: [ovmf],
  levels: [{ name: 'desktop', title: 'its box says Hello', until: serial(/Hello/), timeout: '5m' }],
})
