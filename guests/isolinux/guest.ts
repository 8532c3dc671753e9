import { defineGuest, text } from 'bootwright'
import { firmware } from '../levels.js'
import { isolinuxCd, SYSLINUX } from '../syslinux.js'

const config = `UI menu.c32
MENU TITLE Bootwright's menu
LABEL first
  MENU LABEL First entry
  COM32 pwd.c32
LABEL second
  MENU LABEL Second entry
  COM32 pwd.c32
`

export default defineGuest({
  ...SYSLINUX,
  name: 'isolinux',
  title: 'ISOLINUX with a text menu',
  machine: {
    memory: 64,
    cdrom: isolinuxCd('isolinux', config, ['ldlinux', 'libcom32', 'libutil', 'menu', 'pwd']),
  },
  levels: [
    firmware,
    { name: 'loader', title: 'ISOLINUX’s banner', until: text(/ISOLINUX \d/) },
    { name: 'menu', title: 'the menu’s entries', until: text(/Bootwright's menu[\s\S]*Second entry/) },
    { name: 'keyboard', title: 'Tab shows an entry’s line', keys: '<down><tab>', until: text(/> .*pwd\.c32/) },
  ],
})
