/**
 * Twenty tests from one stage of a machine with 512 MiB, three times, each time from the stage as it was kept: none sees
 * what another did, and each has the same pictures every time. Says how long the forks took.
 */
import { image } from '../../harness/guest/guest-media.js'
import { areaHash } from '../../harness/index.js'
import { afterAll, beforeAll, describe, expect, stage, test } from '../../harness/vitest/index.js'
import type { Vm } from '../../harness/vm/vm.js'
import { withoutImage } from '../harness/vitest/images.js'

const IMAGES = ['freedos722.img', 'freedos13-floppy.img'] as const
const TESTS = 20
const RUNS = [1, 2, 3]

const machine = { floppy: IMAGES.map((name) => image(name)), engine: 'soft', memory: '512M' } as const

const prompt = stage('prompt of 512 MiB', machine, async (vm) => {
  await expect(vm.screen).toHaveText(/^A:\\>$/, { timeout: '1m' })
  // From then on FreeDOS halts while it waits for keys, which the host is grateful for.
  await vm.keyboard.type('b:\\freedos\\bin\\fdapm apmdos\n')
  await expect(vm.screen).toHaveText(/resident/)
  await vm.keyboard.type('cls\n')
  await vm.wait('1s')
})

/** Of the pictures at a test's beginning and end, by the test's number. */
const begins = new Set<string>()
const ends = new Map<number, Set<string>>()

async function picture(vm: Vm): Promise<string> {
  const { width, height, data } = await vm.screen.frame()
  return areaHash({ width, height, data }, { x: 0, y: 0, width, height })
}

describe.skipIf(IMAGES.some(withoutImage))('twenty tests from one stage', () => {
  describe.each(RUNS)('run %i', () => {
    const times: number[] = []
    // The machine that the fixture would give is not wanted: this one's fork is measured.
    beforeAll(() => prompt.prepare(), 600_000)

    for (let number = 0; number < TESTS; number++) {
      test(`test ${number} finds and leaves its own`, async () => {
        const began = performance.now()
        const vm = await prompt.fork()
        times.push(performance.now() - began)
        begins.add(await picture(vm))
        await vm.keyboard.type(`echo ${number} > mine\ndir /b mine\ntype mine\n`)
        await expect(vm.screen).toHaveText(new RegExp(`^${number}$`))
        await vm.wait('1s')
        const end = ends.get(number) ?? new Set()
        ends.set(number, end.add(await picture(vm)))
        await vm.close()
      })
    }

    afterAll(async () => {
      const sorted = [...times].sort((a, b) => a - b)
      const [median, longest] = [sorted[TESTS / 2], sorted[TESTS - 1]].map((ms) => ms.toFixed(1))
      console.info(
        `${TESTS} forks of 512 MiB: median ${median} ms, longest ${longest} ms; the first ${times[0].toFixed(1)} ms`,
      )
      // The next run opens what was kept.
      await prompt.release()
    })
  })

  test('each test had its own pictures, the same every time', () => {
    expect(begins.size).toBe(1)
    expect([...ends.values()].map(({ size }) => size)).toEqual(new Array(TESTS).fill(1))
    expect(new Set([...ends.values()].flatMap((end) => [...end])).size).toBe(TESTS)
  })
})
