import { describe, expect, test } from 'vitest'
import { readDevice } from '../../../harness/options/device-words.js'
import { DEVICE_TYPES, parseDevice } from '../../../machine/devices/catalogue.js'
import {
  choiceOption,
  type DeviceOption,
  flagOption,
  integerOption,
  Misfit,
  portOption,
  readOptions,
  textOption,
} from '../../../machine/devices/device-option.js'

const NUMBER = 'a number, as in 0x501'

describe('a value as text, or as what it is', () => {
  const rows: [string, DeviceOption<unknown>, given: unknown, taken: unknown][] = [
    ['a number', integerOption(3, 15), 9, 9],
    ['a number as text', integerOption(3, 15), ' 0xF ', 15],
    ['a number too small', integerOption(3, 15), '2', new Misfit('at least 3')],
    ['a number too large', portOption(), 0x10000, new Misfit('at most 0xffff')],
    ['a broken number', integerOption(3, 15), 4.5, new Misfit(NUMBER)],
    ['a negative number as text', integerOption(-3, 15), '-2', new Misfit(NUMBER)],
    ['a word', integerOption(3, 15), 'x', new Misfit(NUMBER)],
    ['no text', integerOption(0, 15), '', new Misfit(NUMBER)],
    ['nothing', integerOption(3, 15), null, new Misfit(NUMBER)],
    ['on', flagOption(), 'on', true],
    ['false', flagOption(), false, false],
    ['no flag', flagOption(), 'maybe', new Misfit('on or off')],
    ['one of a choice', choiceOption(['ide', 'sata']), 'sata', 'sata'],
    ['a number of a choice', choiceOption([2, 4]), '4', 4],
    ['none of a choice', choiceOption([2, 4]), 3, new Misfit('2 or 4')],
    ['a text', textOption(4, 1), 'abcd', 'abcd'],
    ['a text too long', textOption(4, 1), 'abcde', new Misfit('of at most 4 characters')],
    ['a text too short', textOption(4, 1), '', new Misfit('of 1 or more characters')],
    ['no text at all', textOption(4), 7, new Misfit('a text')],
  ]
  test.each(rows)('%s', (_, option, given, taken) => {
    expect(option.read(given)).toEqual(taken)
  })
})

test('what was not given has its default, is left out, or is told to be missing', () => {
  const options = {
    unit: integerOption(0, 3),
    drive: textOption(64).optional(),
    serial: textOption(20).default('none'),
  }
  expect(readOptions(options, { unit: 1 })).toEqual({ chosen: { unit: 1, serial: 'none' } })
  expect(readOptions(options, { unit: 1 })).not.toHaveProperty('chosen.drive')
  expect(readOptions(options, {})).toEqual({ misfit: { option: 'unit', must: NUMBER } })
})

test('words stay with an option, whatever is said after them', () => {
  const option = integerOption(0, 3).describe('where').default(2)
  expect([option.help, option.preset, option.isNeeded]).toEqual(['where', 2, false])
})

test("each type's defaults fit, and each option says what it is for", () => {
  for (const { type, options } of DEVICE_TYPES)
    for (const [name, { read, help, preset }] of Object.entries(options)) {
      expect(help, `${type} ${name}`).not.toBe('')
      if (preset !== undefined) expect(read(preset), `${type} ${name}`).toBe(preset)
    }
})

test('a misfit is a sentence', () => {
  const both = { 'disable-legacy': 'on', 'disable-modern': 'on' }
  const clash =
    "disable-modern is 'on'; it must be off where disable-legacy is on: the device would have no interface at all"
  expect(() => parseDevice({ type: 'virtio-rng-pci', options: both })).toThrow(`the device virtio-rng-pci: ${clash}`)
  expect(() => readDevice({ type: 'virtio-rng-pci', options: both }, '--device')).toThrow(clash)
  expect(() => parseDevice({ type: 'VGA', options: { vgamem_mb: 3 } })).toThrow(
    "the device VGA: vgamem_mb is '3'; it must be 1 or 2 or 4 or 8 or 16",
  )
  expect(() => parseDevice({ type: 'ide-cd' })).toThrow('the device ide-cd needs unit')
})
