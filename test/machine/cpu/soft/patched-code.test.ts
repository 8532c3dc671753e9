import { describe, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { expectSamePatched } from './patched-code.js'

describe.skipIf(!haveNasm)('functions that are patched while they run, compiled and not', () => {
  // Of each of these seeds a JIT that lets two regions have one block makes something else.
  test.each([13, 18, 21, 39])('seed %i', expectSamePatched)
})
