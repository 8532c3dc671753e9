import { defineGuest, image, text } from 'bootwright'
import { answers } from '../../fixtures/answers.js'
import { answerDisk, PASSWORD } from '../answers.js'
import { firmware, installed, login } from '../levels.js'

const installerconfig = `PARTITIONS="ada0"
DISTRIBUTIONS="kernel.txz base.txz"
export nonInteractive="YES"
#!/bin/sh
sysrc hostname=guest ifconfig_DEFAULT=DHCP
echo 'boot_multicons="YES"' >> /boot/loader.conf
echo 'console="vidconsole,comconsole"' >> /boot/loader.conf
echo '{{ password }}' | pw usermod root -h 0
`

const SETUP = [
  'mkdir /tmp/a; mount_cd9660 /dev/ada1 /tmp/a; cp /tmp/a/installerconfig /tmp/',
  'bsdinstall script /tmp/installerconfig && reboot',
]

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'freebsd',
  title: 'FreeBSD, installs itself by an installerconfig',
  family: 'BSD',
  licence: 'BSD-2-Clause',
  machine: {
    memory: 1024,
    boot: 'order=cd',
    nic: 'e1000',
    cdrom: image('FreeBSD-*-amd64-disc1.iso', { maker: 'the FreeBSD project’s first CD for amd64' }),
    disks: [
      { size: '8G', if: 'ide' },
      { ...answerDisk('freebsd', answers('freebsd', installerconfig, { password: PASSWORD })), if: 'ide' },
    ],
  },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/Welcome to FreeBSD/), timeout: '5m' },
    {
      name: 'installer',
      title: 'the first dialog',
      until: text(/Would you like to begin an installation/),
      timeout: '30m',
    },
    {
      name: 'shell',
      title: 'a shell, by the button beside',
      keys: '<right><enter>',
      until: text(/^# *$/),
      timeout: '5m',
    },
    installed('2h', `${SETUP.map((line) => `${line}<enter>`).join("<wait '^# *$'>")}`),
    login,
  ],
  hostTimeout: '4h',
  heavy: 'installs a whole system',
})
