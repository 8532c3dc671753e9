/** Debian's own drivers use the virtio devices: a disk is read, written and told to discard; random numbers come. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CharBackend } from '../../machine/devices/device-type.js'
import { MemoryMedium } from '../../machine/media/memory.js'
import { Overlay } from '../../machine/media/overlay.js'
import { openSharedFolder } from '../../machine/media/shared-folder.js'
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

test.skipIf(!haveLinux)('virtio-scsi-pci with two scsi-hd', () => {
  const medium = new MemoryMedium(32 * MIB)
  for (let i = 0; i < medium.size; i += 4) new DataView(medium.data.buffer).setUint32(i, Math.imul(i, 2654435761), true)
  const sum = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
  const all = sum(medium.data)
  const disk = new Overlay(medium)
  const modules = [
    ...['virtio', 'virtio_ring', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci'],
    ...[
      'scsi_common',
      'scsi_mod',
      'virtio_scsi',
      'crct10dif_common',
      'crc-t10dif',
      'crc64',
      'crc64-rocksoft',
      't10-pi',
      'sd_mod',
    ],
  ]
  const commands = [
    ...modules.map((module) => `insmod /${module}.ko`),
    'sleep 2; cat /sys/block/sd?/size; md5sum /dev/sda; cat /sys/block/sda/queue/discard_max_bytes',
    'dd if=/dev/zero of=/dev/sda bs=1M seek=5 count=7 conv=fsync; blkdiscard -o 20971520 -l 4194304 /dev/sda',
    'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/sda bs=1M skip=4 count=9 | md5sum',
    'echo x > /dev/sdb || echo "the second is read-only"',
  ]
  const { machine, serial, until } = bootLinux(modules, commands.join('\n'), {
    disks: [disk, new MemoryMedium(4 * MIB, { readOnly: true })],
    devices: [
      { type: 'scsi-hd', options: { drive: 'disk0', serial: 'A disk' } },
      { type: 'scsi-hd', options: { drive: 'disk1', 'scsi-id': 3, lun: 2 } },
      { type: 'virtio-scsi-pci', options: {} },
    ],
  })
  try {
    until('all done', 200)
    const text = serial()
    expect(text).toMatch(/scsi 0:0:0:0: Direct-Access +BOOTWRGT BOOTWRIGHT DISK/)
    expect(text).toMatch(/scsi 0:0:3:2: Direct-Access +BOOTWRGT/)
    expect(text).toMatch(/^65536\r?\n8192\r?$/m)
    expect(text).toContain(`${all}  /dev/sda`)
    expect(text).toMatch(/^2147483648\r?$/m)
    const part = medium.data.slice(4 * MIB, 13 * MIB)
    part.fill(0, MIB, 8 * MIB)
    expect(text).toContain(`${sum(part)}  -`)
    expect(text).toContain('the second is read-only')
    expect(text).not.toMatch(/I\/O error|Sense Key/)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})

test.skipIf(!haveLinux)('virtio-9p-pci, virtio-serial-pci and virtio-balloon-pci', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-shared-'))
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24))
  mkdirSync(join(folder, 'sub'))
  writeFileSync(join(folder, 'hello'), 'from the folder\n')
  writeFileSync(join(folder, 'sub', 'noise'), noise)
  symlinkSync('/etc/hostname', join(folder, 'leak'))
  const modules = [
    ...['virtio', 'virtio_ring', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_balloon'],
    ...['virtio_console', 'netfs', 'fscache', '9pnet', '9pnet_virtio', '9p'],
  ]
  const commands = [
    'free -k | grep Mem',
    ...modules.map((module) => `insmod /${module}.ko`),
    'sleep 2; free -k | grep Mem; mkdir /mnt',
    'mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 host /mnt; find /mnt | sort; cat /mnt/hello; md5sum /mnt/sub/noise',
    'cat /mnt/leak; echo x > /mnt/new; cat /sys/class/virtio-ports/*/name; echo to the console > /dev/hvc0',
    'for p in /dev/vport*p1; do echo to the port > $p; read line < $p; echo "got $line"; done',
  ]
  const said = { console: '', port: '' }
  const line = (name: keyof typeof said): CharBackend => ({
    send: (byte) => {
      said[name] += String.fromCharCode(byte)
    },
  })
  const lines: { [id: string]: CharBackend } = { hvc: line('console'), port: line('port') }
  const { machine, serial, until } = bootLinux(modules, commands.join('\n'), {
    devices: [
      { type: 'virtio-balloon-pci', options: { take: 64 } },
      { type: 'virtio-serial-pci' },
      { type: 'virtconsole', id: 'hvc' },
      { type: 'virtserialport', id: 'port', options: { name: 'org.example.0' } },
      { type: 'virtio-9p-pci', options: { path: folder, mount_tag: 'host' } },
    ],
    backend: (kind, name) => (kind === 'folder' ? openSharedFolder(name) : kind === 'char' ? lines[name] : undefined),
  })
  try {
    until('org.example.0', 200)
    lines.port.receive?.(Buffer.from('to the guest\n'))
    until('all done', 200)
    const text = serial()
    const used = [...text.matchAll(/^Mem: +\d+ +(\d+)/gm)].map(([, kib]) => Number(kib))
    expect(used[1] - used[0]).toBeGreaterThan(60 << 10)
    expect(text).toMatch(
      /\/mnt\r?\n\/mnt\/hello\r?\n\/mnt\/leak\r?\n\/mnt\/sub\r?\n\/mnt\/sub\/noise\r?\nfrom the folder/,
    )
    expect(text).toContain(`${createHash('md5').update(noise).digest('hex')}  /mnt/sub/noise`)
    // The guest follows the link in its own tree, where there is no such file.
    expect(text).toMatch(/can't open '\/mnt\/leak': No such file/)
    expect(text).toMatch(/\/mnt\/new: Read-only file system/)
    expect(said.console).toContain('to the console')
    expect(said.port).toContain('to the port')
    expect(text).toContain('got to the guest')
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})

