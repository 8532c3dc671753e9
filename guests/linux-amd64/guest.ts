import { defineGuest, exit } from 'bootwright'
import { APPEND, busyboxInitrd, counts, debianKernel, LINUX, toShell } from '../busybox-linux.js'

export default defineGuest({
  ...LINUX,
  name: 'linux-amd64',
  title: 'Linux 6.1 amd64 with busybox',
  machine: {
    memory: 256,
    kernel: { image: debianKernel, initrd: busyboxInitrd('linux-amd64'), append: APPEND },
  },
  levels: [
    ...toShell,
    counts,
    { name: 'power-off', title: 'poweroff -f switches it off', keys: 'poweroff -f<enter>', until: exit('poweroff') },
  ],
})
