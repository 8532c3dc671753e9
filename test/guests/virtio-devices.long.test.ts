/** Debian's own drivers use the virtio devices: a disk is read, written and told to discard; random numbers come. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { MemoryMedium } from '../../machine/media/memory.js'
import { Overlay } from '../../machine/media/overlay.js'
import { bootLinux, haveLinux } from './linux-modules.js'

const MIB = 1 << 20

test.skipIf(!haveLinux)('virtio-blk-pci and virtio-rng-pci', () => {
  const medium = new MemoryMedium(32 * MIB)
  for (let i = 0; i < medium.size; i += 4) new DataView(medium.data.buffer).setUint32(i, Math.imul(i, 2654435761), true)
  const sum = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
  const all = sum(medium.data)
  const disk = new Overlay(medium)
  const modules = [
    'virtio',
    'virtio_ring',
    'virtio_pci_legacy_dev',
    'virtio_pci_modern_dev',
    'virtio_pci',
    'virtio_blk',
  ]
  const commands = [
    ...[...modules, 'virtio-rng'].map((module) => `insmod /${module}.ko`),
    'cat /sys/block/vda/size /sys/block/vda/serial; md5sum /dev/vda',
    'dd if=/dev/zero of=/dev/vda bs=1M seek=5 count=7 conv=fsync; blkdiscard -o 20971520 -l 4194304 /dev/vda',
    'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M skip=4 count=9 | md5sum; cat /sys/class/misc/hw_random/rng_current',
    'dd if=/dev/hwrng bs=64 count=2 2>/dev/null | hexdump -C | head -4',
  ]
  const { machine, serial, until } = bootLinux([...modules, 'virtio-rng'], commands.join('\n'), {
    disks: [disk],
    devices: [
      { type: 'virtio-blk-pci', options: { drive: 'disk0', serial: 'A disk' } },
      { type: 'virtio-rng-pci', options: {} },
    ],
  })
  try {
    until('all done', 200)
    const text = serial()
    expect(text).toMatch(/^65536\r?\nA disk/m)
    expect(text).toContain(`${all}  /dev/vda`)
    const part = medium.data.slice(4 * MIB, 13 * MIB)
    part.fill(0, MIB, 8 * MIB)
    expect(text).toContain(`${sum(part)}  -`)
    expect(text).toContain('virtio_rng.0')
    expect(text.match(/^000000[0-3]0 {2}([\da-f]{2} +){16}/gm)).toHaveLength(4)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})
