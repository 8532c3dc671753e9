/** What a user is told of a test, or a stage, that fails: the line, the matcher, the evidence, and no more. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunResult, TestResult } from '../../../reports/run-result.js'
import { readRun } from '../../../reports/write-run.js'
import { Project } from '../cli/project.js'

const project = new Project()
afterAll(() => project.remove())

/** The marks are where it fails. */
const TESTS = (floppy: string) => `
const machine = { floppy: ${JSON.stringify(floppy)}, engine: 'soft', memory: 16 }
const soon = { timeout: '300ms' }
const broken = stage('broken', machine, async (vm) => {
  await vm.serial.waitFor('>')
  await expect(vm.screen).toHaveText('never', soon) // stage, 1
})
test.from(broken)('one of a stage', async ({ vm }) => {})
test.from(broken)('another of a stage', async ({ vm }) => {})
test.from(broken)('a third that takes no machine', () => {})
const plain = stage('plain', machine, async (vm) => {
  await vm.serial.waitFor('>')
  throw new TypeError('no method') // a thrown, 1
})
test.from(plain)('of a stage that throws', async ({ vm }) => {})
const loose = stage('loose', machine, async (vm) => {
  expect(vm.screen).toHaveText('Booting') // loose stage, 1
  await vm.serial.waitFor('>')
})
test.from(loose)('of a stage without await', async ({ vm }) => {})
const good = stage('good', machine, async (vm) => { await vm.serial.waitFor('>') })
const from = test.from(good)
from('waitFor', async ({ vm }) => {
  await vm.serial.waitFor('never', soon) // waitFor
})
from('bootCommand', async ({ vm }) => {
  await vm.bootCommand("<wait 'never'>", soon) // bootCommand
})
from('shell', async ({ vm }) => {
  await vm.serial.shell(soon) // shell
})
from('power', async ({ vm }) => {
  await vm.power.off()
  await vm.power.button() // power
})
from('poll', async ({ vm }) => {
  await expect(vm.serial).not.toHaveText('>', soon) // poll
})
from('exit', async ({ vm }) => {
  await expect(vm).toExit({}, soon) // exit
})
from('key', async ({ vm }) => {
  await vm.keyboard.press('Contrl+C') // key
})
from('needle', async ({ vm }) => {
  await expect(vm.screen).toMatchNeedle('nothing', soon) // needle
})
from('no pattern', async ({ vm }) => {
  await vm.serial.waitFor(5 as never) // no pattern
})
from('no bytes', async ({ vm }) => {
  await vm.serial.write(5 as never) // no bytes
})
from('forgotten', async ({ vm }) => {
  expect(vm.screen).toHaveText('never', soon) // forgotten
})
from('forgotten, though it came', async ({ vm }) => {
  expect(vm.serial).toHaveText('>') // forgotten, though it came
  await vm.wait('100ms')
})
from('forgotten and soft', async ({ vm }) => {
  expect.soft(vm.screen).not.toHaveText('never', soon) // forgotten and soft
})
from('awaited in all the ways there are', async ({ vm }) => {
  await expect.soft(vm.serial).toHaveText('>')
  await Promise.all([expect(vm.serial).toHaveText('>'), expect(vm.screen).not.toHaveText('never')])
  await expect(vm.serial).toHaveText('>').then(() => {})
  const later = expect(vm.serial).toHaveText('>')
  await vm.wait('10ms')
  await later
  await (() => expect(vm.serial).toHaveText('>'))()
})
`

let run: RunResult
let said: string
let lines: string[]

beforeAll(async () => {
  project.write('some', TESTS(project.floppy('echo')))
  lines = readFileSync(join(project.folder, 'some.test.ts'), 'utf8').split('\n')
  const { stdout, stderr } = await project.run([])
  said = stdout + stderr
  run = readRun(project.report).run
}, 120_000)

