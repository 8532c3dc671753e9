import { defineGuest, serial, text } from 'bootwright'
import { APPEND, busyboxInitrd, debianKernel, LINUX, toShell } from '../busybox-linux.js'

const CPUS = 4

export default defineGuest({
  ...LINUX,
  name: 'linux-amd64-smp',
  title: 'Linux 6.1 amd64 with busybox on four CPUs',
  machine: {
    memory: 256,
    cpus: CPUS,
    kernel: { image: debianKernel, initrd: busyboxInitrd('linux-amd64'), append: APPEND },
  },
  levels: [
    ...toShell.slice(0, 2),
    { name: 'cpus', title: 'all of its CPUs run', until: serial(new RegExp(`Brought up 1 node, ${CPUS} CPUs`)) },
    ...toShell.slice(2),
    { name: 'smp', title: 'nproc says 4', keys: 'clear<enter><wait1>nproc<enter>', until: text(/^4$/) },
  ],
  hostTimeout: '15m',
})
