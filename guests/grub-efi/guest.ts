import { defineGuest, packageFile, serial } from 'bootwright'
import { efiDisk, ovmf, UEFI } from '../efi.js'

const loader = packageFile('grub-efi-amd64-bin', '/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi', {
  unpackOnly: true,
})

export default defineGuest({
  name: 'grub-efi',
  title: 'GRUB 2 on UEFI',
  family: 'boot loader',
  licence: 'GPL-3.0-or-later',
  machine: { ...UEFI, disks: [efiDisk('grub-efi', loader)] },
  media: [ovmf],
  levels: [
    { name: 'shell', title: 'the prompt grub>', until: serial(/grub> /), timeout: '10m' },
    { name: 'keyboard', title: 'echo answers', keys: 'echo $grub_platform<enter>', until: serial(/^efi/m) },
    { name: 'disk', title: 'ls finds the partition', keys: 'ls<enter>', until: serial(/\(hd0,msdos1\)/) },
  ],
})
