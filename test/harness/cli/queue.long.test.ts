/**
 * The matrix by four workers, each a process: the same results as without them, whoever is killed in mid-run. With real
 * guests where their media are here.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { loadGuest } from '../../../harness/guest/guest.js'
import type { Measurement } from '../../../reports/matrix/measurement.js'
import { readResults } from '../../../reports/matrix/results-folder.js'
import { readRun } from '../../../reports/write-run.js'
import { noFirmware } from '../../firmware-here.js'
import { withoutMedia } from '../../guests/media-here.js'
import { type ProgramName, programFloppy } from '../boot-programs.js'
import { noRedis, RedisHere, redisNote } from '../queue/redis-here.js'
import { bootwright } from './command.js'
import { Project } from './project.js'
import { type WorkerHere, workerHere } from './worker-here.js'

const MINUTES = 60_000
const WORKERS = 4
const MANY = 1000
const REAL = [
  'test-floppy',
  'test-kernel',
  'grub-rescue-floppy',
  'grub-invaders',
  'memtest86plus-ia32',
  'freedos',
  'elks',
]

/** What they have taken of the processors: proc(5), utime and stime in ticks of 10 ms. 0 where the host does not say. */
function cpuSeconds(workers: readonly WorkerHere[]): number {
  const ticks = workers.map(({ pid }) => {
    const path = `/proc/${pid}/stat`
    const fields = existsSync(path)
      ? readFileSync(path, 'latin1')
          .replace(/^.*\) /, '')
          .split(' ')
      : []
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  })
  return ticks.reduce((sum, one) => sum + one, 0) / 100
}

