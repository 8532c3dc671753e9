import { built, defineGuest, image, text } from 'bootwright'
import { buildIso } from '../../fixtures/iso.js'
import { firmware } from '../levels.js'

/** The boot image is the floppy of an El Torito CD; its loader looks for the CD's boot entry, so it must be on one. */
const cd = built('plan9-2004.iso', [image('plan9-2004-bootdisk.img')], ([boot]) =>
  buildIso({ volumeId: 'PLAN9', boot: { image: boot, emulation: 'floppy' } }),
)

export default defineGuest({
  name: 'plan9-2004',
  title: 'Plan 9, 4th edition (2004)',
  family: 'Plan 9',
  licence: 'LPL-1.02',
  machine: { memory: 64, cdrom: cd },
  levels: [
    firmware,
    { name: 'loader', title: 'the start menu', until: text(/Plan 9 Startup Menu:[\s\S]*Selection:/) },
    { name: 'kernel', title: '1 starts 9pcflop', keys: '1<enter>', until: text(/^Plan 9$/) },
    { name: 'userland', title: 'init runs', until: text('init: starting /bin/rc') },
    { name: 'installer', title: '“mouseport is”', until: text('mouseport is (ps2') },
  ],
})
