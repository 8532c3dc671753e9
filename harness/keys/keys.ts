/**
 * Key names as people know them, to the W3C `KeyboardEvent.code` values that a machine takes: W3C codes and key values
 * (`KeyA`, `Enter`, `Control`), QEMU's qcodes (`ret`, `kp_enter`), Packer's names (`leftCtrl`, `bs`) and combinations
 * in W3C style (`Control+Alt+Delete`) or QEMU's (`ctrl-alt-delete`). Upper and lower case are the same.
 */

import { nearest } from '../words/nearest.js'
import { strokesFor } from './keyboard-layouts.js'

// biome-ignore format: a list
const W3C_CODES = [
  'Escape', 'F1', 'F2', 'F3', 'F4', 'F5', 'F6', 'F7', 'F8', 'F9', 'F10', 'F11', 'F12',
  'F13', 'F14', 'F15', 'F16', 'F17', 'F18', 'F19', 'F20', 'F21', 'F22', 'F23', 'F24',
  'PrintScreen', 'ScrollLock', 'Pause',
  'Backquote', 'Digit1', 'Digit2', 'Digit3', 'Digit4', 'Digit5', 'Digit6', 'Digit7', 'Digit8', 'Digit9', 'Digit0',
  'Minus', 'Equal', 'Backspace',
  'Tab', 'KeyQ', 'KeyW', 'KeyE', 'KeyR', 'KeyT', 'KeyY', 'KeyU', 'KeyI', 'KeyO', 'KeyP', 'BracketLeft', 'BracketRight',
  'CapsLock', 'KeyA', 'KeyS', 'KeyD', 'KeyF', 'KeyG', 'KeyH', 'KeyJ', 'KeyK', 'KeyL', 'Semicolon', 'Quote', 'Backslash',
  'Enter', 'ShiftLeft', 'IntlBackslash', 'KeyZ', 'KeyX', 'KeyC', 'KeyV', 'KeyB', 'KeyN', 'KeyM', 'Comma', 'Period',
  'Slash', 'ShiftRight', 'ControlLeft', 'MetaLeft', 'AltLeft', 'Space', 'AltRight', 'MetaRight', 'ContextMenu',
  'ControlRight', 'Insert', 'Home', 'PageUp', 'Delete', 'End', 'PageDown',
  'ArrowUp', 'ArrowLeft', 'ArrowDown', 'ArrowRight',
  'NumLock', 'NumpadDivide', 'NumpadMultiply', 'NumpadSubtract', 'NumpadAdd', 'NumpadEnter', 'NumpadDecimal',
  'NumpadComma', 'NumpadEqual', 'Numpad0', 'Numpad1', 'Numpad2', 'Numpad3', 'Numpad4', 'Numpad5', 'Numpad6', 'Numpad7',
  'Numpad8', 'Numpad9',
  'IntlRo', 'IntlYen', 'KanaMode', 'Convert', 'NonConvert', 'Hiragana', 'Katakana', 'Lang1', 'Lang2',
  'Power', 'Sleep', 'WakeUp', 'MediaTrackNext', 'MediaTrackPrevious', 'MediaStop', 'MediaPlayPause', 'MediaSelect',
  'AudioVolumeMute', 'AudioVolumeDown', 'AudioVolumeUp', 'LaunchMail', 'LaunchApp1', 'LaunchApp2',
  'BrowserHome', 'BrowserSearch', 'BrowserFavorites', 'BrowserRefresh', 'BrowserStop', 'BrowserForward', 'BrowserBack',
  'Help', 'Again', 'Props', 'Undo', 'Copy', 'Open', 'Paste', 'Find', 'Cut',
] as const

/** W3C key values (as Playwright's `keyboard.press` takes them) and words in common use. */
const COMMON_NAMES: { readonly [name: string]: string } = {
  Control: 'ControlLeft',
  ControlOrMeta: 'ControlLeft',
  Shift: 'ShiftLeft',
  Alt: 'AltLeft',
  AltGraph: 'AltRight',
  AltGr: 'AltRight',
  Option: 'AltLeft',
  Meta: 'MetaLeft',
  Super: 'MetaLeft',
  Win: 'MetaLeft',
  Cmd: 'MetaLeft',
  OSLeft: 'MetaLeft',
  OSRight: 'MetaRight',
  Esc: 'Escape',
  Del: 'Delete',
  Ins: 'Insert',
  Return: 'Enter',
  PrtSc: 'PrintScreen',
  Break: 'Pause',
  PgUp: 'PageUp',
  PgDown: 'PageDown',
  VolumeMute: 'AudioVolumeMute',
  VolumeDown: 'AudioVolumeDown',
  VolumeUp: 'AudioVolumeUp',
}

/** Names of Packer's boot commands that are not names elsewhere. */
const PACKER_NAMES: { readonly [name: string]: string } = {
  bs: 'Backspace',
  spacebar: 'Space',
  leftAlt: 'AltLeft',
  leftCtrl: 'ControlLeft',
  leftShift: 'ShiftLeft',
  leftSuper: 'MetaLeft',
  leftMeta: 'MetaLeft',
  leftCommand: 'MetaLeft',
  rightAlt: 'AltRight',
  rightCtrl: 'ControlRight',
  rightShift: 'ShiftRight',
  rightSuper: 'MetaRight',
  rightMeta: 'MetaRight',
  rightCommand: 'MetaRight',
}

/**
 * QEMU's qcodes (type `QKeyCode` of its QMP reference) that differ from the W3C names; letters, digits and function
 * keys are handled elsewhere. `front` and `lf` have no W3C code: they are Sun keys that no PC keyboard sends.
 */
