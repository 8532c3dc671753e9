import { defineGuest, packageFile, serial } from 'bootwright'
import { efiDisk, ovmf, UEFI } from '../efi.js'

const shim = packageFile('shim-signed', '/usr/lib/shim/shimx64.efi.signed', { unpackOnly: true })
const grub = packageFile('grub-efi-amd64-signed', '/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed', {
  unpackOnly: true,
})

// Debian's, signed by Microsoft; it starts what Debian signed.
export default defineGuest({
  name: 'shim',
  title: 'shim and GRUB 2 with Secure Boot',
  family: 'boot loader',
  licence: 'BSD-2-Clause, GPL-3.0-or-later',
  machine: {
    ...UEFI,
    firmware: 'uefi-secure',
    disks: [efiDisk('shim', shim, [{ path: 'EFI/BOOT/grubx64.efi', medium: grub }])],
  },
  media: [ovmf],
  levels: [
    { name: 'shell', title: 'the prompt grub> behind shim', until: serial(/grub> /), timeout: '10m' },
    { name: 'keyboard', title: 'it knows that it is locked down', keys: 'echo $lockdown<enter>', until: serial(/^y/m) },
    {
      name: 'signatures',
      title: 'a module that nobody signed is refused',
      keys: 'insmod (hd0,msdos1)/EFI/BOOT/grubx64.efi<enter>',
      until: serial(/^error: .*(prohibited|lockdown|secure boot)/m),
    },
  ],
})
