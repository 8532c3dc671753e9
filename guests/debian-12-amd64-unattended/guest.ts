import { defineGuest } from 'bootwright'
import { debianInstallation } from '../debian-12/installation.js'
import { DEBIAN } from '../debian-12.js'

export default defineGuest({
  ...DEBIAN,
  ...debianInstallation('amd64'),
  name: 'debian-12-amd64-unattended',
  title: 'Debian 12 amd64, unattended installer',
  hostTimeout: '1h',
  heavy: 'executes some 60,000 million instructions',
})
