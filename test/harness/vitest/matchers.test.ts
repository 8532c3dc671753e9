import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { decodePng, readPng } from '../../../harness/picture/screenshot.js'
import { slug, updateMode } from '../../../harness/vitest/baselines.js'
import { afterEach, beforeEach, describe, expect, test } from '../../../harness/vitest/index.js'
import { type ScreenshotOptions, toHaveScreenshot } from '../../../harness/vitest/to-have-screenshot.js'
import type { Vm } from '../../../harness/vm/vm.js'
import { compiledFakeMachine } from '../compiled.js'

const machineModule = compiledFakeMachine()
const folder = mkdtempSync(join(tmpdir(), 'bootwright-matchers-'))
const floppy = join(folder, 'floppy.img')
writeFileSync(floppy, new Uint8Array(737280))

const scenario = (name: string) => ({ floppy, machineModule: `${machineModule}?scenario=${name}` })

describe('toHaveText', () => {
  test.use(scenario('panic'))

  test('waits for it, and for its end', async ({ vm }) => {
    await expect(vm.screen).toHaveText('starting')
    await expect(vm.screen).not.toHaveText('starting')
    expect((await vm.look()).guestTimeNs / 1e9).toBeCloseTo(1.1, 1)
    await expect(vm).toHaveText(/^ready$/)
    await expect(vm.screen.getByText(/r\w+/)).toHaveText('ready')
    await expect(vm.screen.region({ x: 0, y: 0, width: 16, height: 16 })).toHaveText(/^re$/)
  })

  test('fails with the screen, negated too', async ({ vm }) => {
    await expect(expect(vm.screen).toHaveText('done', { timeout: '2s' })).rejects.toThrow(
      /expected the screen to have the text 'done': waited 2 s of guest time[\s\S]*\| ready/,
    )
    await expect(expect(vm.screen).not.toHaveText('ready', { timeout: '2s' })).rejects.toThrow(
      /expected not the screen to have the text 'ready': waited 2 s[\s\S]*\| ready/,
    )
  })

  test('fails when the guest dies first', async ({ vm }) => {
    await expect(expect(vm.screen).toHaveText('done')).rejects.toThrow(/triple fault[\s\S]*no handler/)
  })

  test('is for screens and serial lines', async () => {
    await expect(expect('text' as unknown).toHaveText('x')).rejects.toThrow('toHaveText is for a screen')
  })
})

describe('toHaveText on a serial line', () => {
  test.use(scenario('shell'))

  test('looks at what came and at what the terminal shows', async ({ vm }) => {
    await expect(vm.serial).toHaveText(/login: ?$/)
    await vm.serial.write('root\r')
    await expect(vm.serial).toHaveText('Password')
    await expect(vm.serial[1]).not.toHaveText('Password')
    await expect(expect(vm.serial).toHaveText('welcome', { timeout: '1s' })).rejects.toThrow(
      /'welcome' on COM1: waited 1 s[\s\S]*last lines of COM1:[\s\S]*Password/,
    )
  })
})

describe('toExit', () => {
  test.use(scenario('debugExit'))

  test('takes no panic for a success', async ({ vm }) => {
    await expect(expect(vm).toExit()).rejects.toThrow('left through isa-debug-exit with code 3')
  })

  test('checks reason and code', async ({ vm }) => {
    await expect(vm).toExit({ reason: 'debug-exit', code: 3 })
  })

  test('fails on another code', async ({ vm }) => {
    await expect(expect(vm).toExit({ code: 0 })).rejects.toThrow('with code 0, and it left with 3')
  })

  test("tells QEMU's status from the code", async ({ vm }) => {
    await expect(expect(vm).toExit({ code: 7 })).rejects.toThrow("7 is QEMU's exit status, (code << 1) | 1: expect")
  })
})

describe('toExit, negated', () => {
  test.use(scenario('panic'))

  test('waits that it does not stop', async ({ vm }) => {
    await expect(vm).not.toExit({}, { timeout: '5s' })
    expect((await vm.look()).guestTimeNs).toBe(5e9)
  })
})