const named = (title: string) => run.tests.find((one) => one.titles.join() === title) as TestResult
const lineOf = (mark: string) => lines.findIndex((line) => line.endsWith(`// ${mark}`)) + 1
const frames = (title: string) =>
  (named(title).errors[0].stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))

describe('a stage that fails', () => {
  test('shows one screen of text on the terminal, for all tests that start from it: evidence and the line', () => {
    const [block] = said.split(/^⎯+\[\d+\/\d+\]⎯*$/m).filter((part) => part.includes("the stage 'broken'"))
    expect(block).toMatch(/FAIL .*one of a stage\n.*FAIL .*another of a stage/)
    expect(block).toMatch(/last screen \(80x25\):\n +\| SeaBIOS[\s\S]*last lines of COM1:\n +>\nregisters:\n +EAX=/)
    expect(block).toContain(`some.test.ts:${lineOf('stage, 1')}`)
    expect(block).not.toMatch(/Caused by|Serialized Error|harness\//)
    expect(block.slice(block.indexOf('StageError')).length).toBeLessThan(3500)
    expect(said.match(/the stage 'broken' could not be built/g)).toHaveLength(1)
  })

  test('leaves trace, video and picture for the report of each of them', () => {
    for (const title of ['one of a stage', 'another of a stage', 'a third that takes no machine']) {
      expect(named(title).status).toBe('failed')
      const kinds = named(title).attachments.map(({ kind, name }) => `${kind} ${name}`)
      expect(kinds).toEqual(['picture last-screen.png', 'asciicast COM1', 'trace trace', 'video video'])
    }
  })

  test('shows the same where its own program is wrong', () => {
    const [error] = named('of a stage that throws').errors
    expect(error.message).toMatch(/the stage 'plain' could not be built: no method\n\nlast screen[\s\S]*registers:/)
    expect(frames('of a stage that throws')[0]).toContain(`some.test.ts:${lineOf('a thrown, 1')}`)
  })

  test('is one whose matcher nobody awaited', () => {
    const [error] = named('of a stage without await').errors
    expect(error.message).toMatch(/the stage 'loose' could not be built: toHaveText\(\) was not awaited/)
    expect(frames('of a stage without await')[0]).toContain(`some.test.ts:${lineOf('loose stage, 1')}`)
  })
})

describe('what fails names the line of the test, and no line of ours', () => {
  test.each(['waitFor', 'bootCommand', 'shell', 'power', 'poll', 'exit', 'key', 'needle', 'no pattern', 'no bytes'])(
    '%s',
    (title) => {
      expect(frames(title)[0]).toContain(`some.test.ts:${lineOf(title)}`)
      expect(frames(title).filter((line) => !line.includes('some.test.ts'))).toEqual([])
    },
  )

  test('what JavaScript may give by mistake is a sentence', () => {
    const first = (title: string) => named(title).errors[0].message.split('\n')[0]
    expect(first('no pattern')).toBe('5 is no pattern; give a regular expression, or text as a string')
    expect(first('no bytes')).toBe('5 cannot be sent over a serial line; give text, or bytes as a Uint8Array')
  })

  test('nor an expression of ours', () => {
    expect(named('shell').errors[0].message).toMatch(
      /^waited 0\.3 s of guest time for a shell's prompt \(\$, # or %\) on COM1\n/,
    )
  })
})

describe('a matcher that is not awaited', () => {
  test.each(['forgotten', 'forgotten, though it came', 'forgotten and soft'])('fails the test: %s', (title) => {
    expect(named(title).status).toBe('failed')
    expect(named(title).errors.map(({ message }) => message)).toEqual([
      "toHaveText() was not awaited, so nothing waited for it: write 'await expect(…).toHaveText(…)'",
    ])
    expect(frames(title)[0]).toContain(`some.test.ts:${lineOf(title)}`)
  })

  test('is no other one, and nothing fails outside any test', () => {
    expect(named('awaited in all the ways there are').errors).toEqual([])
    expect(named('awaited in all the ways there are').status).toBe('passed')
    expect(run.errors).toEqual([])
  })
})
