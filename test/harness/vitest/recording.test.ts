/** What tests with machines leave for their report, as `bootwright test` finds it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunResult, TestResult } from '../../../reports/run-result.js'
import { parseTrace, type Trace } from '../../../reports/trace.js'
import { readRun } from '../../../reports/write-run.js'
import { Project } from '../cli/project.js'

const project = new Project()
afterAll(() => project.remove())

const TESTS = (floppy: string, capture: string) => `
let tries = 0
const machine = { floppy: ${JSON.stringify(floppy)}, engine: 'soft', memory: 16 }
const booted = stage('booted', machine, async (vm) => { await vm.serial.waitFor('>') })
const fails = async (vm) => {
  await test.step('it echoes', async () => {
    await vm.keyboard.type('ab')
    await vm.serial.waitFor('ab')
  })
  await test.step('it says more', () => expect(vm.serial).toHaveText('never', { timeout: '1s' }))
}
test.from(booted)('fails', ({ vm }) => fails(vm))
test.from(booted)('passes', async ({ vm }) => { await vm.keyboard.type('c'); await vm.wait('500ms') })
test.from(booted)('passes at last', { retry: 2 }, async ({ vm }) => { if (++tries < 3) await fails(vm) })
test.describe('asked for', () => {
  test.use({ ...machine, trace: 'on', video: 'on' })
  test('boots', async ({ vm }) => { await vm.serial.waitFor('>') })
})
describe('not wanted', () => {
  test.use({ ...machine, trace: 'off', video: 'off' })
  test('fails', ({ vm }) => fails(vm))
})
describe('on a network', () => {
  test.use({ ...machine, nic: ${JSON.stringify(`ne2k_pci,pcap=${capture}`)}, trace: 'off', video: 'off' })
  test('boots', async ({ vm }) => { await vm.serial.waitFor('>') })
})
const wired = stage('wired', { ...machine, nic: ${JSON.stringify(`ne2k_pci,pcap=${capture}`)} }, async (vm) => { await vm.serial.waitFor('>') })
test.from(wired)('has a card', async ({ vm }) => { await vm.keyboard.type('d'); await vm.wait('100ms') })
describe('misspelt', () => {
  test.use({ ...machine, video: 'retain' })
  test('fails', async ({ vm }) => {})
})
`

let run: RunResult

beforeAll(async () => {
  project.write('some', TESTS(project.floppy('echo'), join(project.folder, 'frames.pcap')))
  const { code, stdout, stderr } = await project.run([])
  expect(code, stdout + stderr).toBe(1)
  run = readRun(project.report).run
}, 120_000)

const named = (...titles: string[]) => run.tests.find((one) => one.titles.join() === titles.join()) as TestResult
const files = ({ attachments }: TestResult) => attachments.map(({ kind, name }) => `${kind} ${name}`)
const path = (result: TestResult, name: string) => {
  const attachment = result.attachments.find((one) => one.name === name)
  return join(project.report, attachment?.kind !== 'picture' ? (attachment?.file.path ?? '') : '')
}
const trace = (result: TestResult): Trace => parseTrace(JSON.parse(readFileSync(path(result, 'trace'), 'utf8')))

describe('a test that fails', () => {
  test('leaves its trace, its serial line and a video', async () => {
    const failed = named('fails')
    expect(failed.status).toBe('failed')
    expect(files(failed)).toEqual(['picture last-screen.png', 'asciicast COM1', 'trace trace', 'video video'])
    // The stage's own output is part of the session.
    expect(readFileSync(path(failed, 'COM1'), 'utf8')).toMatch(/"o",">"[\s\S]*"o","b"/)
    const { title, status, engine, events } = trace(failed)
    expect([title, status, engine]).toEqual(['fails', 'failed', 'soft'])
    expect(events.find(({ kind }) => kind === 'input')).toMatchObject({ title: 'type "ab"' })
    expect(events.filter(({ kind }) => kind === 'note')).toMatchObject([
      { title: 'it echoes' },
      { title: 'it says more' },
    ])
    expect(failed.errors[0].message).toMatch(/in the step 'it says more'/)
    const waits = events.filter((event) => event.kind === 'condition')
    expect(waits.map(({ outcome }) => outcome)).toEqual(['met', 'timeout'])
    const [serial] = events.filter((event) => event.kind === 'serial')
    expect(serial.guestTimeNs).toBeLessThanOrEqual(waits[1].guestTimeNs)
    expect(await sharp(path(failed, 'video')).metadata()).toMatchObject({ format: 'webp', width: 720 })
  })

  test('leaves nothing where that was said, and an error for words that are unknown', () => {
    expect(files(named('not wanted', 'fails'))).toEqual([])
    expect(named('misspelt', 'fails').errors[0].message).toBe(
      "video 'retain' is unknown; it may be off, on, retain-on-failure, on-first-retry",
    )
  })
})

describe('a test that passes', () => {
  test('leaves nothing but its guest time', () => {
    const passed = named('passes')
    expect([passed.status, files(passed)]).toEqual(['passed', []])
    // A key that a program takes from the BIOS at once takes 15 ms; the half second is the test's, the boot is the stage's.
    expect(passed.guestTimeNs).toBeGreaterThanOrEqual(0.515e9)
    expect(passed.guestTimeNs).toBeLessThan(0.6e9)
    expect(existsSync(join(project.results, 'some.test.ts', 'passes'))).toBe(false)
  })

  test('leaves what it was asked for', async () => {
    const asked = named('asked for', 'boots')
    expect(files(asked)).toEqual(['asciicast COM1', 'trace trace', 'video video'])
    expect(trace(asked)).toMatchObject({ title: 'asked for > boots', status: 'passed' })
    const { pages = 0 } = await sharp(path(asked, 'video'), { animated: true }).metadata()
    expect(pages).toBeGreaterThan(1)
  })

  test('leaves the frames of its network card where it was to write them', () => {
    const captured = named('on a network', 'boots')
    expect(files(captured)).toEqual(['capture net0.pcap'])
    // The magic number of a pcap file with times in nanoseconds or microseconds.
    expect(readFileSync(path(captured, 'net0.pcap')).readUInt32LE(0).toString(16)).toMatch(/^a1b2(3c4d|c3d4)$/)
    expect(readFileSync(join(project.report, 'report.html'), 'utf8')).toContain('download="net0.pcap"')
  })

  test('leaves the frames of a fork of its stage where those of forks go', () => {
    const forked = named('has a card')
    expect(files(forked)).toEqual(['capture net0.pcap'])
    expect(existsSync(join(project.folder, 'frames-fork1.pcap'))).toBe(true)
  })

  test('after it failed, is flaky, and leaves what it did then', () => {
    const flaky = named('passes at last')
    expect([flaky.status, flaky.retries]).toEqual(['flaky', 2])
    expect(files(flaky).sort()).toEqual([
      ...['asciicast COM1', 'asciicast COM1-retry1', 'picture last-screen-retry1.png', 'picture last-screen.png'],
      ...['trace trace', 'trace trace-retry1', 'video video', 'video video-retry1'],
    ])
  })
})