describe('toHaveScreenshot', () => {
  test.use(scenario('picture'))
  let testPath: string
  let update: string

  beforeEach(() => {
    testPath = join(mkdtempSync(join(folder, 'test-')), 'my.test.ts')
    update = 'new'
    vi.stubEnv('CI', '')
    vi.stubEnv('BOOTWRIGHT_UPDATE', '')
    vi.stubEnv('BOOTWRIGHT_OUTPUT', join(testPath, '..', 'results'))
    vi.spyOn(console, 'info').mockImplementation(() => {})
  })

  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  const match = (vm: Vm, name: string, options: ScreenshotOptions = {}, isNot = false) => {
    const state = { isNot, testPath, currentTestName: 'a test', snapshotState: { _updateSnapshot: update } }
    return toHaveScreenshot.call(state as never, vm.screen, name, { timeout: '3s', ...options })
  }
  const baseline = (name: string) => join(testPath, '..', '__screenshots__', 'my.test.ts', name)
  const output = (name: string) => join(testPath, '..', 'results', 'my.test.ts', 'a-test', name)

  test('is written when it is still, and then waited for', async ({ vm }) => {
    expect((await match(vm, 'grey.png')).pass).toBe(true)
    expect((await readPng(baseline('grey.png'))).data[0]).toBe(10)
    expect((await match(vm, 'grey')).pass).toBe(true)
    // Negated, it waits until the screen differs; vitest turns the answer round.
    expect((await match(vm, 'grey', {}, true)).pass).toBe(false)
    expect((await vm.look()).guestTimeNs / 1e9).toBeCloseTo(1, 1)
  })

  test('leaves expected, actual and difference side by side', async ({ vm }) => {
    await vm.wait('200ms')
    const { data } = await decodePng(await vm.screen.png())
    expect(data[0]).toBe(10)
    await match(vm, 'grey.png')
    const dark = readFileSync(baseline('grey.png'))
    await vm.wait('2s')
    const result = await match(vm, 'grey.png')
    expect(result.pass).toBe(false)
    expect(result.message()).toContain('2 of 2 pixels differ')
    for (const kind of ['expected', 'actual', 'diff']) {
      const file = output(`grey-${kind}.png`)
      expect(existsSync(file)).toBe(true)
      expect(result.message()).toContain(file)
    }
    expect(readFileSync(output('grey-expected.png'))).toEqual(dark)
    expect((await readPng(output('grey-actual.png'))).data[0]).toBe(200)
    expect((await match(vm, 'grey.png', {}, true)).pass).toBe(false)
    // Some may differ, or are not looked at.
    expect((await match(vm, 'grey.png', { maxDiffPixels: 2 })).pass).toBe(true)
    expect((await match(vm, 'grey.png', { maxDiffPixels: 1 })).pass).toBe(false)
    expect((await match(vm, 'grey.png', { maxDiffPixelRatio: 1 })).pass).toBe(true)
    expect((await match(vm, 'grey.png', { mask: [{ x: 0, y: 0, width: 2, height: 1 }] })).pass).toBe(true)
    expect((await match(vm, 'grey.png', { threshold: 1 })).pass).toBe(true)
    update = 'all'
    expect((await match(vm, 'grey.png')).pass).toBe(true)
    expect((await readPng(baseline('grey.png'))).data[0]).toBe(200)
  })

  test('is never written in CI', async ({ vm }) => {
    vi.stubEnv('CI', 'true')
    const result = await match(vm, 'grey.png')
    expect(result.pass).toBe(false)
    expect(result.message()).toMatch(/there is no expected picture .*grey\.png; run with -u locally/)
    expect([existsSync(baseline('grey.png')), existsSync(output('grey-actual.png'))]).toEqual([false, true])
  })

  test('a name that leaves the folder is refused', async ({ vm }) => {
    await expect(match(vm, '../grey.png')).rejects.toThrow("'../grey.png' is no name for a picture")
  })
})

test('modes to update in', () => {
  expect(updateMode({ _updateSnapshot: 'all' }, {})).toBe('all')
  expect(updateMode({ _updateSnapshot: 'new' }, {})).toBe('missing')
  expect(updateMode({ _updateSnapshot: 'new' }, { CI: '1' })).toBe('none')
  expect(updateMode({ _updateSnapshot: 'all' }, { CI: '1' })).toBe('all')
  expect(updateMode({ _updateSnapshot: 'new' }, { BOOTWRIGHT_UPDATE: 'changed' })).toBe('changed')
  expect(() => updateMode({}, { BOOTWRIGHT_UPDATE: 'yes' })).toThrow('all, changed, missing, none')
})

test('names of tests become names of files', () => {
  expect(slug('a > b: c/d "é"')).toBe('a-b-c-d-e')
  expect(slug('...')).toBe('test')
})
