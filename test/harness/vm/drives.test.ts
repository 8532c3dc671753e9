/** Disks as users give them: on virtio, in a place on IDE, empty ones, more than three; SeaBIOS looks for all of them. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { launch, text } from '../../../harness/index.js'
import { openMedium } from '../../../machine/media/open-medium.js'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-drives-'))
const made = (name: string, bytes: Uint8Array) => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
/** The boot sector of a program as a hard disk: it writes itself to the second sector of the drive that it came from. */
const writer = programFloppy('writer')
const blank = new Uint8Array(1 << 20)

test.each(['virtio', 'ahci'] as const)(
  'SeaBIOS boots from a disk on %s, and what is written goes to its file',
  async (bus) => {
    const path = made('writer.img', writer)
    const vm = await launch({ engine: 'soft', disks: { path, if: bus, write: true } })
    try {
      await vm.waitForExit({ reason: 'poweroff' })
      expect(readFileSync(path).subarray(512, 1024)).toEqual(Buffer.from(writer.subarray(0, 512)))
    } finally {
      await vm.close()
    }
  },
)

test('SeaBIOS finds each disk in its place, empty ones and those of --drive among them', async () => {
  const path = made('blank.img', blank)
  const disks = [
    { path, index: 2 },
    { size: '8G', id: 'root' },
    { size: 2 ** 16, if: 'none' as const, id: 'data' },
  ]
  const devices = ['virtio-blk-pci,drive=data']
  const vm = await launch({
    ...{ engine: 'soft', boot: 'order=c,menu=on,splash-time=100', disks, devices },
    drives: ['size=3M,if=virtio', `file=${path},index=3`],
  })
  try {
    await vm.bootCommand("<wait 'Press ESC'><esc>")
    await vm.until(text(/Select boot device/))
    const shown = (await vm.screen.text()).replaceAll(/\s+/g, ' ')
    // QEMU has the same words with `-drive` and `-device virtio-blk-pci`.
    expect(shown).toContain('ata0-0: BOOTWRIGHT HARDDISK ATA-7 Hard-Disk (8192 MiBytes)')
    expect(shown).toContain('ata1-0: BOOTWRIGHT HARDDISK ATA-7 Hard-Disk (1 MiBytes)')
    expect(shown).toContain('ata1-1: BOOTWRIGHT HARDDISK ATA-7 Hard-Disk (1 MiBytes)')
    expect(shown.match(/Virtio disk PCI:/g)).toHaveLength(2)
  } finally {
    await vm.close()
  }
})

test('an empty disk goes with a snapshot, and a fork of it goes on alone', async () => {
  const floppy = made('write.img', writer)
  const vm = await launch({ engine: 'soft', floppy, disks: { size: '64M', if: 'virtio' } })
  try {
    const snapshot = await vm.snapshot()
    await vm.media.save('disk0', join(folder, 'kept.qcow2'))
    await expect(vm.media.save('disk1', join(folder, 'no.img'))).rejects.toThrow("there is no disk 'disk1'")
    const file = join(folder, 'empty.snapshot')
    await snapshot.save(file)
    const again = await launch({ snapshot: file })
    await again.waitForExit({ reason: 'poweroff' })
    await again.close()
    const kept = openMedium(join(folder, 'kept.qcow2'), { as: 'disk' })
    expect([kept.format, kept.device.size]).toEqual(['qcow2', 64 << 20])
    kept.device.close()
  } finally {
    await vm.close()
  }
})
