import { defineGuest } from 'bootwright'
import { DEBIAN, textInstaller } from '../debian-12.js'

export default defineGuest({
  ...DEBIAN,
  ...textInstaller('i386'),
  name: 'debian-12-i386-installer',
  title: 'Debian 12 i386, installer',
  hostTimeout: '20m',
})
