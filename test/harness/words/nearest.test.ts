import { expect, test } from 'vitest'
import { nearest } from '../../../harness/words/nearest.js'

test('the nearest word is offered, and none where all are too far', () => {
  expect(nearest('blcok', ['block', 'clock', 'pic'])).toBe('block')
  expect(nearest('Enetr', ['escape', 'enter'])).toBe('enter')
  expect(nearest('xyz', ['block', 'pic'])).toBeUndefined()
})

test('a word of a megabyte is compared with none', () => {
  const started = performance.now()
  expect(nearest('off'.repeat(300_000), ['block', 'pic', 'off'])).toBeUndefined()
  expect(performance.now() - started).toBeLessThan(1000)
})
