import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { defineGuest, type Guest, type Level } from '../../../harness/guest/guest.js'
import { file } from '../../../harness/guest/guest-media.js'
import { inParallel, matrixResult, runCell, withoutLocalPaths } from '../../../harness/guest/matrix-run.js'
import { any, exit, serial, text } from '../../../harness/vm/conditions.js'
import { BIOS_FILE, VGA_BIOS_FILE } from '../../../machine/firmware/find-firmware.js'
import { parseMatrix } from '../../../reports/matrix/matrix-result.js'
import { compiledFakeMachine } from '../compiled.js'

let fake: string
let floppy: string

beforeAll(() => {
  fake = compiledFakeMachine()
  floppy = join(mkdtempSync(join(tmpdir(), 'matrix-run-')), 'a.img')
  writeFileSync(floppy, new Uint8Array(737_280))
  // The fake machine runs no firmware, but one is read.
  const firmware = mkdtempSync(join(tmpdir(), 'matrix-run-'))
  const bios = new Uint8Array(65_536)
  bios[bios.length - 16] = 0xea
  writeFileSync(join(firmware, BIOS_FILE), bios)
  writeFileSync(join(firmware, VGA_BIOS_FILE), Uint8Array.of(0x55, 0xaa, 1, ...new Uint8Array(509)))
  vi.stubEnv('BOOTWRIGHT_FIRMWARE', firmware)
  return () => vi.unstubAllEnvs()
})

function guest(levels: Level[], path = floppy): Guest {
  return defineGuest({
    name: 'fake',
    title: 'Fake',
    family: 'hobby',
    licence: 'MIT',
    machine: { floppies: [file(path)] },
    levels,
  })
}

const hello: Level = { name: 'kernel', title: 'hello', until: text(/hello/) }
const never: Level = { name: 'userland', title: 'a login', until: text(/login:/), timeout: '500ms' }

describe('a cell', () => {
  test('goes up the levels, each with its evidence', async () => {
    const off: Level = { name: 'off', title: 'it powers off', until: exit() }
    const cell = await runCell(guest([hello, off]), { engine: 'soft', machineModule: fake })
    expect(cell).toMatchObject({ status: 'passed', level: 'off', engine: 'soft', engineReason: 'a fake' })
    expect(cell.levels.map(({ name, status }) => [name, status])).toEqual([
      ['kernel', 'passed'],
      ['off', 'passed'],
    ])
    const [first] = cell.levels
    expect(first.evidence).toMatchObject({
      serial: expect.stringContaining('hello'),
      text: expect.stringMatching(/^hello/),
    })
    expect(first.evidence?.screenshot?.png).toMatch(/^iVBOR/)
    expect(first.evidence?.screenshot?.mode).toBe('text 20×4')
    expect(first.guestTimeNs).toBeGreaterThanOrEqual(100e6)
    expect(first.guestTimeNs).toBeLessThan(200e6)
    expect(cell.unhandled).toMatchObject([{ address: 0x388, name: 'AdLib' }])
  })

  test('ends at the first level that is not reached, and says why', async () => {
    const last: Level = { name: 'shell', title: 'a prompt', until: text(/\$/) }
    const cell = await runCell(guest([hello, never, last]), { engine: 'soft', machineModule: fake })
    expect(cell).toMatchObject({ status: 'failed', level: 'kernel', registers: 'EIP 0000FFF0' })
    expect(cell.reason).toMatch(/^userland: .*0\.5 s of guest time.*login:/)
    expect(cell.levels.map(({ status }) => status)).toEqual(['passed', 'failed', 'skipped'])
    expect(cell.levels[1].evidence?.screenshot).toBeDefined()
    expect(cell.exit).toBeUndefined()
  })

  test('tells an exit that nobody waited for', async () => {
    const cell = await runCell(guest([{ ...never, timeout: '10s' }]), { engine: 'soft', machineModule: fake })
    expect(cell).toMatchObject({ status: 'failed', exit: { reason: 'poweroff' } })
    expect(cell.level).toBeUndefined()
  })

  test('ends with the host time-out, whatever the guest does', async () => {
    const endless = defineGuest({ ...guest([{ ...never, timeout: '1h' }]), hostTimeout: '300ms' })
    const cell = await runCell(endless, { engine: 'soft', machineModule: `${fake}?scenario=idle` })
    expect(cell.status).toBe('failed')
    expect(cell.reason).toMatch(/time-out of 0\.3 s/)
  })

  test.each([
    ['breaks', 'broken', /the device is broken/],
    ['never comes back', 'stuck', /thread has ended/],
  ])('fails where the machine %s, and tells the levels before', { timeout: 30_000 }, async (_, scenario, reason) => {
    const two = defineGuest({ ...guest([hello, never]), hostTimeout: '200ms' })
    const cell = await runCell(two, { engine: 'soft', machineModule: `${fake}?scenario=${scenario}`, graceMs: 300 })
    expect(cell).toMatchObject({ status: 'failed', reason: expect.stringMatching(reason) })
    expect(cell.levels.map(({ status }) => status)).toEqual(['failed', 'skipped'])
  })

  test('is skipped where its media are missing', async () => {
    const cell = await runCell(guest([hello], '/nowhere/a.img'), { engine: 'soft', machineModule: fake })
    expect(cell).toMatchObject({ status: 'skipped', reason: '/nowhere/a.img does not exist.', levels: [] })
  })

  test('fails where they are no media', async () => {
    const short = `${floppy}.short`
    writeFileSync(short, '')
    const cell = await runCell(guest([hello], short), { engine: 'soft', machineModule: fake })
    expect(cell).toMatchObject({ status: 'failed', reason: expect.stringMatching(/is empty/) })
    expect(cell.levels).toMatchObject([{ name: 'kernel', status: 'skipped' }])
  })

  test('rejects where the engine is not to be had', async () => {
    const run = runCell(guest([hello]), { engine: 'kvm', machineModule: `${fake}?scenario=no-engine` })
    await expect(run).rejects.toThrow('The engine is not to be had; use another.')
  })
})

