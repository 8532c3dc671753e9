import { describe, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { expectSamePatched } from './patched-code.js'

describe.skipIf(!haveNasm)('functions that are patched while they run, compiled and not', () => {
  test('a thousand programs', { timeout: 3_600_000 }, () => {
    for (let seed = 1; seed <= 1000; seed++) expectSamePatched(seed)
  })
})
