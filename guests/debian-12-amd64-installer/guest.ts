import { defineGuest } from 'bootwright'
import { DEBIAN, textInstaller } from '../debian-12.js'

export default defineGuest({
  ...DEBIAN,
  ...textInstaller('amd64'),
  name: 'debian-12-amd64-installer',
  title: 'Debian 12 amd64, installer',
  hostTimeout: '40m',
  heavy: 'executes some 10,000 million instructions',
})
