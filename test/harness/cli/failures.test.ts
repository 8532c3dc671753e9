/** What goes wrong in tests of guests: one clear message each, the right exit code, and nothing left behind. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writePng } from '../../../harness/picture/screenshot.js'
import { readRun } from '../../../reports/write-run.js'
import { bootwright, type Ended } from './command.js'
import { Project } from './project.js'

const project = new Project()
afterAll(() => project.remove())

const machine = (program: Parameters<Project['floppy']>[0]) =>
  JSON.stringify({
    floppy: project.floppy(program),
    engine: 'soft',
    memory: 16,
    needles: join(project.folder, 'needles'),
  })

beforeAll(async () => {
  const needles = join(project.folder, 'needles')
  mkdirSync(needles)
  await writePng(join(needles, 'login.png'), { width: 720, height: 400, data: new Uint8Array(720 * 400 * 4).fill(255) })
  const area = [{ type: 'match', xpos: 0, ypos: 0, width: 200, height: 50 }]
  writeFileSync(join(needles, 'login.json'), JSON.stringify({ area, tags: ['login'], properties: [] }))
  project.write(
    'wrong',
    `describe('a guest that is well', () => {
      test.use({ ...${machine('echo')}, trace: 'off', video: 'off' })
      test('needle', async ({ vm }) => { await expect(vm.screen).toMatchNeedle('login', { timeout: '1s' }) })
      test('no needle', async ({ vm }) => { await expect(vm.screen).toMatchNeedle('logn') })
      test('baseline', async ({ vm }) => { await vm.serial.waitFor('>'); await expect(vm.screen).toHaveScreenshot('x.png') })
      test('key', async ({ vm }) => { await vm.keyboard.press('Contrl+C') })
    })
    describe('a guest that dies', () => {
      test.use(${machine('tripleFault')})
      test('shut down', async ({ vm }) => { await expect(vm.screen).toHaveText('never') })
    })
    describe('a guest that stops', () => {
      test.use(${machine('halt')})
      test('halted', async ({ vm }) => { await expect(vm.screen).toHaveText('never') })
    })`,
  )
  project.write(
    'killed',
    "test('killed', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}) })",
  )
  project.write(
    'endless',
    `test.use(${machine('idle')})
    test('waits', async ({ vm }) => {
      await vm.serial.waitFor('idle')
      console.log('it runs')
      await vm.wait('1h')
    }, 600_000)`,
  )
  project.write(
    'well',
    `test.use({ ...${machine('echo')}, trace: 'on', video: 'on' })
    test('is well', async ({ vm }) => { await vm.serial.waitFor('>') })`,
  )
})

/** Temporary files, and processes whose command line or environment names the project. */
function left(): string[] {
  const processes = readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    try {
      const of = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8')
      return (of('cmdline') + of('environ')).includes(project.folder) ? [of('cmdline').replaceAll('\0', ' ')] : []
    } catch {
      return []
    }
  })
  return [...processes, ...readdirSync(project.temporary)]
}

