/** A small dose of every fuzzer, bounded by counts: the same cases in every run. */
import { afterAll, describe, expect, test } from 'vitest'
import { Random } from '../random.js'
import { FuzzFailure, shrink } from './fuzzer.js'
import { findFuzzers, runFuzzer } from './run.js'

const SEED = 1

for (const fuzzer of await findFuzzers()) {
  const why = fuzzer.skip?.()
  describe.skipIf(why !== undefined)(`${fuzzer.name}${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
    afterAll(() => fuzzer.close?.())
    test(`${fuzzer.title}, ${fuzzer.dose} cases`, async () => {
      expect((await runFuzzer(fuzzer, { seed: SEED, cases: fuzzer.dose })).cases).toBe(fuzzer.dose)
    }, 300_000)
  })
}

describe('the frame', () => {
  const fuzzer = (run: (random: Random) => void) => ({ name: 'x', title: 'x', dose: 1, run })

  test('makes each case of a seed of its own, the same in each run', async () => {
    const numbers = async (): Promise<number[]> => {
      const found: number[] = []
      await runFuzzer(
        fuzzer((random) => void found.push(random.u32())),
        { seed: 7, cases: 20 },
      )
      return found
    }
    const first = await numbers()
    expect(new Set(first).size).toBe(20)
    expect(await numbers()).toEqual(first)
  })

  test('names the seed of the case that fails, and that seed repeats it', async () => {
    const fails = fuzzer((random) => {
      if (random.below(50) === 0) throw new FuzzFailure('it broke', '[1,2]')
    })
    const message = await runFuzzer(fails, { seed: 3 }).catch((error: Error) => error.message)
    expect(message).toMatch(
      /^x, case \d+: it broke\n {2}input: \[1,2\]\n {2}again: npm run fuzz -- x --seed \d+ --cases 1$/,
    )
    const seed = Number(/--seed (\d+)/.exec(String(message))?.[1])
    await expect(runFuzzer(fails, { seed, cases: 1 })).rejects.toThrow('x, case 1: it broke')
  })

  test('an error that no fuzzer expected keeps its stack', async () => {
    const fails = fuzzer(() => (undefined as unknown as { x: number }).x)
    await expect(runFuzzer(fails, { seed: 1 })).rejects.toThrow(/TypeError: .*\n\s+at .*fuzz\.test\.ts/)
  })

  test('shrinks a list to what still fails', async () => {
    const random = new Random(5)
    const list = Array.from({ length: 400 }, () => random.below(1000))
    list[123] = 5000
    list[301] = 6000
    expect(await shrink(list, (part) => part.includes(5000) && part.includes(6000))).toEqual([5000, 6000])
    let tries = 0
    await shrink(list, () => ++tries < 0, 40)
    expect(tries).toBe(40)
  })
})
