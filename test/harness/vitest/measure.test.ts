/** Instruction counts as a measure: exact, by CPU, against a number or what is written down beside the test. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MatcherState } from 'vitest'
import { afterAll, beforeAll, describe, vi } from 'vitest'
import { expect, test } from '../../../harness/vitest/index.js'
import { toRetireAtMost } from '../../../harness/vitest/to-retire-at-most.js'
import { Measured } from '../../../harness/vm/measure.js'
import { instructionsOf, START, writeCountedKernel } from '../../counted-kernel.js'
import { noFirmware } from '../../firmware-here.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-measure-'))
afterAll(() => rmSync(folder, { recursive: true }))
const kernel = (nops: number) => writeCountedKernel(join(folder, `kernel-${nops}.bin`), nops)

describe.skipIf(noFirmware)('vm.measure()', () => {
  for (const nops of [1, 2])
    describe(`a kernel with ${nops} instructions in its loop`, () => {
      test.use({ kernel: kernel(nops), engine: 'soft' })

      test('is counted exactly', async ({ vm }) => {
        await vm.breakAt(START)
        const measured = await vm.measure(() => vm.waitForExit())
        expect(measured.instructions).toBe(instructionsOf(nops))
        expect(measured.cpus).toEqual([measured.instructions])
        expect(measured.guestTimeNs).toBeGreaterThanOrEqual(measured.instructions * 10)
        await expect(measured).toRetireAtMost(instructionsOf(nops))
        await expect(measured).not.toRetireAtMost(instructionsOf(nops) - 1)
      })
    })

  test.use({ kernel: kernel(1), engine: 'soft', smp: 2 })

  test('each CPU has its own, on forks as well', async ({ vm }) => {
    await vm.breakAt(START)
    const fork = await vm.fork()
    for (const one of [vm, fork]) {
      const { instructions, cpus } = await one.measure(() => one.waitForExit())
      expect([instructions, cpus]).toEqual([instructionsOf(1), [instructionsOf(1), 0]])
    }
    await fork.close()
  })

  test('the past cannot be measured', async ({ vm }) => {
    const snapshot = await vm.snapshot()
    await vm.breakAt(START)
    await expect(vm.measure(() => vm.restore(snapshot))).rejects.toThrow('brought back to an earlier moment')
    snapshot.release()
  })
})

describe('a baseline', () => {
  beforeAll(() => {
    vi.spyOn(console, 'info').mockImplementation(() => {})
    // There, nothing is written.
    vi.stubEnv('CI', '')
  })
  const testPath = join(folder, 'boot.test.ts')
  const file = join(folder, '__measures__', 'boot.test.ts.json')
  const judge = (instructions: number, expected: unknown, update: string, isNot = false) => {
    const state = { testPath, isNot, snapshotState: { _updateSnapshot: update } } as unknown as MatcherState
    return toRetireAtMost.call(state, new Measured(instructions, 0, [instructions]), expected as number)
  }

  test('is written where it is missing, and with -u', async () => {
    expect((await judge(1000, { baseline: 'boot' }, 'none')).message()).toMatch(
      /no baseline 'boot' .*run with -u locally/,
    )
    expect(existsSync(file)).toBe(false)
    expect((await judge(1000, { baseline: 'boot' }, 'new')).pass).toBe(true)
    expect((await judge(2000, { baseline: 'boot' }, 'new')).pass).toBe(false)
    expect((await judge(2000, { baseline: 'boot' }, 'all')).pass).toBe(true)
    await judge(7, { baseline: 'a first one' }, 'new')
    expect(readFileSync(file, 'utf8')).toBe(
      '{\n  "a first one": {\n    "instructions": 7\n  },\n  "boot": {\n    "instructions": 2000\n  }\n}\n',
    )
  })

  test('has a tolerance', async () => {
    const within = (instructions: number, tolerance: string | number) =>
      judge(instructions, { baseline: 'boot', tolerance }, 'none')
    expect((await within(2010, '0.5%')).pass).toBe(true)
    const over = await within(2011, '0.5%')
    expect(over.pass).toBe(false)
    expect(over.message()).toMatch(
      /^2,011 instructions .*'boot' in .* is 2,000, and 2,010 are allowed: \+11 \(\+0\.55 %\)$/,
    )
    expect((await within(2005, 5)).pass).toBe(true)
    await expect(within(2005, '5')).rejects.toThrow("tolerance '5' is neither a share as in '0.5%' nor a number")
  })

  test('what is no such is a sentence', async () => {
    await expect(judge(1, -1, 'none')).rejects.toThrow('toRetireAtMost(-1): it takes a number of instructions, or {')
    await expect(judge(1, {}, 'none')).rejects.toThrow('toRetireAtMost takes a number of instructions, or {')
    writeFileSync(file, '{"boot":{"instructions":"many"}}')
    await expect(judge(1, { baseline: 'boot' }, 'none')).rejects.toThrow('holds no baselines of toRetireAtMost')
  })
})
