import { describe, expect, test } from 'vitest'
import { avxInstructions } from './avx-instructions.js'
import { check } from './check.js'
import { hostHas } from './native-cpu.js'
import { cases, comparison, LONGEST, note, seed, skip } from './targets.js'

const missing = [...avxInstructions.keys()].filter((name) => !skip && !hostHas(name))
const why = skip ? note : missing.length ? ` (skipped: the host's CPU lacks ${missing.join(', ')})` : ''

describe.skipIf(skip || missing.length > 0)(
  `VEX instructions with their YMM state on the soft engine and on the host's CPU${why}`,
  { timeout: LONGEST },
  () => {
    test.each([...avxInstructions])('%s', async (_, instructions) => {
      const c = await comparison()
      for (const i of instructions) expect(check(c, i, { cases: cases(5), seed })).toEqual([])
    })
  },
)
