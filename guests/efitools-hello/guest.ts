import { all, defineGuest, packageFile, serial, still } from 'bootwright'
import { efiDisk, ovmf, UEFI } from '../efi.js'

const program = packageFile('efitools', '/usr/lib/efitools/x86_64-linux-gnu/HelloWorld.efi', { unpackOnly: true })

export default defineGuest({
  name: 'efitools-hello',
  title: 'HelloWorld.efi of efitools',
  family: 'UEFI program',
  licence: 'GPL-2.0-only',
  machine: { ...UEFI, disks: [efiDisk('efitools-hello', program)] },
  media: [ovmf],
  // The firmware says it on COM1 before it has drawn it.
  levels: [
    { name: 'program', title: 'its box says Hello', until: all(serial(/Hello/), still('500ms')), timeout: '5m' },
  ],
})
