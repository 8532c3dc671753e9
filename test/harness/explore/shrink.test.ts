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

  test('ends after so many tries with what still fails, where parts hang together', async () => {
    const numbers = Array.from({ length: 2000 }, (_, i) => i)
    let asked = 0
    // Of any two neighbours one is needed.
    const fails = async (parts: readonly number[]) => {
      asked++
      return parts.every((part, i) => (i === 0 ? part : part - parts[i - 1]) < 3) && (parts.at(-1) ?? 0) > 1995
    }
    const left = await shrink(numbers, fails, 100)
    expect(asked).toBe(100)
    expect(await fails(left)).toBe(true)
    expect(left.length).toBeLessThan(2000)
  })
})
