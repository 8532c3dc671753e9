/** U-Boot as the firmware of a PC. */
import { defineGuest, type Guest, packageFile, serial } from 'bootwright'

export function uBoot(name: string, board: string, bits: number): Guest {
  return defineGuest({
    name,
    title: `U-Boot, ${bits} bits`,
    family: 'firmware',
    licence: 'GPL-2.0-or-later',
    machine: {
      memory: 256,
      // It calls the VGABIOS with segments of 64 KiB, and that of the standard VGA reads its EDID beyond 3 GiB: #GP on every
      // CPU that looks at limits, as QEMU's own emulation does not.
      vga: 'cirrus',
      nic: 'e1000',
      bios: packageFile('u-boot-qemu', `/usr/lib/u-boot/${board}/u-boot.rom`),
    },
    levels: [
      { name: 'firmware', title: 'its version on COM1', until: serial(/^U-Boot 20\d\d/m), timeout: '2m' },
      { name: 'shell', title: 'the prompt => after a key', keys: '<wait1> ', until: serial(/=> $/m), timeout: '5m' },
      { name: 'keyboard', title: 'echo answers', keys: "echo 'a''b'<enter>", until: serial(/^ab$/m), timeout: '1m' },
      {
        name: 'network',
        title: 'dhcp takes a lease',
        keys: 'setenv autoload no; dhcp<enter>',
        until: serial(/DHCP client bound to address 10\.0\.2\.15/),
        timeout: '2m',
      },
    ],
  })
}
