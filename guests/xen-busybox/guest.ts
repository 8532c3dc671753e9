import { gunzipSync } from 'node:zlib'
import { built, defineGuest, packageFile, serial, text } from 'bootwright'
import { busyboxInitrd, counts, debianKernel } from '../busybox-linux.js'
import { firmware } from '../levels.js'

const xen = built(
  'xen-4.17-amd64',
  [packageFile('xen-hypervisor-4.17-amd64', '/boot/xen-4.17-amd64.gz', { unpackOnly: true })],
  ([packed]) => gunzipSync(packed),
)

export default defineGuest({
  name: 'xen-busybox',
  title: 'Xen 4.17 with Linux and busybox as dom0',
  family: 'hypervisor',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 512,
    kernel: {
      image: xen,
      append: 'console=com1 com1=115200,8n1',
      modules: [
        { file: debianKernel, append: 'console=tty0 console=hvc0 nomodeset' },
        { file: busyboxInitrd('linux-amd64') },
      ],
    },
  },
  levels: [
    firmware,
    { name: 'loader', title: 'Xen’s version on COM1', until: serial(/Xen version 4\.17/) },
    { name: 'dom0', title: 'Xen hands over to dom0', until: serial('Serial input to DOM0'), timeout: '10m' },
    { name: 'kernel', title: 'Linux says that it runs on Xen', until: serial('Booting kernel on Xen'), timeout: '10m' },
    { name: 'shell', title: 'dom0’s prompt #', until: text(/^(\/|~) #/m), timeout: '10m' },
    counts,
  ],
  hostTimeout: '15m',
})
