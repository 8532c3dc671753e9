/** The examples, in a project of a user's: copied, installed beside and run as their README says. */
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { readRun } from '../reports/write-run.js'
import { haveCompiler } from './compiled-kernel.js'
import { noFirmware } from './firmware-here.js'
import { bootwright } from './harness/cli/command.js'
import { Project } from './harness/cli/project.js'

const examples = fileURLToPath(new URL('../examples', import.meta.url))
const project = new Project()
afterAll(() => project.remove())

test.skipIf(noFirmware)('every example passes', { timeout: 300_000 }, async () => {
  // That one takes half an hour, and has a long test; and how a checkout runs them is no project's.
  const filter = (path: string) => !['install', 'vitest.config.ts'].some((name) => path === join(examples, name))
  cpSync(examples, project.folder, { recursive: true, filter })
  const env = { BOOTWRIGHT_COVERAGE: join(project.folder, 'coverage') }
  const { code, stdout, stderr } = await project.run([], { env })
  expect(code, stdout + stderr).toBe(0)
  const { tests } = readRun(project.report).run
  // What is compiled is left out where nothing compiles.
  const isRun = ({ file }: { file: string }) => haveCompiler || !file.startsWith('two-cpus/')
  expect(tests.filter((one) => isRun(one) && one.status !== 'passed')).toEqual([])
  const files = new Set(tests.map(({ file }) => file))
  expect([...files].sort()).toEqual([
    'hello-os/boot.test.ts',
    'hello-os/needle.test.ts',
    'hello-os/stage.test.ts',
    'kernel/debug.test.ts',
    'kernel/kernel.test.ts',
    'two-cpus/two-cpus.test.ts',
  ])
  if (!haveCompiler) return
  const covered = await bootwright(['coverage', '--at-least', '85%'], { env, cwd: project.folder })
  expect(covered.code, covered.stdout + covered.stderr).toBe(0)
})

test('the tour of an unattended installation in the README is its example', () => {
  const readme = readFileSync(join(examples, '../README.md'), 'utf8')
  const [, section] = readme.split('### Install an operating system unattended\n')
  const [, code] = section.split(/^```(?:ts)?\n/m)
  // The example has a line of its own that says what it is.
  expect(readFileSync(join(examples, 'install/debian.test.ts'), 'utf8').replace(/^\/\/.*\n/, '')).toBe(code)
})