describe.runIf(process.platform === 'linux')('what goes wrong is told in one message', () => {
  const old = join(project.results, 'renamed.test.ts', 'a-test')
  const mine = join(project.results, 'mine')
  let ended: Ended

  beforeAll(async () => {
    for (const folder of [old, mine]) mkdirSync(folder, { recursive: true })
    writeFileSync(join(old, 'last-screen.png'), '')
    ended = await project.run(['wrong'], { env: { CI: '1' } })
  })

  test('needles, pictures, keys and dead guests, with exit code 1', () => {
    const { code, stdout, stderr } = ended
    expect(code, stdout + stderr).toBe(1)
    const messages = readRun(project.report).run.tests.map(({ titles, errors }) => [
      titles[1],
      errors.map((e) => e.message),
    ])
    const { needle, 'no needle': missing, baseline, key, 'shut down': dead, halted } = Object.fromEntries(messages)
    expect(needle).toEqual([
      expect.stringMatching(/^expected the needle 'login' on the screen: waited 1 s of guest time/),
    ])
    expect(needle[0]).toMatch(/nearest was 'login', with [\d.]+ % of 96\.0 %/)
    expect(needle[0]).toMatch(/make \S+needles\/login\.png of it: npx bootwright accept --test "[^"]*needle"/)
    expect(missing).toEqual([expect.stringMatching(/^there is no needle 'logn'/)])
    expect(baseline).toEqual([expect.stringMatching(/^there is no expected picture .*x\.png; run with -u locally/)])
    expect(existsSync(join(project.folder, '__screenshots__'))).toBe(false)
    expect(key).toEqual([expect.stringContaining("did you mean 'Control'?")])
    expect(dead).toEqual([expect.stringMatching(/the CPU shut down in a triple fault before the text \/never\//)])
    expect(halted).toEqual([
      expect.stringMatching(
        /the CPU halted for good, with interrupts disabled before the text[\s\S]*halting[\s\S]*nothing can wake the CPU/,
      ),
    ])
    expect(left()).toEqual([])
  })

  test("a needle's picture is beside the screen in the report, and accept makes the needle of that screen", async () => {
    const { tests } = readRun(project.report).run
    const [picture] = tests
      .filter(({ titles }) => titles.at(-1) === 'needle')
      .flatMap(({ attachments }) => attachments.filter(({ kind }) => kind === 'picture'))
    const png = join(project.folder, 'needles', 'login.png')
    expect(picture).toMatchObject({ name: 'login.png', status: 'different', baseline: png })
    expect(picture).toMatchObject({ expected: {}, actual: {}, diff: {} })
    const { code, stdout } = await bootwright(['accept', project.report, '--test', 'needle'], { cwd: project.folder })
    expect(stdout).toContain('needles/login.png')
    expect(code).toBe(0)
    expect((await project.run(['wrong', '-t', 'a guest that is well needle'])).code).toBe(0)
  })

  test('what former runs left is removed; what is not theirs stays', () => {
    expect(existsSync(old)).toBe(false)
    expect(existsSync(mine)).toBe(true)
  })

  test('a worker that is killed', async () => {
    const { code, stdout, stderr } = await project.run(['killed'])
    expect(code, stdout + stderr).toBe(1)
    const { run } = readRun(project.report)
    expect([...run.errors, ...run.tests.flatMap(({ errors }) => errors)].map(({ message }) => message)).toEqual([
      expect.stringMatching(/^a worker process of vitest was killed/),
    ])
    expect(left()).toEqual([])
  })

  test('an interrupt while a machine runs, with exit code 130', async () => {
    let sent = false
    const { code, stdout } = await project.run(['endless'], {
      onOutput: (text, signal) => {
        if (sent || !text.includes('it runs')) return
        sent = true
        signal('SIGINT')
      },
    })
    expect(sent, stdout).toBe(true)
    expect(code, stdout).toBe(130)
    expect(left()).toEqual([])
  })
})

describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('a full disk', () => {
  const full = join(project.folder, 'full')
  beforeAll(() => {
    mkdirSync(full)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', full])
  })
  afterAll(() => {
    execFileSync('umount', [full])
  })

  test('under the report is said, with exit code 3', async () => {
    const { code, stdout, stderr } = await project.run(['well'], { env: { BOOTWRIGHT_REPORT: join(full, 'report') } })
    expect(stderr + stdout).toMatch(/bootwright: .*full.*: the disk is full; make room and run it again/)
    expect(code, stdout + stderr).toBe(3)
    expect(left()).toEqual([])
  })

  test('under what tests leave is said, and is no reason to fail', async () => {
    const { code, stdout, stderr } = await project.run(['well'], { env: { BOOTWRIGHT_OUTPUT: join(full, 'results') } })
    expect(stderr + stdout).toMatch(
      /bootwright: what this test leaves is not complete: .*is-well\/[\w.]+: the disk is full; make room/,
    )
    expect(code, stdout + stderr).toBe(0)
    expect(left()).toEqual([])
  })
})
