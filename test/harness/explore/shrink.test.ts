/** Delta debugging: what is left fails, and with any one less does not. */
import { describe, expect, test } from 'vitest'
import { shrink } from '../../../harness/explore/shrink.js'

const numbers = Array.from({ length: 1000 }, (_, i) => i)

describe('shrink', () => {
  test.each([[[17]], [[0, 999]], [[3, 500, 501, 900]], [[]]])('to %j, in few runs', async (needed) => {
    let runs = 0
    const left = await shrink(numbers, async (parts) => {
      runs++
      return needed.every((one) => parts.includes(one))
    })
    expect(left).toEqual(needed)
    expect(runs).toBeLessThan(500)
  })

  test('where parts may stand for one another, none of those that are left can go', async () => {
    const fails = async (parts: readonly number[]) => parts.filter((one) => one % 7 === 0).length >= 3
    const left = await shrink(numbers, fails)
    expect(left).toHaveLength(3)
    for (const one of left) expect(await fails(left.filter((other) => other !== one))).toBe(false)
  })

  test('what does not fail stays whole', async () => {
    expect(await shrink([1, 2, 3], async () => false)).toEqual([1, 2, 3])
  })
})
