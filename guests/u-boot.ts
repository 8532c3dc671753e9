/** U-Boot as the firmware of a PC. */
import { defineGuest, type Guest, packageFile, serial } from 'bootwright'

export function uBoot(name: string, board: string, bits: number): Guest {
  return defineGuest({
    name,
    title: `U-Boot, ${bits} bits`,
    family: 'firmware',
    licence: 'GPL-2.0-or-later',
    machine: { memory: 256, bios: packageFile('u-boot-qemu', `/usr/lib/u-boot/${board}/u-boot.rom`) },
    heavy: 'halts before its prompt so far',
    levels: [
      { name: 'firmware', title: 'its version on COM1', until: serial(/^U-Boot 20\d\d/m), timeout: '2m' },
      { name: 'shell', title: 'the prompt => after a key', keys: '<wait1> ', until: serial(/=> $/m), timeout: '5m' },
    ],
  })
}
