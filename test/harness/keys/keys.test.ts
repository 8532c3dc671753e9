import { describe, expect, test } from 'vitest'
import { keyCode, parseKeys } from '../../../harness/keys/keys.js'
import { SCAN_CODES } from '../../../machine/devices/input/scancodes.js'

/** QEMU 7.2's QKeyCode as `query-qmp-schema` lists it, without `unmapped`. */
const QCODES =
  `shift shift_r alt alt_r ctrl ctrl_r menu esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace tab q w e r t y u i
o p bracket_left bracket_right ret a s d f g h j k l semicolon apostrophe grave_accent backslash z x c v b n m comma dot
slash asterisk spc caps_lock f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num_lock scroll_lock kp_divide kp_multiply kp_subtract kp_add
kp_enter kp_decimal sysrq kp_0 kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 less f11 f12 print home pgup pgdn end left up
down right insert delete stop again props undo front copy open paste find cut lf help meta_l meta_r compose pause ro
hiragana henkan yen muhenkan katakanahiragana kp_comma kp_equals power sleep wake audionext audioprev audiostop audioplay
audiomute volumeup volumedown mediaselect mail calculator computer ac_home ac_back ac_forward ac_refresh ac_bookmarks
lang1 lang2`.split(/\s+/)

describe('one key', () => {
  test.each([
    ['KeyA', 'KeyA'],
    ['a', 'KeyA'],
    ['A', 'KeyA'],
    ['7', 'Digit7'],
    ['/', 'Slash'],
    ['Enter', 'Enter'],
    ['enter', 'Enter'],
    ['Control', 'ControlLeft'],
    ['Meta', 'MetaLeft'],
    ['Escape', 'Escape'],
    ['esc', 'Escape'],
    ['ret', 'Enter'],
    ['spc', 'Space'],
    [' ', 'Space'],
    ['kp_enter', 'NumpadEnter'],
    ['kp_7', 'Numpad7'],
    ['less', 'IntlBackslash'],
    ['leftCtrl', 'ControlLeft'],
    ['rightSuper', 'MetaRight'],
    ['bs', 'Backspace'],
    ['F12', 'F12'],
    ['volumeup', 'AudioVolumeUp'],
  ])('%s is %s', (name, code) => {
    expect(keyCode(name)).toBe(code)
  })

  test('every qcode of QEMU is known, and all but the odd Sun keys have scan codes', () => {
    const silent = QCODES.filter((name) => {
      const code = keyCode(name)
      return !SCAN_CODES.has(code) && code !== 'PrintScreen' && code !== 'Pause'
    })
    expect(silent).toEqual(['front', 'lf'])
  })

  test('every code of the keyboard is a name', () => {
    for (const code of SCAN_CODES.keys()) expect(SCAN_CODES.has(keyCode(code)), code).toBe(true)
  })

  test.each([
    ['Entr', "unknown key 'Entr'; did you mean 'Enter'?"],
    ['ArowUp', "unknown key 'ArowUp'; did you mean 'ArrowUp'?"],
    ['lefctrl', "unknown key 'lefctrl'; did you mean 'leftCtrl'?"],
    [
      'frobnicate',
      "unknown key 'frobnicate'; keys are named as in W3C ('Enter', 'KeyA'), QEMU ('ret', 'kp_enter') or Packer ('leftCtrl', 'bs')",
    ],
  ])('%s is unknown', (name, message) => {
    expect(() => keyCode(name)).toThrow(new Error(message))
  })
})

describe('combinations', () => {
  test.each([
    ['Control+Alt+Delete', ['ControlLeft', 'AltLeft', 'Delete']],
    ['ctrl-alt-delete', ['ControlLeft', 'AltLeft', 'Delete']],
    ['ctrl-alt-f2', ['ControlLeft', 'AltLeft', 'F2']],
    ['Control+c', ['ControlLeft', 'KeyC']],
    ['Control+C', ['ControlLeft', 'KeyC']],
    ['Control++', ['ControlLeft', 'ShiftLeft', 'Equal']],
    ['Shift+?', ['ShiftLeft', 'Slash']],
    ['ctrl--', ['ControlLeft', 'Minus']],
    ['leftCtrl+rightAlt+kp_0', ['ControlLeft', 'AltRight', 'Numpad0']],
    ['A', ['ShiftLeft', 'KeyA']],
    ['+', ['ShiftLeft', 'Equal']],
    ['-', ['Minus']],
    ['Enter', ['Enter']],
  ])('%s', (text, codes) => {
    expect(parseKeys(text)).toEqual(codes)
  })

  test('an unknown part is named with its combination', () => {
    expect(() => parseKeys('Contol+Alt+Delete')).toThrow(
      new Error("unknown key 'Contol' in 'Contol+Alt+Delete'; did you mean 'Control'?"),
    )
    expect(() => parseKeys('ctrl-')).toThrow("unknown key '' in 'ctrl-'")
    expect(() => parseKeys('')).toThrow("unknown key ''")
  })
})
