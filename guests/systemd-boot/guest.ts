import { defineGuest, packageFile, serial } from 'bootwright'
import { efiDisk, ovmf, UEFI } from '../efi.js'

const loader = packageFile('systemd-boot-efi', '/usr/lib/systemd/boot/efi/systemd-bootx64.efi', { unpackOnly: true })

export default defineGuest({
  name: 'systemd-boot',
  title: 'systemd-boot',
  family: 'boot loader',
  licence: 'LGPL-2.1-or-later',
  machine: {
    ...UEFI,
    disks: [efiDisk('systemd-boot', loader, [{ path: 'loader/loader.conf', text: 'timeout 60\n' }])],
  },
  media: [ovmf],
  levels: [
    { name: 'loader', title: 'its menu', until: serial(/Reboot Into Firmware Interface/), timeout: '5m' },
    { name: 'keyboard', title: 'v shows its version', keys: '<wait1>v', until: serial(/systemd-boot \d+/) },
  ],
})
