import { defineGuest } from 'bootwright'
import { debianInstallation } from '../debian-12/installation.js'
import { DEBIAN } from '../debian-12.js'

export default defineGuest({
  ...DEBIAN,
  ...debianInstallation('amd64'),
  name: 'debian-12-amd64-unattended',
  title: 'Debian 12 amd64, installs itself',
  hostTimeout: '4h',
  heavy: 'installs a whole system, which takes half an hour and more',
})
