/** Drives, and devices with disks, in QEMU's words and ours. */
import { describe, expect, test } from 'vitest'
import { parseRun } from '../../../harness/cli/run-options.js'
import { driveDevices } from '../../../harness/config/drive-devices.js'

describe('--drive', () => {
  const machine = (...drives: string[]) => parseRun('g', { drive: drives, write: true }, []).machine
  test('puts images in their places, and leaves alone what is readonly', () => {
    const {
      disks,
      floppies,
      cdrom: cd,
    } = machine(
      'file=b,index=1',
      'file=a,if=ide,index=0,readonly=on',
      'file=c',
      'file=f,if=floppy,format=raw',
      'file=d,media=cdrom,index=2',
    )
    expect(disks).toEqual([
      { path: 'a', index: 0 },
      { path: 'b', index: 1, write: true },
      { path: 'c', write: true },
    ])
    expect(floppies).toEqual([{ path: 'f', format: 'raw', write: true }])
    expect(cd).toEqual({ path: 'd' })
    expect(machine('file=a,,b.img').disks).toEqual([{ path: 'a,b.img', write: true }])
  })
  test('write-protects what can be, and keeps an image from being written', () => {
    const { disks, floppies } = machine(
      'file=a,if=virtio,readonly=on',
      'file=b,if=scsi,readonly=on',
      'file=c,if=ahci,readonly=on',
      'file=d,if=virtio,snapshot=on',
      'file=e,if=virtio,snapshot=off,readonly=off',
      'file=f,if=floppy,readonly=on',
    )
    expect(disks).toEqual([
      { path: 'a', if: 'virtio', readonly: true },
      { path: 'b', if: 'scsi', readonly: true },
      { path: 'c', if: 'ahci' },
      { path: 'd', if: 'virtio' },
      { path: 'e', if: 'virtio', write: true },
    ])
    expect(floppies).toEqual([{ path: 'f', readonly: true }])
  })
  test('has places by bus and unit, as by index', () => {
    const { disks, floppies } = machine(
      'file=a,bus=1,unit=1',
      'file=b,unit=1',
      'file=c,if=ahci,bus=4',
      'file=d,if=scsi,bus=0,unit=3',
      'file=f,if=floppy,unit=0',
    )
    expect(disks?.map((disk) => disk.index)).toEqual([1, 3, 4, 3])
    expect(floppies).toHaveLength(1)
    expect(driveDevices({ disks: disks?.slice(3) })[0]).toEqual({
      ...{ type: 'scsi-hd', id: 'disk0', options: { drive: 'disk0', 'scsi-id': 3 } },
    })
  })
  test.each([
    ['if=ide', 'names no image; add file=PATH, or size=8G for an empty disk'],
    ['file=a,size=1G', 'an image has its own size'],
    ['size=0', 'size 0 is no size of a disk'],
    ['size=8X', "size '8X' is not a size"],
    ['size=1G,media=cdrom', 'only a disk can be empty'],
    ['file=a,if=none', 'a device finds it by its id; add id=NAME'],
    ['file=a,fil=b', "there is no 'fil'; did you mean 'file'?"],
    ['file=a,format=dmg', 'image formats here are raw, qcow2, vmdk, vdi, vpc or vhdx, not dmg'],
    ['file=a,if=sd', 'drives here are ide, virtio, scsi, ahci, none or floppy, not sd'],
    ['file=a,index=4', 'index is 0 to 3 on ide, not 4'],
    ['file=a,if=floppy,index=1', 'none at 0; fill the places in order'],
    ['file=a,media=cdrom,if=virtio', 'the CD drive here is an IDE one'],
    ['file=a,if=floppy,index=2', 'index is 0 to 1 on floppy, not 2'],
    ['file=a,readonly=yes', 'readonly is on or off, not yes'],
    ['file=a,snapshot=1', 'snapshot is on or off, not 1'],
    ['file=a,cache=of', 'cache is none, writeback, writethrough, directsync or unsafe, not of'],
    ['file=a,bus=2', 'bus is 0 to 1 on ide, not 2'],
    ['file=a,unit=2', 'unit is 0 to 1 on ide, not 2'],
    ['file=a,if=ahci,bus=0,unit=1', 'unit is 0 to 0 on ahci, not 1'],
    ['file=a,index=1,unit=0', 'index says what bus and unit say; leave out one of them'],
    ['a.img', "'a.img' has no value; the image is file=PATH"],
  ])('%s is refused', (drive, sentence) => {
    expect(() => machine(drive)).toThrow(sentence)
  })
  test('plugs disks into what they are said to be on', () => {
    const { disks, cdrom: cd } = machine(
      'size=8G,if=virtio,serial=S',
      'file=a,if=none,id=hd0',
      'file=c,media=cdrom,index=0',
    )
    expect(disks).toEqual([
      { size: 2 ** 33, if: 'virtio', serial: 'S' },
      { path: 'a', if: 'none', id: 'hd0', write: true },
    ])
    expect(cd).toEqual({ path: 'c', index: 0 })
    const devices = [{ type: 'virtio-blk-pci', options: { drive: 'hd0' } }]
    expect(
      driveDevices({ disks: [...(disks ?? []), { path: 'b' }, { path: 'd', index: 2 }], cdrom: cd, devices }),
    ).toEqual([
      { type: 'ide-cd', id: 'cdrom', options: { unit: 0 } },
      { type: 'virtio-blk-pci', options: { drive: 'disk0', serial: 'S' } },
      { type: 'ide-hd', id: 'disk2', options: { drive: 'disk2', unit: 1 } },
      { type: 'ide-hd', id: 'disk3', options: { drive: 'disk3', unit: 2 } },
      { type: 'virtio-blk-pci', options: { drive: 'disk1' } },
    ])
    expect(() => driveDevices({ disks })).toThrow("the drive 'hd0' is plugged into nothing (if=none)")
    expect(() => driveDevices({ disks, devices: [...devices, ...devices] })).toThrow(
      "two devices are given the drive 'hd0'",
    )
    const twice = [
      { path: 'a', index: 1 },
      { path: 'b', index: 1 },
    ]
    expect(() => driveDevices({ disks: twice })).toThrow(/'disk0' and the disk 'disk1' are both to be at IDE index 1/)
    expect(() => driveDevices({ disks: [{ path: 'a', id: 'disk1' }, { path: 'b' }] })).toThrow("have the id 'disk1'")
  })
  test('a SCSI disk brings its host adapter, unless one is there', () => {
    const { disks } = machine('file=a,if=scsi,serial=S', 'file=b,if=scsi')
    const drives = [
      { type: 'scsi-hd', id: 'disk0', options: { drive: 'disk0', serial: 'S' } },
      { type: 'scsi-hd', id: 'disk1', options: { drive: 'disk1' } },
    ]
    expect(driveDevices({ disks })).toEqual([...drives, { type: 'virtio-scsi-pci' }])
    const devices = [{ type: 'virtio-scsi-pci', options: {} }]
    expect(driveDevices({ disks, devices })).toEqual([...drives, ...devices])
  })
  test('devices of disks are named and placed in QEMU’s words', () => {
    const devices = (...words: string[]) =>
      parseRun('g', { device: words }, []).machine.devices?.map(({ type, options }) => [type, options])
    expect(
      devices(
        ...[
          'ich9-ahci,id=ahci',
          'ide-hd,drive=x,bus=ahci.2',
          'ide-hd,drive=x,bus=ide.1,unit=1',
          'ide-hd,drive=x,bus=ide.1',
        ],
        ...[
          'virtio-blk,drive=x,bus=pci.0',
          'virtio-rng-pci-non-transitional',
          'scsi-hd,drive=x,bus=scsi0.0,channel=0,scsi-id=3',
        ],
      ),
    ).toEqual([
      ['ahci', {}],
      ['ide-hd', { drive: 'x', bus: 'sata', unit: 2 }],
      ['ide-hd', { drive: 'x', unit: 3 }],
      ['ide-hd', { drive: 'x', unit: 2 }],
      ['virtio-blk-pci', { drive: 'x' }],
      ['virtio-rng-pci', undefined],
      ['scsi-hd', { drive: 'x', 'scsi-id': '3' }],
    ])
    expect(() => devices('ide-hd,drive=x,bus=ide.2,unit=0')).toThrow("bus is 'ide.2'; it must be ide or sata")
    expect(() => devices('scsi-cd,drive=x')).toThrow('the CD drive here is an IDE one')
  })
  test('switches need no value', () => {
    expect(machine('file=a,if=virtio,readonly').disks).toEqual(machine('file=a,if=virtio,readonly=on').disks)
  })
  test('two in one place are refused', () => {
    expect(() => machine('file=a,if=floppy,index=0', 'file=b,if=floppy,index=0')).toThrow('another floppy at index 0')
    expect(() => machine('file=a,media=cdrom', 'file=b,media=cdrom')).toThrow('there is one CD drive')
    expect(() => machine(...Array(17).fill('file=a'))).toThrow('there is room for 16 disks')
  })
})
