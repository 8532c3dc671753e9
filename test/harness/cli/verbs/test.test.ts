/** `bootwright test`, with tests that need no machine. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readRun } from '../../../../reports/write-run.js'
import { bootwright } from '../command.js'

const project = mkdtempSync(join(tmpdir(), 'project-'))
afterAll(() => rmSync(project, { recursive: true }))
const report = join(project, 'report')
const root = fileURLToPath(new URL('../../../..', import.meta.url))

const TESTS = `
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
let tries = 0
describe('a guest', () => {
  test('boots', ({ task }) => { task.meta.guestTimeNs = 5e9 })
  test('goes on a second try', { retry: 1 }, () => { expect(++tries).toBe(2) })
  test.skip('is left out', () => {})
  test('looks as ever', () => {
    const folder = process.env.BOOTWRIGHT_OUTPUT + '/some.test.ts/a-guest-looks-as-ever'
    mkdirSync(folder, { recursive: true })
    for (const part of ['expected', 'actual', 'diff']) writeFileSync(folder + '/login-' + part + '.png', part)
    writeFileSync(folder + '/COM1.cast', '{"version":2,"width":80,"height":24}')
    expect('\\u001b[31mred').toBe('blue')
  })
})
`

beforeAll(() => {
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
  mkdirSync(join(project, 'test'))
  writeFileSync(join(project, 'test/some.test.ts'), TESTS)
  writeFileSync(join(project, 'test/good.test.ts'), "import { test } from 'vitest'\ntest('fine', () => {})\n")
  const slow =
    "import { test } from 'vitest'\ntest('slow', () => new Promise((done) => setTimeout(done, 60_000)), 70_000)\n"
  writeFileSync(join(project, 'test/slow.test.ts'), slow)
})

const run = (args: string[], options: Parameters<typeof bootwright>[1] = {}) =>
  bootwright(['test', '--root', project, ...args], {
    ...options,
    env: {
      BOOTWRIGHT_REPORT: report,
      BOOTWRIGHT_OUTPUT: undefined,
      VITEST: undefined,
      GITHUB_STEP_SUMMARY: undefined,
      ...options.env,
    },
  })

describe('bootwright test', () => {
  test('runs tests by vitest and leaves a report of them, with the files of those that failed', async () => {
    const summary = join(project, 'summary.md')
    const env = { GITHUB_STEP_SUMMARY: summary, BOOTWRIGHT_OUTPUT: join(project, 'test-results') }
    const { code, stdout } = await run(['some'], { env })
    expect(code, stdout).toBe(1)
    expect(stdout).toContain('The report is in')
    const { tests } = readRun(report).run
    expect(tests.map(({ titles, status }) => [titles.join(), status])).toEqual([
      ['a guest,boots', 'passed'],
      ['a guest,goes on a second try', 'flaky'],
      ['a guest,is left out', 'skipped'],
      ['a guest,looks as ever', 'failed'],
    ])
    expect(tests[0]).toMatchObject({ file: 'test/some.test.ts', guestTimeNs: 5e9 })
    expect(tests[1].retries).toBe(1)
    const failed = tests[3]
    expect(failed.errors[0].message).not.toContain('\x1b')
    expect(failed.attachments).toEqual([
      {
        kind: 'picture',
        name: 'login.png',
        status: 'different',
        baseline: join(project, 'test/__screenshots__/some.test.ts/login.png'),
        ...Object.fromEntries(
          ['expected', 'actual', 'diff'].map((part) => [part, { type: 'image/png', path: expect.any(String) }]),
        ),
      },
      { kind: 'asciicast', name: 'COM1', file: { type: 'application/x-asciicast', path: expect.any(String) } },
    ])
    expect(failed.errors[0].stack).toContain('some.test.ts')
    expect(readFileSync(summary, 'utf8')).toContain('1 failed')
  })

  test('passes options through, and is 0 when all is well', async () => {
    const { code, stdout } = await run(['good', '-t', 'fine', '--reporter=json'])
    expect(code, stdout).toBe(0)
    expect(stdout).toContain('"numPassedTests":1')
    expect(readRun(report).run.tests.map(({ status }) => status)).toEqual(['passed'])
  })

  test('is 4 without tests and 2 for an option that vitest does not know', async () => {
    const before = readFileSync(join(report, 'run.json'), 'utf8')
    const none = await run(['no-such-file'])
    expect(none.code).toBe(4)
    expect(none.stdout).toContain('There was nothing to run; the report in')
    expect(readFileSync(join(report, 'run.json'), 'utf8')).toBe(before)
    expect((await run(['good', '--no-such-option-at-all=1'])).code).toBe(2)
  })

  // At once: each waits for what vitest gives its workers to end.
  test.runIf(process.platform === 'linux').concurrent.each([
    ['SIGINT', 130],
    ['SIGHUP', 130],
    ['SIGKILL', null],
  ] as const)('at %s to it alone ends with %s, and leaves no process behind', async (name, wanted) => {
    let sent = false
    /** In the environment of all its processes. */
    const own = join(project, `report-${name}`)
    const { code } = await run(['slow'], {
      env: { BOOTWRIGHT_REPORT: own },
      onOutput: (text, signal) => {
        if (sent || !/RUN/.test(text)) return
        sent = true
        setTimeout(() => signal(name), 3000)
      },
    })
    expect(code).toBe(wanted)
    const left = processes().filter((command) => command.includes(own))
    expect(left.map((command) => command.slice(0, 200).replaceAll('\0', ' '))).toEqual([])
  })
})

/** Command lines and environments. */
function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')]
      } catch {
        return []
      }
    })
}
