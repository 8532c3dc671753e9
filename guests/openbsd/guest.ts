import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'openbsd',
  title: 'OpenBSD of today, installation CD',
  family: 'BSD',
  licence: 'BSD-3-Clause',
  machine: { memory: 256, cdrom: image('cd*.iso', { maker: 'OpenBSD’s cdNN.iso for amd64' }) },
  levels: [
    firmware,
    { name: 'loader', title: 'the prompt boot>', until: text(/^boot>/m) },
    { name: 'installer', title: 'its first question', until: text(/\(I\)nstall, \(U\)pgrade/), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'boots a whole installer',
})
