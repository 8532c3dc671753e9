import { describe, expect, test } from 'vitest'
import { check } from './check.js'
import { checkBits, checkStrings } from './later-check.js'
import { bits, crypto, sse3Floats, sse4Floats, sse4Integers, strings } from './later-instructions.js'
import { hostHas } from './native-cpu.js'
import { cases, comparison, LONGEST, note, seed, skip } from './targets.js'

const missing = ['sse4_2', 'movbe', 'aes', 'pclmulqdq', 'sha_ni', 'abm', 'bmi1', 'bmi2', 'adx'].filter(
  (name) => !skip && !hostHas(name),
)
const no = skip || missing.length > 0
const why = skip ? note : missing.length ? ` (skipped: the host's CPU lacks ${missing.join(', ')})` : ''

describe.skipIf(no)(
  `SSE3 to SSE4.2, AES, SHA and bits on the soft engine and on the host's CPU${why}`,
  { timeout: LONGEST },
  () => {
    test('SSE3: horizontal arithmetic, duplicating moves, FISTTP', async () => {
      const c = await comparison()
      for (const i of sse3Floats) expect(check(c, i, { cases: cases(100), seed, empty: 8 })).toEqual([])
    })
    test('SSSE3, SSE4.1 and SSE4.2 integers, on MMX registers too', async () => {
      const c = await comparison()
      for (const i of sse4Integers) expect(check(c, i, { cases: cases(25), seed, empty: 3 })).toEqual([])
    })
    test('SSE4.1: rounding and dot products', async () => {
      const c = await comparison()
      for (const i of sse4Floats) expect(check(c, i, { cases: cases(100), seed })).toEqual([])
    })
    test('SSE4.2: string comparison with every immediate', async () => {
      const c = await comparison()
      for (const i of strings) expect(checkStrings(c, i, cases(20), seed)).toEqual([])
    })
    test('AES, PCLMULQDQ and SHA', async () => {
      const c = await comparison()
      for (const i of crypto) expect(check(c, i, { cases: cases(50), seed })).toEqual([])
    })
    test('POPCNT, LZCNT, TZCNT, MOVBE, CRC32, ADX, BMI1, BMI2', async () => {
      const c = await comparison()
      for (const i of bits) expect(checkBits(c, i, cases(100), seed)).toEqual([])
    })
  },
)
