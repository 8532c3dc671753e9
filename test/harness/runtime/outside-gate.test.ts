/** What the guest says at once, a test hears at once; the real world hears everything as it comes. */
import { expect, test } from 'vitest'
import { OutsideGate } from '../../../harness/runtime/outside-gate.js'
import type { OutsideEvent } from '../../../machine/network/outside.js'

const data = (stream: number, text: string, isMore?: true): OutsideEvent => ({
  ...{ kind: 'data', stream, bytes: new TextEncoder().encode(text) },
  ...(isMore && { isMore }),
})

function pass(gate: OutsideGate, ...events: OutsideEvent[]): string[] {
  return events.flatMap((event) => gate.pass(event)).map(words)
}

function words(event: OutsideEvent): string {
  const what = 'bytes' in event ? Buffer.from(event.bytes).toString() : event.kind
  return `${'stream' in event ? event.stream : ''} ${what}`
}

test('pieces of one stream are told together, before whatever comes next', () => {
  const gate = new OutsideGate()
  expect(pass(gate, data(1, 'a', true), data(1, 'b', true))).toEqual([])
  expect(pass(gate, data(1, 'c'))).toEqual(['1 abc'])
  expect(pass(gate, data(1, 'd'), data(1, 'e', true))).toEqual(['1 d'])
  expect(pass(gate, { kind: 'closed', stream: 1 })).toEqual(['1 e', '1 closed'])
  expect(pass(gate, data(1, 'f', true), data(2, 'g', true), data(2, 'h'))).toEqual(['1 f', '2 gh'])
  expect(pass(gate, data(1, 'i', true), data(2, 'j'))).toEqual(['1 i', '2 j'])
})

test('what is held is less than the window, and all of it is told when the machine stands still', () => {
  const gate = new OutsideGate()
  const piece = 'x'.repeat(1460)
  const told = Array.from({ length: 30 }, () => gate.pass(data(1, piece, true)).length)
  expect(told.filter((count) => count > 0)).toHaveLength(1)
  expect(told.indexOf(1)).toBe(Math.ceil((32 << 10) / 1460) - 1)
  expect(gate.release().map(({ bytes }) => bytes.length)).toEqual([7 * 1460])
  expect(gate.release()).toEqual([])
})

test('the real world waits for nothing', () => {
  const gate = new OutsideGate()
  gate.dialled(1)
  expect(pass(gate, { kind: 'asked', stream: 2 ** 32, address: '8.8.8.8', port: 80 })).toEqual(['4294967296 asked'])
  expect(pass(gate, data(1, 'a', true), data(2 ** 32, 'b', true))).toEqual(['1 a', '4294967296 b'])
})
