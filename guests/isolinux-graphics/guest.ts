import { all, defineGuest, graphics, still } from 'bootwright'
import { firmware } from '../levels.js'
import { isolinuxCd, SYSLINUX } from '../syslinux.js'

const config = `UI vesamenu.c32
MENU TITLE Bootwright's menu in graphics
MENU RESOLUTION 1024 768
LABEL first
  MENU LABEL First entry
  COM32 pwd.c32
LABEL second
  MENU LABEL Second entry
  COM32 pwd.c32
`

export default defineGuest({
  ...SYSLINUX,
  name: 'isolinux-graphics',
  title: 'ISOLINUX with a graphical menu',
  machine: {
    memory: 64,
    cdrom: isolinuxCd('isolinux-graphics', config, ['ldlinux', 'libcom32', 'libutil', 'vesamenu', 'pwd']),
  },
  levels: [
    firmware,
    { name: 'graphics', title: 'the mode of 1024×768', until: graphics(1024, 768) },
    { name: 'desktop', title: 'the menu stands still', until: all(graphics(1024, 768), still('1s')) },
  ],
})
