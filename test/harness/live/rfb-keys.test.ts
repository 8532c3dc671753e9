import { describe, expect, test } from 'vitest'
import { codeOfScanCode, KeysymKeys } from '../../../harness/live/rfb-keys.js'
import { SCAN_CODES } from '../../../machine/devices/input/scancodes.js'

const SHIFT = 0xffe1
const CAPS_LOCK = 0xffe5

type Stroke = [sign: '+' | '-', keysym: number | string]

/** `+` and `-` before keysyms, as a viewer sends them; the same before codes, as the machine gets them. */
function play(...strokes: Stroke[]): string {
  const keys = new KeysymKeys()
  return strokes
    .flatMap(([sign, keysym]) =>
      keys.events(typeof keysym === 'string' ? (keysym.codePointAt(0) as number) : keysym, sign === '+'),
    )
    .map(({ code, down }) => `${down ? '+' : '-'}${code}`)
    .join(' ')
}

describe('keysyms', () => {
  test('a viewer with a US layout sends Shift by itself', () => {
    expect(play(['+', SHIFT], ['+', '!'], ['-', '!'], ['-', SHIFT])).toBe('+ShiftLeft +Digit1 -Digit1 -ShiftLeft')
  })

  test('a program that sends no Shift gets one', () => {
    expect(play(['+', 'A'], ['-', 'A'])).toBe('+ShiftLeft +KeyA -ShiftLeft -KeyA')
    expect(play(['+', '?'], ['-', '?'])).toBe('+ShiftLeft +Slash -ShiftLeft -Slash')
  })

  test('where another layout needs Shift and a US one does not, it is let go for the key', () => {
    // Shift+7 on a German keyboard.
    expect(play(['+', SHIFT], ['+', '/'], ['-', '/'], ['-', SHIFT])).toBe(
      '+ShiftLeft -ShiftLeft +Slash +ShiftLeft -Slash -ShiftLeft',
    )
  })

  test('CapsLock goes to the guest, so its capitals need no Shift', () => {
    expect(play(['+', CAPS_LOCK], ['-', CAPS_LOCK], ['+', 'A'], ['-', 'A'], ['+', '1'])).toBe(
      '+CapsLock -CapsLock +KeyA -KeyA +Digit1',
    )
  })

  test('a key goes up that went down, whatever the keysym has become', () => {
    expect(play(['+', 'a'], ['-', 'b'], ['-', 'a'], ['-', 'a'])).toBe('+KeyA -KeyA')
  })

  test.each<[string, Stroke[], string]>([
    // noVNC #589.
    [
      'Control of the other side',
      [
        ['+', 0xffe4],
        ['-', 0xffe3],
      ],
      '+ControlRight -ControlRight',
    ],
    [
      'Alt that Shift has made Meta',
      [
        ['+', 0xffe9],
        ['-', 0xffe7],
      ],
      '+AltLeft -AltLeft',
    ],
    [
      'A letter',
      [
        ['+', SHIFT],
        ['+', 'A'],
        ['-', SHIFT],
        ['-', 'a'],
      ],
      '+ShiftLeft +KeyA -ShiftLeft -KeyA',
    ],
    [
      'A digit',
      [
        ['+', SHIFT],
        ['+', '!'],
        ['-', SHIFT],
        ['-', '1'],
      ],
      '+ShiftLeft +Digit1 -ShiftLeft -Digit1',
    ],
    [
      'Shift+7 of a German keyboard',
      [
        ['+', SHIFT],
        ['+', '/'],
        ['-', SHIFT],
        ['-', '7'],
      ],
      '+ShiftLeft -ShiftLeft +Slash +ShiftLeft -ShiftLeft -Slash',
    ],
  ])('a key whose keysym changes while it is down goes up: %s', (_, strokes, expected) => {
    expect(play(...strokes)).toBe(expected)
  })

  test('a key that was never pressed lets no other one go', () => {
    expect(play(['+', 'ä'], ['+', 'w'], ['-', 'ä'], ['-', 0xffe3], ['-', 'w'])).toBe('+KeyW -KeyW')
    expect(play(['+', 'w'], ['+', 'd'], ['-', 'q'], ['-', 'd'], ['-', 'w'])).toBe('+KeyW +KeyD -KeyD -KeyW')
  })

  test('what no US keyboard has is left out', () => {
    expect(play(['+', 'ä'], ['-', 'ä'], ['+', 0x0100_20ac], ['+', 0xfe53])).toBe('')
  })
})

describe('scan codes', () => {
  test.each([
    [0x01, 'Escape'],
    [0x39, 'Space'],
    [0x56, 'IntlBackslash'],
    [0x9c, 'NumpadEnter'],
    [0xdb, 'MetaLeft'],
    [0xd3, 'Delete'],
    [0x58, 'F12'],
    [0xc6, 'Pause'],
  ])('%i is %s', (xt, code) => {
    expect(codeOfScanCode(xt)).toBe(code)
  })

  test('every key of a PC keyboard has one of its own', () => {
    const reached = new Set(Array.from({ length: 256 }, (_, xt) => codeOfScanCode(xt)))
    const missing = [...SCAN_CODES].filter(([code, { set2 }]) => set2 >= 0 && !reached.has(code)).map(([code]) => code)
    // Old names of others, and keys that send a code of their own kind.
    expect(missing.filter((code) => !/^(OS|Volume|Lang)/.test(code))).toEqual([])
  })
})
