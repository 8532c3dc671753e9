import { defineGuest, image, serial, text } from 'bootwright'
import { answers } from '../../fixtures/answers.js'
import { answerDisk, PASSWORD_HASH } from '../answers.js'
import { bootMenu, firmware, installed, login } from '../levels.js'

const HOSTNAME = 'guest'
const autoinstall = `#cloud-config
autoinstall:
  version: 1
  locale: en_US.UTF-8
  keyboard:
    layout: us
  identity:
    hostname: {{ hostname }}
    username: user
    password: "{{ password }}"
  storage:
    layout:
      name: direct
  apt:
    fallback: offline-install
  late-commands:
    - curtin in-target -- systemctl enable serial-getty@ttyS0.service
  shutdown: reboot
`

/** Said to the kernel as well, the installer asks nothing before it writes to the disk. */
const LINUX = 'linux /casper/vmlinuz autoinstall console=tty0 console=ttyS0 ---'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'ubuntu-server',
  title: 'Ubuntu Server, installs itself by autoinstall',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 3072,
    boot: 'order=cd',
    nic: 'virtio-net-pci',
    cdrom: image('ubuntu-*-live-server-amd64.iso', { maker: 'Canonical’s server image for amd64' }),
    disks: [
      { size: '12G', if: 'virtio' },
      answerDisk('ubuntu', answers('autoinstall', autoinstall, { hostname: HOSTNAME, password: PASSWORD_HASH })),
    ],
  },
  levels: [
    firmware,
    bootMenu,
    {
      name: 'kernel',
      title: 'the kernel starts',
      keys: `c<wait2>${LINUX}<enter><wait2>initrd /casper/initrd<enter><wait10>boot<enter>`,
      until: serial(/Linux version/),
      timeout: '20m',
    },
    { name: 'installer', title: 'subiquity begins', until: serial(/subiquity|cloud-init/i), timeout: '30m' },
    installed('3h', "<wait 'remove the installation medium'><enter>"),
    { ...login, until: text(/guest login:/) },
  ],
  failOn: [/An error occurred\. Press enter to start a shell/],
  hostTimeout: '6h',
  heavy: 'installs a whole system',
})
