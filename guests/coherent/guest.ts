import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

export default defineGuest({
  name: 'coherent',
  title: 'Coherent 4.2.10 installer',
  family: 'Unix',
  licence: 'BSD-3-Clause',
  machine: {
    memory: 16,
    floppies: [image('coherent-4.2.10-d1.img')],
    disks: [{ size: '100M', if: 'ide' }],
    boot: 'order=ac',
  },
  levels: [
    firmware,
    { name: 'loader', title: 'the tertiary boot’s prompt', until: text('please type "begin"') },
    { name: 'kernel', title: 'the installer’s banner', keys: 'begin<enter>', until: text('The COHERENT System') },
    {
      name: 'installer',
      title: 'it asks for the serial number',
      keys: "<wait 'to continue'><enter>",
      until: text('Type in the serial number from the card'),
    },
  ],
})
