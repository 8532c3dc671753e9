import { expect, test } from 'vitest'
import { BoundedCounts } from '../../machine/bounded-counts.js'
import { Warnings } from '../../machine/warnings.js'

test('a guest that sweeps all numbers fills no memory, and what came first still counts', () => {
  const counts = new BoundedCounts()
  for (let i = 0; i < 100_000; i++) counts.count(i)
  counts.count(7)
  expect(counts.entries.length).toBeLessThanOrEqual(1024)
  expect(counts.entries[7]).toEqual([7, 2])
})

test('warnings are counted by text, the most frequent first, and no more texts than are of use', () => {
  const warnings = new Warnings()
  for (let i = 0; i < 3; i++) warnings.warn('VGA: no such register', 0x3c0 + i)
  for (let i = 0; i < 1000; i++) warnings.warn(`text ${i}`)
  const list = warnings.list()
  expect(list.length).toBeLessThanOrEqual(201)
  expect(list[0]).toMatchObject({ text: 'further warnings' })
  expect(list[1]).toEqual({ text: 'VGA: no such register', address: 0x3c2, count: 3 })
})
