import { expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { faultingEncodings, UnwoundProbes } from './unwound-encodings.js'

test.skipIf(!haveNasm)('after an instruction that faults everything goes on as ever: one encoding of 97', () => {
  const probes = new UnwoundProbes()
  const wrong: string[] = []
  let n = 0
  for (const encoding of faultingEncodings()) if (n++ % 97 === 0) wrong.push(...[probes.check(encoding) ?? []].flat())
  expect(wrong).toEqual([])
  expect(probes.faults).toBeGreaterThan(probes.runs / 2)
})
