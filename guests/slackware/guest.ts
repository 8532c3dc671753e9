import { defineGuest, image } from 'bootwright'
import { bootMenu, firmware, login, rootShell } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'slackware',
  title: 'Slackware',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: { memory: 512, cdrom: image('slackware*-install-dvd.iso', { maker: 'Slackware’s installation DVD' }) },
  levels: [firmware, bootMenu, login, rootShell],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
