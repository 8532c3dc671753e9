import { defineGuest, image, text } from 'bootwright'
import { firmware, installed, login } from '../levels.js'

/** What sysinst asks is answered by keys alone, so its shell does the work: the handbook's installation by hand. */
const script = `set -e
fdisk -f -i -a -0 -s 169/63 wd0
eval "$(fdisk -S wd0)"
disklabel wd0 | sed '/^ *[abe-p]:/d' > /tmp/label
echo " a: $PART0SIZE $PART0START 4.2BSD 1024 8192 16" >> /tmp/label
disklabel -R -r wd0 /tmp/label
newfs -O 2 /dev/rwd0a
mkdir -p /mnt2 /cd
mount /dev/wd0a /mnt2
mount -t cd9660 /dev/cd0a /cd
for set in base etc kern-GENERIC modules rescue; do
  for archive in /cd/amd64/binary/sets/$set.tar.xz /cd/amd64/binary/sets/$set.tgz; do
    [ -f $archive ] && tar -xpf $archive -C /mnt2
  done
done
cd /mnt2/dev && sh MAKEDEV all && cd /
cp /mnt2/usr/mdec/boot /mnt2/boot
installboot -v -o timeout=2 /dev/rwd0a /mnt2/usr/mdec/bootxx_ffsv2
echo '/dev/wd0a / ffs rw 1 1' > /mnt2/etc/fstab
printf 'rc_configured=YES\\nhostname=guest\\ndhcpcd=YES\\n' >> /mnt2/etc/rc.conf
umount /mnt2
reboot
`

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'netbsd',
  title: 'NetBSD, installs itself by a script',
  family: 'BSD',
  licence: 'BSD-2-Clause',
  machine: {
    memory: 512,
    boot: 'order=cd',
    nic: 'e1000',
    cdrom: image('NetBSD-*-amd64.iso', { maker: 'the NetBSD project’s installation CD for amd64' }),
    disks: [{ size: '4G', if: 'ide' }],
    network: { http: { '/install.sh': { text: script } } },
  },
  levels: [
    firmware,
    { name: 'loader', title: 'its menu', until: text(/NetBSD/), timeout: '5m' },
    { name: 'installer', title: 'sysinst', until: text(/Installation messages in English/), timeout: '30m' },
    {
      name: 'shell',
      title: 'a shell, of its menu of tools',
      keys: "<enter><wait2><enter><wait 'Utility menu'>e<enter><wait 'Run /bin/sh'>a<enter>",
      until: text(/^# *$/),
      timeout: '5m',
    },
    installed('1h', 'dhcpcd -q wm0 && ftp -o /tmp/install.sh http://10.0.2.2/install.sh && sh /tmp/install.sh<enter>'),
    login,
  ],
  hostTimeout: '3h',
  heavy: 'installs a whole system',
})
