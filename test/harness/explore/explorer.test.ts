/** A race of two CPUs, invisible in a plain run: found, shrunk, and at the same instruction ever after. */
import { describe, expect, test } from 'vitest'
import { haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { racing } from './races.js'

describe.skipIf(!haveCompiler || noFirmware)('a race in a kernel on two CPUs', () => {
  test('a top of a stack that was away and is back', async () => {
    const { explorer, close } = await racing('ABA')
    try {
      const plain = await explorer.attempt({ departures: [] })
      expect(plain.error).toBeUndefined()
      expect(plain.departures).toEqual([])
      const found = await explorer.explore({ seeds: { first: 1, last: 1000 }, jobs: 2 })
      if (!found) throw new Error('no seed of 1,000 found it')
      const { departures, error, instructions, guestTimeNs } = found.failed
      expect(error?.message).toContain('with code 1 ')
      expect(departures.length).toBeGreaterThan(0)
      expect(departures.length).toBeLessThanOrEqual(8)
      for (let times = 0; times < 3; times++) {
        const again = await explorer.attempt({ departures })
        expect([again.error?.message, again.instructions, again.guestTimeNs]).toEqual([
          error?.message,
          instructions,
          guestTimeNs,
        ])
      }
      // None can be left out.
      for (const one of departures) {
        const fewer = await explorer.attempt({ departures: departures.filter((other) => other !== one) })
        expect(fewer.error?.message.split('\n')[0]).not.toBe(error?.message.split('\n')[0])
      }
    } finally {
      await close()
    }
  })
})
