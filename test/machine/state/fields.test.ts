import { describe, expect, test } from 'vitest'
import type { State } from '../../../machine/device.js'
import {
  bytes,
  checkFields,
  checkLike,
  deadline,
  flag,
  list,
  loadFields,
  optional,
  u8,
} from '../../../machine/state/fields.js'

class Device {
  readonly name = 'one'
  on = false
  value = 1
  readonly buffer = new Uint8Array(2)
}
const FIELDS = { on: flag, value: u8, buffer: bytes(2) }

describe('fields of a saved state', () => {
  test('become members, and nothing that the table does not name does', () => {
    const device = new Device()
    const { buffer } = device
    const state = { on: true, value: 255, buffer: Uint8Array.of(3, 4), name: 'evil', save: 'evil' }
    loadFields(device, FIELDS, state as State, 'one')
    expect(device).toEqual(Object.assign(new Device(), { on: true, value: 255 }, { buffer: Uint8Array.of(3, 4) }))
    expect(device.buffer).toBe(buffer)
  })

  test.each<[string, State]>([
    ['one.value', { on: true, value: 256, buffer: Uint8Array.of(3, 4) }],
    ['one.value', { on: true, value: 0.5, buffer: Uint8Array.of(3, 4) }],
    ['one.value', { on: true, value: 1n, buffer: Uint8Array.of(3, 4) }],
    ['one.on', { value: 2, buffer: Uint8Array.of(3, 4) }],
    ['one.buffer', { on: true, value: 2, buffer: Uint8Array.of(3) }],
  ])('%s that the hardware cannot have is refused by name, and nothing is taken over', (where, state) => {
    const device = new Device()
    expect(() => loadFields(device, FIELDS, state, 'one')).toThrow(`the snapshot is damaged at ${where}: it should be`)
    expect(device).toEqual(new Device())
  })

  test('lists, times and what may be missing', () => {
    const check = (fields: Parameters<typeof checkFields>[0], x: unknown) => () =>
      checkFields(fields, { x } as State, 'one')
    for (const right of [0, 5e9, -1, Number.POSITIVE_INFINITY, null])
      expect(check({ x: deadline }, right)).not.toThrow()
    for (const wrong of [Number.NaN, 1e300, Number.NEGATIVE_INFINITY, '0'])
      expect(check({ x: deadline }, wrong)).toThrow()
    expect(check({ x: list(u8, 2) }, [1, 2])).not.toThrow()
    expect(check({ x: list(u8, 2) }, [1])).toThrow()
    expect(check({ x: optional(u8) }, undefined)).not.toThrow()
  })

  test('a state of another build than the own one is refused', () => {
    const own = { a: 1, b: [1, 2], c: { d: Uint8Array.of(1) }, e: null }
    expect(() => checkLike({ a: 2, b: [], c: { d: new Uint8Array() }, e: 5 }, own, 'x')).not.toThrow()
    expect(() => checkLike({ a: 2, b: [], c: { d: [] } }, own, 'x')).toThrow('x.c.d')
    expect(() => checkLike({ a: 2, b: ['1'], c: { d: new Uint8Array() } }, own, 'x')).toThrow('x.b.0')
    expect(() => checkLike({ b: [], c: { d: new Uint8Array() } }, own, 'x')).toThrow('x.a: it is missing')
    expect(() => checkLike({ ...own, a: Number.NaN }, own, 'x')).toThrow('x.a')
  })
})
