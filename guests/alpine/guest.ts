import { defineGuest, image } from 'bootwright'
import { answers } from '../../fixtures/answers.js'
import { answerDisk } from '../answers.js'
import { bootMenu, firmware, installed, login, rootShell } from '../levels.js'

const answerFile = `KEYMAPOPTS="us us"
HOSTNAMEOPTS="-n {{ hostname }}"
INTERFACESOPTS="auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
"
DNSOPTS="-n 10.0.2.3"
TIMEZONEOPTS="-z UTC"
PROXYOPTS="none"
APKREPOSOPTS="/media/cdrom/apks"
USEROPTS="none"
SSHDOPTS="none"
NTPOPTS="none"
DISKOPTS="-m sys /dev/vda"
LBUOPTS="none"
APKCACHEOPTS="none"
`

// Root has no password then (-e), as in the live system.
const SETUP = [
  'mkdir /tmp/a && mount -t iso9660 /dev/vdb /tmp/a',
  'ERASE_DISKS=/dev/vda setup-alpine -e -f /tmp/a/answers && reboot',
]

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'alpine',
  title: 'Alpine Linux, “virtual” image, installs itself by answers',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 512,
    boot: 'order=cd',
    nic: 'virtio-net-pci',
    cdrom: image('alpine-virt-*-x86_64.iso', { maker: 'the Alpine project’s “virtual” image for x86_64' }),
    disks: [{ size: '2G', if: 'virtio' }, answerDisk('alpine', answers('alpine', answerFile, { hostname: 'guest' }))],
  },
  levels: [
    firmware,
    bootMenu,
    { ...login, title: 'the live system’s login' },
    rootShell,
    installed('1h', `${SETUP.join(' && ')}<enter>`),
    { ...login, name: 'installed-login', title: 'the installed system’s login' },
  ],
  hostTimeout: '2h',
  heavy: 'installs a whole system',
})
