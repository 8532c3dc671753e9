import { expect, test } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { Reassembly } from '../../../../machine/network/lan/reassembly.js'

const bytes = (length: number, first = 0) => Uint8Array.from({ length }, (_, i) => (first + i) & 0xff)

test('pieces in any order make a whole, each of its own', () => {
  const reassembly = new Reassembly(new ManualClock())
  expect(reassembly.add('a', 16, true, bytes(5, 16))).toBeUndefined()
  expect(reassembly.add('b', 0, false, bytes(8))).toBeUndefined()
  expect(reassembly.add('a', 0, false, bytes(8))).toBeUndefined()
  expect(reassembly.add('a', 8, false, bytes(8, 8))).toEqual(bytes(21))
})

test('what overlaps, contradicts or lies behind the end makes all of it void', () => {
  const reassembly = new Reassembly(new ManualClock())
  // As many bytes as the last piece says, and one piece behind it.
  reassembly.add('behind', 800, false, bytes(8))
  expect(reassembly.add('behind', 8, true, bytes(8))).toBeUndefined()
  reassembly.add('overlap', 0, false, bytes(16))
  reassembly.add('overlap', 8, true, bytes(16))
  expect(reassembly.add('overlap', 16, true, bytes(8))).toBeUndefined()
  reassembly.add('two ends', 8, true, bytes(8))
  reassembly.add('two ends', 16, true, bytes(8))
  expect(reassembly.add('two ends', 0, false, bytes(8))).toBeUndefined()
  expect(reassembly.add('odd', 0, false, bytes(7))).toBeUndefined()
  expect(reassembly.add('long', 65528, true, bytes(100))).toBeUndefined()
})

test('few are kept, and not for long', () => {
  const clock = new ManualClock()
  const reassembly = new Reassembly(clock)
  for (let i = 0; i < 40; i++) reassembly.add(String(i), 0, false, bytes(8))
  expect(reassembly.add('0', 8, true, bytes(1))).toBeUndefined()
  expect(reassembly.add('39', 8, true, bytes(1))).toEqual(Uint8Array.from([...bytes(8), 0]))
  clock.advance(61e9)
  expect(reassembly.add('38', 8, true, bytes(1))).toBeUndefined()
})
