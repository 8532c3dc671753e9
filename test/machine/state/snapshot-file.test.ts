import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { BlankMedium } from '../../../machine/media/blank.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { Overlay } from '../../../machine/media/overlay.js'
import { hashState } from '../../../machine/state/compare.js'
import { closeLayer } from '../../../machine/state/memory-image.js'
import { readSnapshotFile, writeSnapshotFile } from '../../../machine/state/snapshot-file.js'
import { closeMedia } from '../../../machine/state/snapshot-media.js'
import { barePc } from './bare-pc.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-file-'))
const path = (name: string, contents: Uint8Array): string => {
  const file = join(folder, name)
  writeFileSync(file, contents)
  return file
}
const small = { memory: 1 << 20, floppies: [], disks: [], cdrom: undefined }

/** Where the version stands, after the first line. */
const FORMAT = 20
/** A file of a machine that did a little. */
const written = await (async () => {
  const m = barePc(small)
  m.run(50e6)
  const state = m.pc.save()
  await writeSnapshotFile(join(folder, 'small'), state, { made: 'here' })
  m.pc.close()
  state.memory.layers.forEach(closeLayer)
  return readFileSync(join(folder, 'small'))
})()
const changed = (at: number, byte: number) => Buffer.from(written.map((old, i) => (i === at ? byte : old)))

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

  test('has more changes of a medium than an overlay keeps in memory, in many records', async () => {
    const m = barePc(small)
    const state = m.pc.save()
    m.pc.close()
    // 90 MiB of them, the last cluster cut off by the medium's end.
    const clusterSize = 64 << 10
    const size = 90 * (1 << 20) - 512
    const medium = new Overlay(new BlankMedium(size), { clusterSize, inMemory: 4 * clusterSize })
    const cluster = new Uint8Array(clusterSize)
    for (let offset = 0; offset < size; offset += clusterSize) {
      cluster.fill(1 + ((offset / clusterSize) % 255))
      medium.write(offset, cluster.subarray(0, Math.min(clusterSize, size - offset)))
    }
    state.media.disk0 = medium.freeze()
    state.shape.media.disk0 = size
    const file = join(folder, 'changed')
    await writeSnapshotFile(file, state, {})
    const { machine } = await readSnapshotFile(file)
    expect(machine.media.disk0?.layers.some(({ fd }) => fd !== undefined)).toBe(process.platform === 'linux')
    expect(hashState(machine)).toBe(hashState(state))
    for (const one of [machine, state]) {
      closeMedia(one.media)
      one.memory.layers.forEach(closeLayer)
    }
    medium.close()
    rmSync(file)
  })

  const refusals: [why: string, contents: Buffer, says: RegExp][] = [
    ['is something else', Buffer.from('QFI\xfb and so on'), /is not a snapshot of bootwright/],
    ['is truncated', written.subarray(0, 2000), /damaged \(it is truncated\)/],
    ['ends before its checksum', written.subarray(0, -40), /damaged \(it is truncated\)/],
    ['has a wrong byte', changed(900, written[900] ^ 1), /its checksum is wrong/],
    ['is newer', changed(FORMAT, 99), /has format 99, .* made by a newer one/],
    ...[1, 2, 3, 4].map((old): [string, Buffer, RegExp] => [
      `has format ${old}`,
      changed(FORMAT, old),
      /does not read any more; make it again/,
    ]),
    ['is empty', Buffer.alloc(0), /is not a snapshot/],
  ]
  test.each(refusals)('that %s is refused by name', async (_, contents, says) => {
    const file = path('bad', contents)
    const refusal = readSnapshotFile(file)
    await expect(refusal).rejects.toMatchObject({ name: 'SnapshotError', message: expect.stringMatching(says) })
    await expect(refusal).rejects.toThrow(JSON.stringify(file))
  })

  test('that does not exist is refused', async () => {
    await expect(readSnapshotFile(join(folder, 'none'))).rejects.toThrow(/none" does not exist/)
  })

  test('of another machine is refused, and says what is different', async () => {
    const { machine } = await readSnapshotFile(join(folder, 'small'))
    const load = (options: Parameters<typeof barePc>[0]) => () => barePc({ ...small, ...options }).pc.load(machine)
    expect(load({ memory: 2 << 20 })).toThrow(/it had 1 MiB of RAM, this one has 2 MiB/)
    expect(load({ cpu: 'pentium3' })).toThrow(/its CPU was max, this one's is pentium3/)
    expect(load({ cdrom: new MemoryMedium(1 << 17, { readOnly: true }) })).toThrow(
      /its cdrom held nothing, this one's holds a medium/,
    )
    expect(load({ cpus: 2 })).toThrow(/it had 1 CPUs?, this one has 2/)
    expect(load({ devices: [{ type: 'pc-testdev' }] })).toThrow(/it lacked the device pc-testdev, which this one has/)
    machine.shape.devices.VGA = 'cirrus-vga'
    expect(load({})).toThrow(/its VGA was of type cirrus-vga, this one's is of type VGA/)
    machine.shape.devices.VGA = 'VGA'
    machine.shape.devices.sound = 'sb16'
    expect(load({})).toThrow(/it had the device sound, which this one lacks/)
    machine.memory.layers.forEach(closeLayer)
  })
})
