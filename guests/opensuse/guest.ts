import { defineGuest, image, text } from 'bootwright'
import { answers } from '../../fixtures/answers.js'
import { answerDisk, PASSWORD } from '../answers.js'
import { bootMenu, firmware, installed, login } from '../levels.js'

const profile = `<?xml version="1.0"?>
<!DOCTYPE profile>
<profile xmlns="http://www.suse.com/1.0/yast2ns" xmlns:config="http://www.suse.com/1.0/configns">
  <general>
    <mode><confirm config:type="boolean">false</confirm></mode>
  </general>
  <keyboard><keymap>english-us</keymap></keyboard>
  <language><language>en_US</language></language>
  <timezone><timezone>Etc/UTC</timezone></timezone>
  <networking>
    <dns><hostname>guest</hostname></dns>
    <interfaces config:type="list">
      <interface><bootproto>dhcp</bootproto><name>eth0</name><startmode>auto</startmode></interface>
    </interfaces>
  </networking>
  <partitioning config:type="list">
    <drive>
      <device>/dev/vda</device>
      <initialize config:type="boolean">true</initialize>
      <use>all</use>
      <partitions config:type="list">
        <partition><mount>/</mount><filesystem config:type="symbol">ext4</filesystem><size>max</size></partition>
      </partitions>
    </drive>
  </partitioning>
  <bootloader>
    <loader_type>grub2</loader_type>
    <global><append>console=tty0 console=ttyS0</append></global>
  </bootloader>
  <software>
    <products config:type="list"><product>Leap</product></products>
    <patterns config:type="list"><pattern>minimal_base</pattern></patterns>
  </software>
  <users config:type="list">
    <user><username>root</username><user_password>{{ password }}</user_password><encrypted config:type="boolean">false</encrypted></user>
  </users>
</profile>
`

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'opensuse',
  title: 'openSUSE Leap, installs itself by AutoYaST',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    boot: 'order=cd',
    nic: 'virtio-net-pci',
    cdrom: image('openSUSE-Leap-*-DVD-x86_64*.iso', { maker: 'openSUSE’s whole image for x86_64' }),
    disks: [
      { size: '10G', if: 'virtio' },
      answerDisk('opensuse', answers('autoyast', profile, { password: PASSWORD })),
    ],
  },
  levels: [
    firmware,
    bootMenu,
    {
      name: 'installer',
      title: 'YaST starts',
      // The first entry of its menu is the disk.
      keys: '<down><enter>',
      until: text(/YaST|linuxrc/),
      timeout: '30m',
    },
    installed('3h'),
    login,
  ],
  hostTimeout: '6h',
  heavy: 'installs a whole system',
})