test('reasons tell others no folder of this host', () => {
  vi.stubEnv('BOOTWRIGHT_IMAGES', '/media/mine')
  const words = 'os.img is not in /media/mine, the folder that BOOTWRIGHT_IMAGES names'
  expect(withoutLocalPaths(words, undefined)).toBe('os.img is not in the folder that BOOTWRIGHT_IMAGES names')
  expect(withoutLocalPaths('/media/mine/os.img is empty', undefined)).toBe('BOOTWRIGHT_IMAGES/os.img is empty')
  vi.stubEnv('BOOTWRIGHT_IMAGES', undefined)
})

test('a result around cells is one that can be read back', async () => {
  const either: Level = { name: 'kernel', title: 'hello', until: any(serial('hello'), text(/hello/)) }
  const one = guest([either])
  const cell = await runCell(one, { engine: 'soft', machineModule: fake })
  const result = matrixResult({ guests: [one], engines: ['soft'], started: new Date() }, [cell])
  expect(parseMatrix(JSON.parse(JSON.stringify(result))).guests[0]).toMatchObject({ name: 'fake', levels: ['kernel'] })
})

describe('in parallel', () => {
  test('no more than the limit run at a time, and results keep their order', async () => {
    let running = 0
    let most = 0
    const jobs = [30, 10, 20, 5].map((ms) => async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, ms))
      running--
      return ms
    })
    expect(await inParallel(jobs, 2)).toEqual([30, 10, 20, 5])
    expect(most).toBe(2)
  })

  test('none is started after one has failed', async () => {
    const started: number[] = []
    const jobs = [0, 1, 2, 3].map((i) => async () => {
      started.push(i)
      if (i === 1) throw new Error('no')
      await new Promise((resolve) => setTimeout(resolve, 20))
    })
    await expect(inParallel(jobs, 2)).rejects.toThrow('no')
    expect(started).toEqual([0, 1])
  })
})
