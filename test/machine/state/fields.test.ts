import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../machine/clock.js'
import type { Field, State, StateTable } from '../../../machine/device.js'
import * as fields from '../../../machine/state/fields.js'
import { checkFields, checkLike } from '../../../machine/state/fields.js'
import { checkState, loadState, part, resetState, saveState } from '../../../machine/state/state-table.js'

const { bytes, dictionary, flag, list, orNone, record, starts, u8 } = fields

class Part {
  readonly state: StateTable = { words: list(fields.u16, 2), name: fields.text(3) }
  readonly words = new Uint16Array(2)
  name = 'a'
}

class Device {
  readonly name = 'one'
  readonly state: StateTable = {
    ...{ on: starts(flag, false), value: starts(u8, 1), buffer: starts(bytes(2), 0) },
    ...{ part: part(), parts: list(part('engines'), 2), none: orNone(u8), timer: fields.timer },
  }
  on = false
  value = 1
  readonly buffer = new Uint8Array(2)
  readonly part = new Part()
  readonly parts = [new Part(), undefined]
  none: number | undefined
  readonly clock = new ManualClock()
  readonly timer = this.clock.timer('tick', () => {})
  hooks = 0

  loaded(): void {
    this.hooks++
  }
}

function running(): Device {
  const device = new Device()
  Object.assign(device, { on: true, value: 255, none: 3 })
  device.buffer.set([3, 4])
  device.part.words.set([5, 0xffff])
  ;(device.parts[0] as Part).name = 'xyz'
  device.timer.at(5e9)
  return device
}

describe('a table of state', () => {
  test('loads a zero over a zero of the other sign, which a hash tells apart', () => {
    const one = { state: { at: fields.count, list: list(fields.count, 1) } satisfies StateTable, at: -0, list: [-0] }
    loadState(one, { at: 0, list: [0] })
    expect(Object.is(one.at, 0)).toBe(true)
    expect(Object.is(one.list[0], 0)).toBe(true)
  })

  test('saves, and loads into an object of the same kind: members in place, parts and timers too', () => {
    const saved = structuredClone(saveState(running()))
    const device = new Device()
    const { buffer, parts, part: own } = device
    loadState(device, { ...saved, name: 'evil', save: 'evil' }, 'one')
    expect(saveState(device)).toEqual(saved)
    expect(device).toMatchObject({ name: 'one', on: true, value: 255, none: 3, hooks: 1 })
    expect([device.buffer, device.parts, device.part]).toEqual([buffer, parts, own])
    expect(device.buffer).toBe(buffer)
    expect(device.parts).toBe(parts)
    expect(device.part).toBe(own)
    expect(device.clock.nextDeadline()).toBe(5e9)
    expect(Object.keys(device)).not.toContain('save')
  })

  test.each<[string, (saved: State) => unknown]>([
    ['one.value', (saved) => (saved.value = 256)],
    ['one.value', (saved) => (saved.value = 0.5)],
    ['one.value', (saved) => (saved.value = 1n)],
    ['one.on', (saved) => delete saved.on],
    ['one.buffer', (saved) => (saved.buffer = Uint8Array.of(3))],
    ['one.part', (saved) => (saved.part = 1)],
    ['one.part.words', (saved) => ((saved.part as State).words = [1, 0x10000])],
    ['one.parts.0.name', (saved) => ((saved.parts as State[])[0].name = 'four')],
    ['one.parts', (saved) => (saved.parts = [])],
    ['one.timer', (saved) => (saved.timer = [Number.NaN, 0])],
  ])('%s that the hardware cannot have is refused by name, and nothing is taken over', (where, spoil) => {
    const saved = saveState(running())
    spoil(saved)
    const device = new Device()
    expect(() => loadState(device, saved, 'one')).toThrow(`the snapshot is damaged at ${where}: it should be`)
    expect(saveState(device)).toEqual(saveState(new Device()))
    expect(device.hooks).toBe(0)
  })

  test('a part that only one of the two has, and a timer long over, are refused', () => {
    const saved = saveState(running())
    expect(() => checkState(new Device(), { ...saved, parts: [null, null] }, 'one')).toThrow(
      'one.parts.0: the machine that was saved has other engines than this one',
    )
    expect(() => checkState(new Device(), saved, 'one', 64e9)).not.toThrow()
    expect(() => checkState(new Device(), saved, 'one', 66e9)).toThrow('one.timer: its time is long over')
  })

  test('a reset gives members what they start with, and leaves the others', () => {
    const device = running()
    resetState(device)
    expect(device).toMatchObject({ on: false, value: 1, none: 3 })
    expect([...device.buffer]).toEqual([0, 0])
    expect(device.timer.deadline).toBe(5e9)
  })

  test('that names what the object does not have is a mistake that saving finds', () => {
    expect(() => saveState({ state: { gone: u8 } })).toThrow('gone')
  })
})

describe('kinds of fields', () => {
  test.each<[string, Field, State[string][], State[string][]]>([
    ['a list', list(u8, 2), [[1, 2]], [[1], [1, 256], 1]],
    ['a timer', fields.timer, [null, [5, 0], [-1, 3]], [5, [Number.POSITIVE_INFINITY, 0], [1], [1, -1]]],
    ['a record', record({ a: u8 }), [{ a: 1 }], [{}, { a: 'b' }, []]],
    ['a dictionary', dictionary(bytes(0, 1)), [{}, { a: new Uint8Array(1) }], [{ a: new Uint8Array(2) }]],
    ['a bigint', fields.u64, [0n, 2n ** 64n - 1n], [-1n, 2n ** 64n, 1]],
    ['a time', fields.time, [0, -5], [Number.NaN, 1e300, Number.POSITIVE_INFINITY]],
  ])('%s', (_, field, right, wrong) => {
    for (const value of right) expect(field.fits(value)).toBe(true)
    for (const value of wrong) expect(field.fits(value)).toBe(false)
  })

  test('what may be missing', () => {
    expect(() => checkFields({ x: fields.optional(u8) }, {}, 'one')).not.toThrow()
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
