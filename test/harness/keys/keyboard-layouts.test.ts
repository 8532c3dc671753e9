import { describe, expect, test } from 'vitest'
import {
  codesOf,
  layoutNamed,
  layoutNames,
  strokesFor,
  strokesForText,
} from '../../../harness/keys/keyboard-layouts.js'

/** Strokes as `shift+KeyA`, dead keys with a `*`. */
function keys(text: string, layout: Parameters<typeof strokesFor>[1]): string {
  return strokesForText(text, layout)
    .map((s) => `${s.shift ? 'shift+' : ''}${s.altgr ? 'altgr+' : ''}${s.code}${s.dead ? '*' : ''}`)
    .join(' ')
}

describe('us', () => {
  test('types all of ASCII', () => {
    for (let c = 0x20; c < 0x7f; c++) expect(strokesFor(String.fromCharCode(c), 'us')).toHaveLength(1)
    expect(keys('aZ~\\|?', 'us')).toBe('KeyA shift+KeyZ shift+Backquote Backslash shift+Backslash shift+Slash')
    expect(keys('\t \r\n', 'us')).toBe('Tab Space Enter')
  })
})

describe('others', () => {
  test.each(['uk', 'de', 'fr', 'es'] as const)('%s types all of ASCII', (layout) => {
    for (let c = 0x20; c < 0x7f; c++) {
      const strokes = strokesFor(String.fromCharCode(c), layout)
      expect(strokes.length).toBeLessThanOrEqual(2)
    }
  })

  test.each([
    [
      'uk',
      '"@#~£|€',
      'shift+Digit2 shift+Quote Backslash shift+Backslash shift+Digit3 shift+IntlBackslash altgr+Digit4',
    ],
    ['de', 'yzß-/', 'KeyZ KeyY Minus Slash shift+Digit7'],
    [
      'de',
      '@{[]}\\~|<>',
      'altgr+KeyQ altgr+Digit7 altgr+Digit8 altgr+Digit9 altgr+Digit0 altgr+Minus altgr+BracketRight altgr+IntlBackslash IntlBackslash shift+IntlBackslash',
    ],
    ['de', '^é`', 'Backquote* Space Equal* KeyE shift+Equal* Space'],
    ['de', 'äÖµ€', 'Quote shift+Semicolon altgr+KeyM altgr+KeyE'],
    ['fr', 'azqwm,.1/', 'KeyQ KeyW KeyA KeyZ Semicolon KeyM shift+Comma shift+Digit1 shift+Period'],
    [
      'fr',
      'éÊë@#|^',
      'Digit2 BracketLeft* shift+KeyE shift+BracketLeft* KeyE altgr+Digit0 altgr+Digit3 altgr+Digit6 altgr+Digit9',
    ],
    ['fr', '-_\\{}[]', 'Digit6 Digit8 altgr+Digit8 altgr+Digit4 altgr+Equal altgr+Digit5 altgr+Minus'],
    [
      'es',
      'ñÑ¿ç@|{}[]',
      'Semicolon shift+Semicolon shift+Equal Backslash altgr+Digit2 altgr+Digit1 altgr+Quote altgr+Backslash altgr+BracketLeft altgr+BracketRight',
    ],
    ['es', 'áÜ^', 'Quote* KeyA shift+Quote* shift+KeyU shift+BracketLeft* Space'],
  ] as const)('%s: %s', (layout, text, expected) => {
    expect(keys(text, layout)).toBe(expected)
  })

  test('a decomposed character is the same as the composed one', () => {
    expect(keys('e\u0301', 'fr')).toBe('Digit2')
  })
})

test('a character that a layout lacks is named with the layout', () => {
  expect(() => strokesFor('ñ', 'us')).toThrow(new Error("the keyboard layout 'us' has no key for 'ñ' (U+00F1)"))
  expect(() => strokesFor('漢', 'de')).toThrow("the keyboard layout 'de' has no key for '漢' (U+6F22)")
  expect(() => strokesFor('ñ', 'fr')).toThrow("'fr'")
})

test('layouts are found by name and alias', () => {
  expect(layoutNames).toEqual(['us', 'uk', 'de', 'fr', 'es'])
  expect([layoutNamed('DE'), layoutNamed('gb')]).toEqual(['de', 'uk'])
  expect(() => layoutNamed('dvorak')).toThrow(
    new Error("unknown keyboard layout 'dvorak'; known layouts are us, uk, de, fr, es"),
  )
})

test('modifiers are pressed before the key', () => {
  expect(codesOf(strokesFor('@', 'de')[0])).toEqual(['AltRight', 'KeyQ'])
  expect(codesOf(strokesFor('A', 'de')[0])).toEqual(['ShiftLeft', 'KeyA'])
})
