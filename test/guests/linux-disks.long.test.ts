/**
 * Debian's own drivers at the board's own drives: a disk read and written by DMA, a floppy that is changed under a running
 * system, and suspend to disk (ACPI S4), from which the next start of the machine goes on.
 */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { MemoryMedium } from '../../machine/media/memory.js'
import { Overlay } from '../../machine/media/overlay.js'
import { bootLinux, haveLinux } from './linux-modules.js'

const MIB = 1 << 20
const MODULES = [
  ...['scsi_common', 'scsi_mod', 'libata', 'ata_piix', 'crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft'],
  ...['t10-pi', 'sd_mod', 'floppy'],
]

function patterned(size: number, seed: number): MemoryMedium {
  const medium = new MemoryMedium(size)
  const words = new Uint32Array(medium.data.buffer)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761)
  return medium
}

const sum = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

test.skipIf(!haveLinux)('ata_piix by DMA, the floppy driver over a change of floppies, and S4', () => {
  const medium = patterned(16 * MIB, 1)
  const floppies = [2, 3].map((seed) => patterned(1474560, seed))
  const disks = [new Overlay(medium), new Overlay(new MemoryMedium(192 * MIB))]
  const commands = [
    ...MODULES.map((module) => `insmod /${module}.ko`),
    // The second start finds the image of the first, and does not come back from this.
    'if grep -q again /proc/cmdline; then echo 8:16 > /sys/power/resume; echo nothing to resume; sleep 1000000; fi',
    'cat /sys/class/ata_device/dev1.0/dma_mode /sys/class/ata_device/dev1.1/dma_mode',
    'md5sum /dev/sda; dd if=/dev/zero of=/dev/sda bs=1M seek=5 count=7 conv=fsync',
    'echo 3 > /proc/sys/vm/drop_caches; md5sum /dev/sda',
    // Linux notes a change where it opens the drive, but in the five minutes after a start (jiffies below 0) only where a
    // read finds it, which fails.
    'floppy() { md5sum /dev/fd0 2> /dev/null || md5sum /dev/fd0; }',
    'floppy; echo change floppies; read line; floppy',
    'mkswap /dev/sdb; swapon /dev/sdb; word=kept; echo 8:16 > /sys/power/resume',
    'echo suspending; echo disk > /sys/power/state; echo "it was $word; floppy $(floppy)"',
    'md5sum /dev/sda',
  ]
  // Half of it has to be free: what hibernates copies itself.
  const options = { disks, memory: 192 * MIB, floppies: [new Overlay(floppies[0])] }
  const first = bootLinux(MODULES, commands.join('\n'), options)
  try {
    first.until('change floppies', 300)
    const text = first.serial()
    // As PIIX3 has it; with PIO it would be 'XFER_PIO_4'.
    expect(text.match(/^XFER_MW_DMA_2/gm)).toHaveLength(2)
    expect(text).toContain(`${sum(medium.data)}  /dev/sda`)
    const written = medium.data.slice()
    written.fill(0, 5 * MIB, 12 * MIB)
    expect(text).toContain(`${sum(written)}  /dev/sda`)
    expect(text).toContain(`${sum(floppies[0].data)}  /dev/fd0`)
    first.machine.insert('floppy0', new Overlay(floppies[1]))
    first.machine.input({ kind: 'serial', port: 0, bytes: Uint8Array.of(10) })
    first.until('suspending', 100)
    expect(first.serial()).toContain(`${sum(floppies[1].data)}  /dev/fd0`)
    let ended: string | undefined
    for (const end = first.machine.now() + 200e9; !ended && first.machine.now() < end; ) {
      ended = first.machine.run(first.machine.now() + 1e9)?.reason
      // Where it cannot, it says so and goes on.
      expect(first.serial()).not.toContain('it was kept')
    }
    expect(ended).toBe('poweroff')
    const second = bootLinux(
      MODULES,
      commands.join('\n'),
      { ...options, floppies: [new Overlay(floppies[0])] },
      'again',
    )
    try {
      second.until('all done', 300)
      // The floppy is another one now, and the system has slept meanwhile.
      expect(second.serial()).toContain(`it was kept; floppy ${sum(floppies[0].data)}  /dev/fd0`)
      expect(second.serial()).toContain(`${sum(written)}  /dev/sda`)
      expect(second.serial()).not.toContain('nothing to resume')
    } finally {
      if (process.env.BOOTWRIGHT_SHOW) console.log(second.serial())
      second.machine.close()
    }
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(first.serial())
    first.machine.close()
  }
})
