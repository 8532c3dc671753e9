import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { hashState } from '../../../machine/state/compare.js'
import { migrated } from '../../../machine/state/machine-state.js'
import { closeLayer } from '../../../machine/state/memory-image.js'
import { readSnapshotFile, writeSnapshotFile } from '../../../machine/state/snapshot-file.js'
import { barePc } from './bare-pc.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-file-'))
const path = (name: string, contents: Uint8Array): string => {
  const file = join(folder, name)
  writeFileSync(file, contents)
  return file
}
const small = { memory: 1 << 20, floppies: [], disks: [], cdrom: undefined }

describe('a snapshot file', () => {
  afterAll(() => rmSync(folder, { recursive: true }))

  test('gives back the very state, media and all', async () => {
    const m = barePc()
    m.run(2e6)
    m.out(0x1f6, 0xe0)
    m.out(0x1f2, 1)
    m.out(0x1f3, 9)
    m.out(0x1f7, 0x30)
    m.run(1e6)
    m.outw(0x1f0, ...Array.from({ length: 256 }, (_, i) => i * 7))
    m.run(20e6)
    const state = m.pc.save()
    expect(state.media.disk0?.layers).toHaveLength(1)
    const file = join(folder, 'whole')
    await writeSnapshotFile(file, state, {})
    const { machine } = await readSnapshotFile(file)
    expect(hashState(machine)).toBe(hashState(state))
    const copy = barePc()
    copy.pc.load(machine)
    expect(hashState(copy.pc.save())).toBe(hashState(state))
  })

  /** A file as it is written today. */
  async function written(): Promise<Buffer> {
    const m = barePc(small)
    m.run(50e6)
    const file = join(folder, 'small')
    await writeSnapshotFile(file, m.pc.save(), {})
    m.pc.close()
    return readFileSync(file)
  }

  const refusals: [why: string, change: (file: Buffer) => Buffer, says: RegExp][] = [
    ['is something else', () => Buffer.from('QFI\xfb and so on'), /is not a snapshot of bootwright/],
    ['is truncated', (file) => file.subarray(0, 2000), /damaged \(it is truncated\)/],
    ['ends before its checksum', (file) => file.subarray(0, -40), /damaged \(it is truncated\)/],
    [
      'has a wrong byte',
      (file) => Buffer.from(file.map((byte, i) => (i === 900 ? byte ^ 1 : byte))),
      /its checksum is wrong/,
    ],
    [
      'is newer',
      (file) => Buffer.from(file.map((byte, i) => (i === 20 ? 9 : byte))),
      /has format 9, .* made by a newer one/,
    ],
    ['is empty', () => Buffer.alloc(0), /is not a snapshot/],
  ]
  test.each(refusals)('that %s is refused by name', async (_, change, says) => {
    const file = path('bad', change(await written()))
    const refusal = readSnapshotFile(file)
    await expect(refusal).rejects.toMatchObject({ name: 'SnapshotError', message: expect.stringMatching(says) })
    await expect(refusal).rejects.toThrow(JSON.stringify(file))
  })

  test('that does not exist is refused', async () => {
    await expect(readSnapshotFile(join(folder, 'none'))).rejects.toThrow(/none" does not exist/)
  })

  test('of another machine is refused, and says what is different', async () => {
    const { machine } = await readSnapshotFile(path('old', await written()))
    const load = (options: Parameters<typeof barePc>[0]) => () => barePc({ ...small, ...options }).pc.load(machine)
    expect(load({ memory: 2 << 20 })).toThrow(/it had 1 MiB of RAM, this one has 2 MiB/)
    expect(load({ cpu: 'pentium3' })).toThrow(/its CPU was max, this one's is pentium3/)
    expect(load({ cdrom: new MemoryMedium(1 << 17, { readOnly: true }) })).toThrow(
      /its cdrom held nothing, this one's holds a medium/,
    )
    machine.shape.devices.sound = 1
    expect(load({})).toThrow(/it had the device sound, which this one lacks/)
    machine.memory.layers.forEach(closeLayer)
  })
})

describe("a device's state of another version", () => {
  const device = { name: 'thing', reset() {}, save: () => ({}), load() {} }

  test('is migrated by the device', () => {
    const newer = { ...device, version: 3, migrate: (state: object, from: number) => ({ ...state, from }) }
    expect(migrated(newer, { a: 1 }, 2)).toEqual({ a: 1, from: 2 })
    expect(migrated(newer, { a: 1 }, 3)).toEqual({ a: 1 })
  })

  test('is refused where it is newer, or there is no way', () => {
    expect(() => migrated(device, {}, 2)).toThrow(/thing is of version 2, this bootwright knows up to 1/)
    expect(() => migrated({ ...device, version: 2 }, {}, 1)).toThrow(/no way from it to version 2/)
  })
})
