import { describe, expect, test } from 'vitest'
import { avxInstructions } from './avx-instructions.js'
import { check } from './check.js'
import { hostHas } from './native-cpu.js'
import { cases, comparison, LONGEST, note, seed, skip } from './targets.js'

describe.skipIf(skip)(
  `VEX instructions with their YMM state on the soft engine and on the host's CPU${note}`,
  { timeout: LONGEST },
  () => {
    for (const [feature, instructions] of avxInstructions) {
      const missing = skip || !hostHas('avx') || !hostHas(feature)
      test.skipIf(missing)(`${feature}${missing ? " (skipped: the host's CPU lacks it)" : ''}`, async () => {
        const c = await comparison()
        for (const i of instructions) expect(check(c, i, { cases: cases(5), seed })).toEqual([])
      })
    }
  },
)
