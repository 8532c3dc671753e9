import { describe, expect, test } from 'vitest'
import {
  codesOf,
  type LayoutName,
  layoutNamed,
  layoutNames,
  strokesFor,
  strokesForText,
  typeable,
} from '../../../harness/keys/keyboard-layouts.js'
import { openXkb, type XkbLayout } from './xkb.js'

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
  test.each(layoutNames.filter((name) => name !== 'ru'))('%s types all of ASCII', (layout) => {
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
    ['uk', '¦', 'shift+altgr+IntlBackslash'],
    ['it', '~`{è@', 'altgr+Equal altgr+Minus shift+altgr+BracketLeft BracketLeft altgr+Semicolon'],
    ['br', "/?'ç~ã", 'IntlRo shift+IntlRo Backquote Semicolon Quote* Space Quote* KeyA'],
    ['pl', 'łŻ', 'altgr+KeyL shift+altgr+KeyZ'],
    ['cz', 'ě5ďŮ[', 'Digit2 shift+Digit5 shift+Equal* KeyD shift+Backquote* shift+KeyU altgr+KeyF'],
    ['tr', 'iıİI', 'Quote KeyI shift+Quote shift+KeyI'],
    ['jp', '@"_\\|', 'BracketLeft shift+Digit2 shift+IntlRo IntlRo shift+IntlYen'],
    ['ru', 'йЁ.,', 'KeyQ shift+Backquote Slash shift+Slash'],
    ['us-intl', '\'"~é', 'Quote* Space shift+Quote* Space shift+Backquote* Space altgr+KeyE'],
    ['dvorak', 'ls -la', 'KeyP Semicolon Space Quote KeyP KeyA'],
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
  expect(() => strokesFor('ё', 'fr')).toThrow("'fr'")
  expect(() => strokesFor('a', 'ru')).toThrow(
    new Error(
      "the keyboard layout 'ru' has no key for 'a' (U+0061); switch the guest to another one and type it in that",
    ),
  )
})

test('layouts are found by name and alias', () => {
  expect([layoutNamed('DE'), layoutNamed('gb'), layoutNamed('pt-br')]).toEqual(['de', 'uk', 'br'])
  expect(() => layoutNamed('colemak')).toThrow(
    new Error(`unknown keyboard layout 'colemak'; known layouts are ${layoutNames.join(', ')}`),
  )
  expect(() => layoutNamed('us-int')).toThrow("unknown keyboard layout 'us-int'; did you mean 'us-intl'? known")
})

test('modifiers are pressed before the key', () => {
  expect(codesOf(strokesFor('@', 'de')[0])).toEqual(['AltRight', 'KeyQ'])
  expect(codesOf(strokesFor('A', 'de')[0])).toEqual(['ShiftLeft', 'KeyA'])
})

/** Where XKB's names differ from ours. */
const XKB: { readonly [name in LayoutName]?: XkbLayout } = {
  uk: { layout: 'gb' },
  'es-latam': { layout: 'latam' },
  br: { layout: 'br', model: 'abnt2' },
  jp: { layout: 'jp', model: 'jp106' },
  'us-intl': { layout: 'us', variant: 'intl' },
  dvorak: { layout: 'us', variant: 'dvorak' },
}

/** With dead keys too: what of them a layout types is asked for, not listed. */
const ACCENTED = Array.from('àáâäãåčçďéèêëěíìîïňñóòôöõřšťúùûüůýÿžÀÁÂÄÃÅČÇĎÉÈÊËĚÍÌÎÏŇÑÓÒÔÖÕŘŠŤÚÙÛÜŮÝŸŽ')

const xkb = openXkb()

describe.skipIf(!xkb)('as libxkbcommon reads the keys (skipped without it, xkb-data and libx11-data)', () => {
  test.each(layoutNames)('%s', (name) => {
    const wrong: string[] = []
    let count = 0
    for (const character of new Set([...typeable(name), ...ACCENTED])) {
      if (/\p{Cc}/u.test(character)) continue
      let strokes: ReturnType<typeof strokesFor>
      try {
        strokes = strokesFor(character, name)
      } catch {
        continue
      }
      count++
      const typed = xkb?.typed(XKB[name] ?? { layout: name }, strokes)
      // A dead accent and a space: the accent on Windows, but quotes under X.
      if (strokes.length === 2 && `${character}${typed}`.match(/^(´'|¨")$/)) continue
      if (typed !== character) wrong.push(`${character}: ${typed}`)
    }
    expect(wrong).toEqual([])
    expect(count).toBeGreaterThan(90)
  })
})
