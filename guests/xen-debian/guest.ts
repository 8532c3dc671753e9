import { gunzipSync } from 'node:zlib'
import { built, defineGuest, packageFile, serial, text } from 'bootwright'
import { debianFiles } from '../debian-12.js'
import { firmware } from '../levels.js'

const { image, initrd } = debianFiles('amd64')

const xen = built(
  'xen-4.17-amd64',
  // A hypervisor that is installed becomes the host's own at its next start.
  [packageFile('xen-hypervisor-4.17-amd64', '/boot/xen-4.17-amd64.gz', { unpackOnly: true })],
  ([packed]) => gunzipSync(packed),
)

export default defineGuest({
  name: 'xen-debian',
  title: 'Xen 4.17 with Debian 12 as dom0',
  family: 'hypervisor',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 1024,
    kernel: {
      image: xen,
      append: 'console=com1,vga com1=115200,8n1',
      modules: [{ file: image, append: 'console=hvc0 nomodeset' }, { file: initrd }],
    },
  },
  levels: [
    firmware,
    { name: 'loader', title: 'Xen’s version on COM1', until: serial(/Xen version 4\.17/) },
    {
      name: 'dom0',
      title: 'Xen hands over to dom0',
      until: serial('Serial input to DOM0'),
      timeout: '10m',
    },
    { name: 'kernel', title: 'Linux says that it runs on Xen', until: serial('Booting kernel on Xen'), timeout: '10m' },
    { name: 'screen', title: 'dom0’s messages on the screen', until: text(/^\[ +\d+\.\d+\] /), timeout: '10m' },
    { name: 'userland', title: '/init starts in dom0', until: serial('Run /init as init process'), timeout: '30m' },
  ],
  hostTimeout: '60m',
  heavy: 'executes some 9,000 million instructions',
})
