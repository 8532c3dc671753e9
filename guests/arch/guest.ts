import { defineGuest, image, text } from 'bootwright'
import { bootMenu, firmware, installed, login } from '../levels.js'

/**
 * Its packages come from a mirror of one's own choice, as in https://mirror.example/archlinux: what is fetched is kept by hash,
 * and later runs are the same.
 */
const mirror = process.env.BOOTWRIGHT_ARCH_MIRROR

/** Its image runs what `script=` names, by itself. */
const script = `#!/bin/bash
set -e
echo 'Server = http://10.0.2.2/arch/$repo/os/$arch' > /etc/pacman.d/mirrorlist
echo 'label: dos
,,83,*' | sfdisk /dev/vda
mkfs.ext4 -q /dev/vda1
mount /dev/vda1 /mnt
pacstrap /mnt base linux grub dhcpcd
genfstab -U /mnt >> /mnt/etc/fstab
arch-chroot /mnt /bin/bash -e <<'END'
echo guest > /etc/hostname
echo root:bootwright | chpasswd
systemctl enable dhcpcd serial-getty@ttyS0
sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"/' /etc/default/grub
grub-install --target=i386-pc /dev/vda
grub-mkconfig -o /boot/grub/grub.cfg
END
umount /mnt
reboot
`

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'arch',
  title: 'Arch Linux, installs itself by a script',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: {
    memory: 2048,
    boot: 'order=cd',
    nic: 'virtio-net-pci',
    cdrom: image('archlinux-*-x86_64.iso', { maker: 'the Arch project’s monthly image' }),
    disks: [{ size: '8G', if: 'virtio' }],
    network: { http: { '/install.sh': { text: script }, ...(mirror && { '/arch/': { upstream: mirror } }) } },
  },
  levels: [
    firmware,
    bootMenu,
    {
      name: 'userland',
      title: 'root is logged in',
      ...(mirror && { keys: '<tab> script=http://10.0.2.2/install.sh<enter>' }),
      until: text(/root@archiso/),
      timeout: '30m',
      note: 'is installed where BOOTWRIGHT_ARCH_MIRROR names a mirror',
    },
    ...(mirror ? [installed('2h'), login] : []),
  ],
  hostTimeout: '4h',
  heavy: 'boots a whole live system',
})
