import { describe, expect, test } from 'vitest'
import { check } from './check.js'
import { mmx, sse2Integer, sseArithmetic, sseConversions } from './instructions.js'
import { cases, comparison, LONGEST, note, seed, skip } from './targets.js'

describe.skipIf(skip)(`MMX, SSE and SSE2 on the soft engine and on the host's CPU${note}`, { timeout: LONGEST }, () => {
  test('float arithmetic and comparison in all rounding modes, with DAZ and FTZ: result bits and MXCSR', async () => {
    const c = await comparison()
    for (const i of sseArithmetic) expect(check(c, i, { cases: cases(100), seed })).toEqual([])
  })
  test('conversions: result bits, MXCSR and indefinite integers', async () => {
    const c = await comparison()
    for (const i of sseConversions) expect(check(c, i, { cases: cases(100), seed })).toEqual([])
  })
  test('MMX: results and the x87 state it leaves', async () => {
    const c = await comparison()
    for (const i of mmx) expect(check(c, i, { cases: cases(25), seed, empty: 3 })).toEqual([])
  })
  test('SSE2 integers, moves and shuffles', async () => {
    const c = await comparison()
    for (const i of sse2Integer) expect(check(c, i, { cases: cases(25), seed, empty: 3 })).toEqual([])
  })
})
