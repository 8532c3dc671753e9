import { all, defineGuest, packageFile, serial, still } from 'bootwright'
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
    // The firmware's console says on COM1 what is on the screen.
    {
      name: 'menu',
      title: 'its main menu',
      until: all(serial(/rEFInd - Main Menu[\s\S]*Esc or Backspace to refresh/), still('500ms')),
      timeout: '5m',
    },
    {
      name: 'keyboard',
      title: 'About rEFInd opens',
      keys: '<wait1><down><enter>',
      until: all(serial(/Press Enter to return|rEFInd - About/), still('500ms')),
    },
  ],
})
