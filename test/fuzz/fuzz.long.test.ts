/** An hour of all fuzzers together, from a seed that is another one every day; a failure names its own. */
import { afterAll, describe, expect, test } from 'vitest'
import { findFuzzers, runFuzzer } from './run.js'

const HOUR = 3_600_000
const seed = Number(process.env.BOOTWRIGHT_FUZZ_SEED ?? Math.floor(Date.now() / (24 * HOUR)))
const fuzzers = (await findFuzzers()).filter((fuzzer) => fuzzer.skip?.() === undefined)

for (const fuzzer of fuzzers)
  describe(fuzzer.name, () => {
    afterAll(() => fuzzer.close?.())
    test(
      `${fuzzer.title}, from seed ${seed}`,
      async () => {
        const { cases } = await runFuzzer(fuzzer, { seed, milliseconds: HOUR / fuzzers.length })
        expect(cases).toBeGreaterThan(fuzzer.dose)
      },
      2 * HOUR,
    )
  })
