/** More changes than an overlay keeps in memory, and its limit, by a boot sector that fills a disk. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { openLayers, partsOf } from '../../../harness/thread/snapshot.js'
import { hashState } from '../../../machine/state/compare.js'
import { firmwareNote, noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { bootwright } from '../cli/command.js'

const MIB = 1 << 20
const folder = mkdtempSync(join(tmpdir(), 'bootwright-overlay-limit-'))
const floppy = join(folder, 'fill.img')
const disk = join(folder, 'disk.img')
writeFileSync(floppy, programFloppy('fillDisk'))
const fd = openSync(disk, 'w')
ftruncateSync(fd, 128 * MIB)
closeSync(fd)

describe.skipIf(noFirmware)(`a guest that writes and writes${firmwareNote}`, () => {
  afterAll(() => rmSync(folder, { recursive: true }))

  test('gets an error at the limit, and the run says why', { timeout: 120_000 }, async () => {
    const run = (...more: string[]) =>
      bootwright([
        ...['run', '--engine', 'soft', '--floppy', floppy, '--disk', disk, '--boot', 'a', '--timeout', '60s'],
        ...['--until-serial', 'E', ...more],
      ])
    const { code, stderr } = await run('--overlay-limit', '4M')
    expect(stderr).toContain(`bootwright: ${JSON.stringify(disk)}: its changes have reached the limit of 4 MiB`)
    expect(code).toBe(0)
    // Without one the error is that the disk has an end, which is no failure of the host's.
    const whole = await run('--json')
    expect(whole.stderr).not.toContain('limit')
    expect(JSON.parse(whole.stdout)).not.toHaveProperty('mediaFailures')
    expect((await run('--overlay-limit', 'x')).code).toBe(2)
  })

  test('has snapshots and forks of what is in a file', { timeout: 120_000 }, async () => {
    const before = openLayers()
    const vm = await VmThread.start({
      ...{ engine: 'soft', memory: 16 * MIB, bootOrder: 'a', overlayLimit: 80 * MIB },
      ...{ floppies: [{ path: floppy }], disks: [{ path: disk }] },
    })
    const serial = { kind: 'serial', port: 0, pattern: { source: 'E', flags: '' } } as const
    const result = await vm.run({ steps: [{ kind: 'until', condition: serial }], hostTimeoutMs: 100_000 })
    expect(result.mediaFailures).toHaveLength(1)
    const snapshot = await vm.snapshot()
    const { state } = partsOf(snapshot)
    expect(snapshot.bytes).toBeGreaterThan(80 * MIB)
    expect(state.media.disk0?.layers.some((layer) => layer.fd !== undefined)).toBe(process.platform === 'linux')
    const hash = hashState(state)
    const fork = await vm.forkFrom(snapshot)
    await vm.close()
    const again = await fork.snapshot()
    snapshot.release()
    expect(hashState(partsOf(again).state)).toBe(hash)
    again.release()
    await fork.close()
    expect(openLayers()).toBe(before)
  })

  test('has in a fork the folder for temporary files of now', { timeout: 120_000 }, async () => {
    const vm = await VmThread.start({
      ...{ engine: 'soft', memory: 16 * MIB, bootOrder: 'a' },
      ...{ floppies: [{ path: floppy }], disks: [{ path: disk }] },
    })
    const snapshot = await vm.snapshot()
    await vm.prepareForks()
    const missing = join(folder, 'none')
    vi.stubEnv('TMPDIR', missing)
    try {
      const fork = await vm.forkFrom(snapshot)
      const serial = { kind: 'serial', port: 0, pattern: { source: 'E', flags: '' } } as const
      const { mediaFailures } = await fork.run({
        steps: [{ kind: 'until', condition: serial }],
        hostTimeoutMs: 100_000,
      })
      expect(JSON.stringify(mediaFailures)).toContain(`in the folder for temporary files ${missing}`)
      await fork.close()
    } finally {
      vi.unstubAllEnvs()
      snapshot.release()
      await vm.close()
    }
  })
})
