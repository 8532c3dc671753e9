/** A million random instructions that may fault, in three modes; prints what was left out and why. */
import { afterAll, describe, expect, test } from 'vitest'
import { Random } from '../../../random.js'
import { LONGEST, seed } from '../targets.js'
import { checkRandomFaults } from './check-faults.js'
import { HostFaults, whyNoHostFaults, whyNoMode } from './host-faults.js'
import { SoftFaults } from './soft-faults.js'

const why = whyNoHostFaults()

describe.skipIf(why)(
  `a million instructions that may fault${why ? ` (skipped: ${why})` : ''}`,
  { timeout: LONGEST },
  () => {
    const targets = why ? undefined : { host: new HostFaults(), soft: new SoftFaults() }
    afterAll(() => targets?.host.close())

    for (const mode of [64, 32, 16] as const) {
      const whyNot = whyNoMode(mode)
      test.skipIf(whyNot)(`${mode}-bit code${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
        if (!targets) return
        const random = new Random(seed * 64 + mode + 1000)
        const tally = checkRandomFaults(targets.host, targets.soft, { random, mode, cases: 340_000 })
        for (const [reason, count] of tally.left) console.log(`${mode}-bit, left out: ${count} ${reason}`)
        expect(tally.failures.slice(0, 50)).toEqual([])
      })
    }
  },
)
