import { expect, test } from 'vitest'
import { parseDuration, tryParseDuration } from '../../../harness/units/durations.js'

test.each([
  ['500ms', 500e6],
  ['10s', 10e9],
  ['1m20s', 80e9],
  ['2h', 7200e9],
  ['1.5s', 1.5e9],
  ['1h2m3s4ms', 3723.004e9],
  ['100us', 100e3],
  ['100µs', 100e3],
  ['7ns', 7],
  ['5', 5e9],
  ['0.25', 0.25e9],
  [' 3s ', 3e9],
  ['0', 0],
  [2.5, 2.5e9],
])('%s', (text, ns) => {
  expect(parseDuration(text)).toBe(ns)
})

test.each(['', '10x', 's', '10 s', '-1s', '1m20', 'soon', '1.2.3s', '10s!', Number.NaN, -1, Number.POSITIVE_INFINITY])(
  '%s is no duration',
  (text) => {
    expect(tryParseDuration(text)).toBeUndefined()
    expect(() => parseDuration(text)).toThrow(`'${text}' is not a duration; write seconds as a number`)
  },
)
