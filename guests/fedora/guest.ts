import { defineGuest, image } from 'bootwright'
import { answers } from '../../fixtures/answers.js'
import { answerDisk, PASSWORD } from '../answers.js'
import { anaconda, bootMenu, firmware, installed, login } from '../levels.js'

const kickstart = `# Anaconda finds it by its medium's label.
text
cdrom
lang en_US.UTF-8
keyboard us
timezone Etc/UTC --utc
network --bootproto=dhcp --hostname=guest
rootpw --plaintext {{ password }}
firstboot --disable
ignoredisk --only-use=vda
zerombr
clearpart --all --initlabel
autopart --type=plain
bootloader --append="console=tty0 console=ttyS0"
reboot
%packages
@core
%end
`

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'fedora',
  title: 'Fedora Server, installs itself by a kickstart',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    boot: 'order=cd',
    nic: 'virtio-net-pci',
    cdrom: image('Fedora-Server-dvd-x86_64-*.iso', { maker: 'the Fedora project’s whole image for x86_64' }),
    disks: [
      { size: '10G', if: 'virtio' },
      answerDisk('fedora', answers('kickstart', kickstart, { password: PASSWORD })),
    ],
  },
  // The menu's second entry, which reads the whole medium first, is the one that it takes by itself.
  levels: [firmware, bootMenu, { ...anaconda, keys: '<up><enter>' }, installed('3h'), login],
  hostTimeout: '6h',
  heavy: 'installs a whole system',
})