const QEMU_NAMES: { readonly [name: string]: string } = {
  shift_r: 'ShiftRight',
  alt_r: 'AltRight',
  ctrl: 'ControlLeft',
  ctrl_r: 'ControlRight',
  menu: 'ContextMenu',
  grave_accent: 'Backquote',
  bracket_left: 'BracketLeft',
  bracket_right: 'BracketRight',
  ret: 'Enter',
  apostrophe: 'Quote',
  dot: 'Period',
  asterisk: 'NumpadMultiply',
  spc: 'Space',
  caps_lock: 'CapsLock',
  num_lock: 'NumLock',
  scroll_lock: 'ScrollLock',
  kp_divide: 'NumpadDivide',
  kp_multiply: 'NumpadMultiply',
  kp_subtract: 'NumpadSubtract',
  kp_add: 'NumpadAdd',
  kp_enter: 'NumpadEnter',
  kp_decimal: 'NumpadDecimal',
  kp_comma: 'NumpadComma',
  kp_equals: 'NumpadEqual',
  sysrq: 'PrintScreen',
  print: 'PrintScreen',
  less: 'IntlBackslash',
  pgdn: 'PageDown',
  left: 'ArrowLeft',
  up: 'ArrowUp',
  down: 'ArrowDown',
  right: 'ArrowRight',
  stop: 'BrowserStop',
  front: 'Front',
  lf: 'LineFeed',
  meta_l: 'MetaLeft',
  meta_r: 'MetaRight',
  compose: 'ContextMenu',
  ro: 'IntlRo',
  henkan: 'Convert',
  yen: 'IntlYen',
  muhenkan: 'NonConvert',
  katakanahiragana: 'KanaMode',
  wake: 'WakeUp',
  audionext: 'MediaTrackNext',
  audioprev: 'MediaTrackPrevious',
  audiostop: 'MediaStop',
  audioplay: 'MediaPlayPause',
  audiomute: 'AudioVolumeMute',
  mail: 'LaunchMail',
  computer: 'LaunchApp1',
  calculator: 'LaunchApp2',
  ac_home: 'BrowserHome',
  ac_back: 'BrowserBack',
  ac_forward: 'BrowserForward',
  ac_refresh: 'BrowserRefresh',
  ac_bookmarks: 'BrowserFavorites',
}

/** Lower-case name to code. */
const codes = new Map<string, string>()
/** Names as they are written, for suggestions. */
const names: string[] = []

function define(name: string, code: string): void {
  if (codes.has(name.toLowerCase())) return
  codes.set(name.toLowerCase(), code)
  names.push(name)
}

for (const code of W3C_CODES) define(code, code)
for (const table of [COMMON_NAMES, PACKER_NAMES, QEMU_NAMES]) {
  for (const [name, code] of Object.entries(table)) define(name, code)
}
for (let digit = 0; digit <= 9; digit++) define(`kp_${digit}`, `Numpad${digit}`)

/** The code of one key by any of its names but a single character; undefined if there is none. */
export function findKey(name: string): string | undefined {
  return codes.get(name.toLowerCase())
}

/**
 * The code of one key by any of its names; a letter, digit or mark names the key that types it on a US keyboard.
 * @throws Error with one sentence that quotes the name and offers the nearest.
 */
export function keyCode(name: string): string {
  const code = findKey(name)
  if (code !== undefined) return code
  const stroke = strokeOf(name)
  if (stroke) return stroke.code
  throw new Error(unknownKey(name))
}

/**
 * The codes of a key or a combination in the order to press them: `Control+Alt+Delete`, `ctrl-alt-delete`, `Enter`,
 * `a`, `Control++`. A character that needs Shift (`A`, `?`) alone or as part of a combination brings `ShiftLeft` with
 * it, but a capital letter in a combination does not: `Control+C` is what people write for the lower-case key.
 * @throws Error with one sentence that quotes the unknown name and offers the nearest.
 */
export function parseKeys(combination: string): string[] {
  const whole = findKey(combination)
  if (whole !== undefined) return [whole]
  const alone = strokeOf(combination)
  if (alone) return alone.shift ? ['ShiftLeft', alone.code] : [alone.code]
  const result: string[] = []
  const add = (code: string) => {
    if (!result.includes(code)) result.push(code)
  }
  for (const part of splitCombination(combination)) {
    const code = findKey(part)
    if (code !== undefined) {
      add(code)
      continue
    }
    const stroke = strokeOf(part)
    if (!stroke) throw new Error(unknownKey(part, combination))
    if (stroke.shift && !/^[A-Z]$/.test(part) && !result.includes('ShiftRight')) add('ShiftLeft')
    add(stroke.code)
  }
  return result
}

/** `+` joins where there is one, else `-`; at the end of a combination either may stand for its own key. */
function splitCombination(combination: string): string[] {
  const separator = combination.includes('+') ? '+' : '-'
  if (combination.length > 2 && combination.endsWith(separator + separator)) {
    return [...combination.slice(0, -2).split(separator), separator]
  }
  return combination.split(separator)
}

function strokeOf(character: string): { code: string; shift: boolean } | undefined {
  if (!/^[\x20-\x7e]$/.test(character)) return undefined
  return strokesFor(character, 'us')[0]
}

/** The sentence for a name that is no key. */
export function unknownKey(name: string, combination?: string): string {
  const where = combination !== undefined && combination !== name ? ` in '${combination}'` : ''
  const near = nearestKey(name)
  const hint =
    near === undefined
      ? "keys are named as in W3C ('Enter', 'KeyA'), QEMU ('ret', 'kp_enter') or Packer ('leftCtrl', 'bs')"
      : `did you mean '${near}'?`
  return `unknown key '${name}'${where}; ${hint}`
}

/** The known name that is nearest to a mistyped one; undefined if none is near. */
export function nearestKey(name: string): string | undefined {
  return nearest(name, names)
}