describe.skipIf(noRedis ?? noFirmware)(`four workers${redisNote}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'workers-'))
  let workers: WorkerHere[] = []
  let redis: RedisHere
  const real: string[] = []

  const begin = async (args: readonly string[], cwd?: string) => {
    const all = Array.from({ length: WORKERS }, () => workerHere(redis.url, ['--jobs', '1', ...args], { cwd }))
    workers = await Promise.all(all)
  }
  const matrix = (guests: readonly string[], out: string, ...more: string[]) =>
    bootwright(['matrix', ...guests, '--out', join(folder, out), ...more])
  const atQueue = () => ['--queue', redis.url, '--wait', '1m']
  const results = (out: string) => readResults(join(folder, out)).measurements
  const guestsOf = (out: string) => results(out).map(({ cell }) => cell.guest)

  /** A guest of the test's own: a boot sector, and what is waited for. */
  const tiny = (name: string, program: ProgramName, level: object, more = {}) => {
    const image = join(folder, `${program}.img`)
    writeFileSync(image, programFloppy(program))
    const machine = { memory: 16, floppies: [{ kind: 'file', path: image }] }
    const path = join(folder, `${name}.mjs`)
    const levels = [{ name: 'end', title: 'x', ...level }]
    writeFileSync(
      path,
      `export default ${JSON.stringify({ name, title: name, family: 'test', licence: 'MIT', machine, levels, ...more })}`,
    )
    return path
  }
  const quick = (name: string) => tiny(name, 'exit0', { until: { kind: 'exit', reasons: ['debug-exit'] } })
  const never = { until: { kind: 'text', pattern: { source: 'never', flags: '' } }, timeout: '9999h' }
  const endless = (name: string, hostTimeout: string) => tiny(name, 'idle', never, { hostTimeout })

  beforeAll(async () => {
    for (const name of REAL) if (!(await withoutMedia(await loadGuest(name)))) real.push(name)
    redis = await RedisHere.start()
  }, 10 * MINUTES)
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()))
  })
  afterAll(async () => {
    await redis?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** All that is the guest's and not the host's. */
  const counted = (measurements: readonly Measurement[]) =>
    measurements
      .map(({ cell, guest, device }) => ({
        ...{ guest, device, status: cell.status, level: cell.level, media: cell.media, command: cell.command },
        ...{ instructions: cell.instructions, guestTimeNs: cell.guestTimeNs, unhandled: cell.unhandled },
        // A picture is named by its contents.
        levels: cell.levels.map(({ hostTimeMs: _, ...level }) => level),
      }))
      .sort((a, b) => (a.guest.name < b.guest.name ? -1 : 1))

  test('real guests have the same results as without a queue, twice', { timeout: 30 * MINUTES }, async () => {
    console.log(`with ${real.join(', ')}`)
    expect(real.length).toBeGreaterThan(1)
    await begin([])
    for (const out of ['first', 'second']) {
      const { code, stdout, stderr } = await matrix(real, out, ...atQueue())
      expect(code, stdout + stderr).toBe(0)
    }
    expect((await matrix(real, 'alone')).code).toBe(0)
    const alone = counted(results('alone'))
    expect(alone).toHaveLength(real.length)
    for (const out of ['first', 'second']) expect(counted(results(out))).toEqual(alone)
  })

  test('a worker that is killed in mid-job is replaced, and each guest is measured once', {
    timeout: 10 * MINUTES,
  }, async () => {
    const guests = ['a', 'b', 'c', 'd', 'e', 'f'].map(quick)
    const long = endless('long', '15s')
    await begin([...guests, long])
    const run = matrix([...guests, long], 'killed', ...atQueue())
    const isAt = (worker: WorkerHere) => /^… long/m.test(worker.output())
    while (!workers.some(isAt)) await sleep(20)
    await workers.find(isAt)?.stop('SIGKILL')
    const { stdout } = await run
    expect(guestsOf('killed').sort(), stdout).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'long'])
    expect(workers.filter(isAt)).toHaveLength(2)
    expect(results('killed').find(({ cell }) => cell.guest === 'long')?.cell.reason).toContain('15 s')
  })

  test.each([
    ['forgets', []],
    ['remembers', ['--appendonly', 'yes', '--appendfsync', 'always']],
  ])('a queue that is killed in mid-run and %s costs no guest', { timeout: 10 * MINUTES }, async (name, options) => {
    await redis.remove()
    redis = await RedisHere.start(...options)
    const guests = Array.from({ length: 24 }, (_, i) => quick(`${name}-${i}`))
    await begin(guests)
    const run = matrix(guests, name, ...atQueue())
    while (workers.every((worker) => !worker.output().includes('✓'))) await sleep(20)
    await redis.kill()
    await sleep(3000)
    await redis.begin()
    const { code, stdout, stderr } = await run
    expect(code, stdout + stderr).toBe(0)
    expect(stderr).toMatch(/has gone; this waits for it to come back\n[\s\S]* is back\n/)
    expect(guestsOf(name).sort()).toEqual(guests.map((_, i) => `${name}-${i}`).sort())
  })

  test(`${MANY} small guests go through, once each`, { timeout: 60 * MINUTES }, async () => {
    const guests = Array.from({ length: MANY }, (_, i) => quick(`small-${i}`))
    await begin(guests)
    const [started, before] = [performance.now(), cpuSeconds(workers)]
    const { code, stderr } = await matrix(guests, 'many', ...atQueue())
    const [seconds, cpu] = [(performance.now() - started) / 1000, cpuSeconds(workers) - before]
    expect(code, stderr).toBe(0)
    expect(new Set(guestsOf('many')).size).toBe(MANY)
    expect(guestsOf('many')).toHaveLength(MANY)
    console.log(
      `${MANY} guests by ${WORKERS} workers in ${seconds.toFixed(0)} s: ${(MANY / seconds).toFixed(1)} a second, ` +
        `${((cpu / MANY) * 1000).toFixed(0)} ms of the workers' CPU each`,
    )
  })

  test('a matrix that is interrupted takes its guests out', { timeout: 5 * MINUTES }, async () => {
    const guests = ['x', 'y', 'z', 'u', 'v', 'w'].map((name) => endless(name, '10m'))
    await begin(guests)
    let sent = false
    const { code, stdout } = await bootwright(['matrix', ...guests, '--out', join(folder, 'cut'), ...atQueue()], {
      onOutput: (_, signal) => {
        if (sent || workers.some((worker) => !/^…/m.test(worker.output()))) return
        sent = true
        signal('SIGINT')
      },
    })
    expect(stdout).toContain('then it was interrupted')
    expect(code).toBe(130)
    for (let i = 0; i < 100 && workers.some((worker) => !/given up/.test(worker.output())); i++) await sleep(100)
    for (const worker of workers) expect(worker.output().match(/^…/gm)).toHaveLength(1)
  })

  test('a guest that no worker knows is skipped, and says why', { timeout: 2 * MINUTES }, async () => {
    await begin([])
    const { code, stdout } = await matrix([quick('other')], 'other', '--queue', redis.url, '--wait', '1s')
    expect(stdout).toMatch(/- other: .* knows no guest 'other'; start it with the guest's path\./)
    expect(code).toBe(1)
  })

  test('files of tests are run there, and make one report', { timeout: 5 * MINUTES }, async () => {
    const project = new Project()
    const put = (name: string, value: number) =>
      project.write(name, `test('is one', () => expect(${value}).toBe(1))\ntest('is left out', () => {})`)
    put('good', 1)
    put('bad', 2)
    // Of a guest, with its picture.
    project.write(
      'guest',
      `test('is one of a guest', async ({ vm }) => expect(vm.screen).toHaveText('idle here'))
       test.use({ floppy: ${JSON.stringify(project.floppy('idle'))} })`,
    )
    try {
      await begin([], project.folder)
      const report = join(folder, 'report')
      const env = { BOOTWRIGHT_REPORT: report, VITEST: undefined, NO_COLOR: '1', CI: undefined }
      const args = ['test', '--queue', redis.url, '-t', 'is one']
      const { code, stdout } = await bootwright(args, { cwd: project.folder, env })
      expect(stdout).toMatch(/✗ bad\.test\.ts: 1 failed, 1 skipped/)
      expect(stdout).toMatch(/✓ good\.test\.ts: 1 passed, 1 skipped/)
      expect(code).toBe(1)
      const { run } = readRun(report)
      expect(run.tests.map(({ id, status }) => `${status} ${id}`).sort()).toEqual([
        'failed bad.test.ts > is one',
        'passed good.test.ts > is one',
        'passed guest.test.ts > is one of a guest',
        'skipped bad.test.ts > is left out',
        'skipped good.test.ts > is left out',
      ])
    } finally {
      await Promise.all(workers.splice(0).map((worker) => worker.stop()))
      project.remove()
    }
  })
})
