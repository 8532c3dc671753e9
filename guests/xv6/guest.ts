import { defineGuest, image, text } from 'bootwright'
import { firmware } from '../levels.js'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'xv6',
  title: 'xv6 for x86',
  family: 'Unix',
  licence: 'MIT',
  machine: {
    memory: 64,
    disks: [image('xv6.img', { maker: 'MIT’s xv6-public, built with its file system on a second disk fs.img' })],
  },
  levels: [firmware, { name: 'kernel', title: 'it starts', until: text(/xv6\.\.\./), timeout: '2m' }],
})
