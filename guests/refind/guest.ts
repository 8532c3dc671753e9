import { all, defineGuest, graphics, packageFile, serial, still } from 'bootwright'
import { efiDisk, ovmf, UEFI } from '../efi.js'

const loader = packageFile('refind', '/usr/share/refind/refind/refind_x64.efi', { unpackOnly: true })
const config = 'timeout 0\nscanfor manual\ntextonly false\n'

export default defineGuest({
  name: 'refind',
  title: 'rEFInd',
  family: 'boot loader',
  licence: 'GPL-3.0-or-later',
  machine: { ...UEFI, disks: [efiDisk('refind', loader, [{ path: 'EFI/BOOT/refind.conf', text: config }])] },
  media: [ovmf],
  levels: [
    { name: 'loader', title: 'the firmware starts it', until: serial(/starting Boot.*HARDDISK/), timeout: '5m' },
    { name: 'desktop', title: 'its screen stands still', until: all(graphics(1280, 800), still('5s')), timeout: '5m' },
  ],
})
