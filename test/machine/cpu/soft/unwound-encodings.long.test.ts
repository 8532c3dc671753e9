import { expect, test } from 'vitest'
import { haveNasm } from '../driver.js'
import { faultingEncodings, UnwoundProbes } from './unwound-encodings.js'

test.skipIf(!haveNasm)('after an instruction that faults everything goes on as ever: every encoding', () => {
  const probes = new UnwoundProbes()
  const wrong: string[] = []
  for (const encoding of faultingEncodings()) wrong.push(...[probes.check(encoding) ?? []].flat())
  console.log(`${probes.runs} encodings, of which ${probes.faults} faulted`)
  expect(wrong.slice(0, 50)).toEqual([])
  expect(probes.faults).toBeGreaterThan(probes.runs / 2)
})