test.skipIf(!haveLinux)('what the guest puts into its balloon, the host has back', () => {
  const modules = [
    ...['virtio', 'virtio_ring', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_balloon'],
  ]
  const commands = [
    'mount -t tmpfs none /mnt || { mkdir /mnt; mount -t tmpfs none /mnt; }',
    // Memory that the guest has used, and has no use for any more.
    'dd if=/dev/urandom of=/mnt/noise bs=1M count=80; rm /mnt/noise; echo it was used',
    ...modules.map((module) => `insmod /${module}.ko`),
    'sleep 3',
  ]
  const { machine, until } = bootLinux(modules, commands.join('\n'), {
    devices: [{ type: 'virtio-balloon-pci', options: { take: 96 } }],
  })
  try {
    const held = () => process.memoryUsage().rss / MIB
    until('it was used', 200)
    const before = held()
    until('all done', 200)
    expect(before - held()).toBeGreaterThan(60)
  } finally {
    machine.close()
  }
})

test.skipIf(!haveLinux)('ahci', () => {
  const medium = new MemoryMedium(8 * MIB)
  for (let i = 0; i < medium.size; i += 4) new DataView(medium.data.buffer).setUint32(i, Math.imul(i, 2654435761), true)
  const sum = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
  const before = sum(medium.data)
  const modules = ['scsi_common', 'scsi_mod', 'libata', 'libahci', 'ahci']
  const disk = ['crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft', 't10-pi', 'sd_mod']
  const commands = [
    ...[...modules, ...disk].map((module) => `insmod /${module}.ko`),
    'sleep 2; md5sum /dev/sda; dd if=/dev/zero of=/dev/sda bs=64k seek=3 count=20 conv=fsync',
    'echo 3 > /proc/sys/vm/drop_caches; md5sum /dev/sda',
  ]
  const { machine, serial, until } = bootLinux([...modules, ...disk], commands.join('\n'), {
    disks: [medium],
    devices: [{ type: 'ide-hd', options: { drive: 'disk0', bus: 'sata', unit: 1 } }, { type: 'ahci' }],
  })
  try {
    until('all done', 200)
    expect(serial()).toContain('ata2.00: ATA-7: BOOTWRIGHT HARDDISK')
    expect(serial()).toContain(`${before}  /dev/sda`)
    const after = medium.data.slice()
    after.fill(0, 3 << 16, 23 << 16)
    expect(serial()).toContain(`${sum(after)}  /dev/sda`)
    expect(Buffer.from(medium.data).equals(after)).toBe(true)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})

test.skipIf(!haveLinux)('nvme', () => {
  const medium = new MemoryMedium(32 * MIB)
  for (let i = 0; i < medium.size; i += 4) new DataView(medium.data.buffer).setUint32(i, Math.imul(i, 2654435761), true)
  const sum = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
  const all = sum(medium.data)
  const modules = ['crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft', 't10-pi', 'nvme-core', 'nvme']
  const commands = [
    ...modules.map((module) => `insmod /${module}.ko`),
    'sleep 2; cat /sys/block/nvme?n1/size; cat /sys/class/nvme/nvme0/serial /sys/class/nvme/nvme0/model; md5sum /dev/nvme0n1',
    'dd if=/dev/zero of=/dev/nvme0n1 bs=1M seek=5 count=7 conv=fsync; blkdiscard -o 20971520 -l 4194304 /dev/nvme0n1',
    'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/nvme0n1 bs=1M skip=4 count=9 | md5sum; grep nvme /proc/interrupts',
    'echo x > /dev/nvme1n1 || echo "the second is read-only"',
  ]
  const { machine, serial, until } = bootLinux(modules, commands.join('\n'), {
    disks: [new Overlay(medium), new MemoryMedium(4 * MIB, { readOnly: true })],
    devices: [
      { type: 'nvme', options: { drive: 'disk0', serial: 'A disk' } },
      { type: 'nvme', options: { drive: 'disk1' } },
    ],
  })
  try {
    until('all done', 200)
    const text = serial()
    expect(text).toMatch(/^65536\r?\n8192\r?$/m)
    expect(text).toMatch(/^A disk +\r?\nBOOTWRIGHT NVMe/m)
    expect(text).toContain(`${all}  /dev/nvme0n1`)
    const part = medium.data.slice(4 * MIB, 13 * MIB)
    part.fill(0, MIB, 8 * MIB)
    expect(text).toContain(`${sum(part)}  -`)
    expect(text).toMatch(/nvme0q1/)
    expect(text).not.toMatch(/I\/O error|timeout/)
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial())
    machine.close()
  }
})
