import { describe, expect, test } from 'vitest'
import { type CheckOptions, check } from './check.js'
import { checkState } from './check-state.js'
import { stateSequences, x87Arithmetic, x87Other, x87Transcendental } from './instructions.js'
import { cases, comparison, LONGEST, note, seed, skip } from './targets.js'

const usual = cases(80)

describe.skipIf(skip)(`x87 on the soft engine and on the host's CPU${note}`, { timeout: LONGEST }, () => {
  const sets: [string, Partial<CheckOptions>][] = [
    ['all exceptions masked', {}],
    ['some exceptions unmasked', { unmasked: 2 }],
    ['some registers empty', { unmasked: 2, empty: 4 }],
  ]
  for (const [name, options] of sets) {
    test(`arithmetic and comparison, ${name}: result bits, flags and condition codes`, async () => {
      const c = await comparison()
      for (const i of x87Arithmetic) expect(check(c, i, { cases: usual, seed, ...options })).toEqual([])
    })
    test(`loads, stores, conversions and the rest, ${name}`, async () => {
      const c = await comparison()
      for (const i of x87Other) expect(check(c, i, { cases: usual, seed, ...options })).toEqual([])
    })
    test(`transcendental functions within a unit in the last place, ${name}`, async () => {
      const c = await comparison()
      for (const i of x87Transcendental)
        expect(check(c, i, { cases: usual * 2, seed, ulps: 1, ...options })).toEqual([])
    })
  }

  for (const sequence of stateSequences) {
    test(`state images: ${sequence.name}`, async () => {
      expect(checkState(await comparison(), sequence, usual, seed)).toEqual([])
    })
  }
})
