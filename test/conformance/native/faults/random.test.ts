/** Random instructions that may fault, on the host's CPU and on the soft engine: exceptions, error codes, what is left. */
import { afterAll, describe, expect, test } from 'vitest'
import { Random } from '../../../random.js'
import { cases, LONGEST, seed } from '../targets.js'
import { checkRandomFaults } from './check-faults.js'
import { HostFaults, whyNoHostFaults, whyNoMode } from './host-faults.js'
import { SoftFaults } from './soft-faults.js'

const why = whyNoHostFaults()

describe.skipIf(why)(
  `random instructions that may fault${why ? ` (skipped: ${why})` : ''}`,
  { timeout: LONGEST },
  () => {
    const targets = why ? undefined : { host: new HostFaults(), soft: new SoftFaults() }
    afterAll(() => targets?.host.close())

    for (const mode of [64, 32, 16] as const) {
      const whyNot = whyNoMode(mode)
      test.skipIf(whyNot)(`${mode}-bit code${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
        if (!targets) return
        const random = new Random(seed * 64 + mode)
        const tally = checkRandomFaults(targets.host, targets.soft, { random, mode, cases: cases(4000) })
        expect(tally.failures).toEqual([])
        // Each of these must have been among them, or the sample shows nothing.
        for (const exception of [1, 3, 6, 13, 14, 17, 19]) expect(tally.traps.get(exception) ?? 0).toBeGreaterThan(0)
      })
    }
  },
)
