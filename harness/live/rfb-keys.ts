/**
 * Keys as viewers send them, to W3C codes: XT scan codes (QEMU's extended key event, of the community's RFB
 * specification, section 7.5.7) as they are, and X11 keysyms by the keys of a US layout.
 */
import type { KeyEvent } from '../../machine/devices/input/events.js'
import { SCAN_CODES, SET2_TO_SET1 } from '../../machine/devices/input/scancodes.js'
import { strokesFor } from '../keys/keyboard-layouts.js'

/** XT scan codes; those after the prefix E0 have bit 7. */
const XT_CODES = new Map<number, string>([
  // Alone, and with the modifiers that change them.
  [0x54, 'PrintScreen'],
  [0xb7, 'PrintScreen'],
  [0x46 | 0x80, 'Pause'],
])
for (const [code, { set2, makeOnly }] of SCAN_CODES) {
  if (set2 < 0 || makeOnly || /^(OS|Volume)/.test(code)) continue
  const xt = SET2_TO_SET1[set2 & 0xff] | (set2 > 0xff ? 0x80 : 0)
  if (!XT_CODES.has(xt)) XT_CODES.set(xt, code)
}

/** undefined where no key has it. */
export function codeOfScanCode(xt: number): string | undefined {
  return XT_CODES.get(xt)
}

// X11's keysymdef.h.
const KEYSYMS = new Map<number, string>([
  [0xff08, 'Backspace'],
  [0xff09, 'Tab'],
  [0xfe20, 'Tab'],
  [0xff0d, 'Enter'],
  [0xff13, 'Pause'],
  [0xff14, 'ScrollLock'],
  [0xff15, 'PrintScreen'],
  [0xff1b, 'Escape'],
  [0xff50, 'Home'],
  [0xff51, 'ArrowLeft'],
  [0xff52, 'ArrowUp'],
  [0xff53, 'ArrowRight'],
  [0xff54, 'ArrowDown'],
  [0xff55, 'PageUp'],
  [0xff56, 'PageDown'],
  [0xff57, 'End'],
  [0xff61, 'PrintScreen'],
  [0xff63, 'Insert'],
  [0xff67, 'ContextMenu'],
  [0xff6b, 'Pause'],
  [0xff7f, 'NumLock'],
  [0xff8d, 'NumpadEnter'],
  [0xff95, 'Numpad7'],
  [0xff96, 'Numpad4'],
  [0xff97, 'Numpad8'],
  [0xff98, 'Numpad6'],
  [0xff99, 'Numpad2'],
  [0xff9a, 'Numpad9'],
  [0xff9b, 'Numpad3'],
  [0xff9c, 'Numpad1'],
  [0xff9d, 'Numpad5'],
  [0xff9e, 'Numpad0'],
  [0xff9f, 'NumpadDecimal'],
  [0xffaa, 'NumpadMultiply'],
  [0xffab, 'NumpadAdd'],
  [0xffac, 'NumpadDecimal'],
  [0xffad, 'NumpadSubtract'],
  [0xffae, 'NumpadDecimal'],
  [0xffaf, 'NumpadDivide'],
  [0xffbd, 'NumpadEqual'],
  [0xffe1, 'ShiftLeft'],
  [0xffe2, 'ShiftRight'],
  [0xffe3, 'ControlLeft'],
  [0xffe4, 'ControlRight'],
  [0xffe5, 'CapsLock'],
  [0xffe7, 'MetaLeft'],
  [0xffe8, 'MetaRight'],
  [0xffe9, 'AltLeft'],
  [0xffea, 'AltRight'],
  [0xffeb, 'MetaLeft'],
  [0xffec, 'MetaRight'],
  [0xfe03, 'AltRight'],
  [0xffff, 'Delete'],
])
for (let digit = 0; digit <= 9; digit++) KEYSYMS.set(0xffb0 + digit, `Numpad${digit}`)
for (let number = 1; number <= 24; number++) KEYSYMS.set(0xffbd + number, `F${number}`)

/** The character that a keysym types: Latin-1 as it is, others as Unicode with bit 24. */
function characterOf(keysym: number): string | undefined {
  if ((keysym >= 0x20 && keysym <= 0x7e) || (keysym >= 0xa0 && keysym <= 0xff)) return String.fromCodePoint(keysym)
  if (keysym >= 0x0100_0100 && keysym <= 0x0110_ffff) return String.fromCodePoint(keysym - 0x0100_0000)
  return undefined
}

/** Keysyms of no key that are remembered until they go up. */
const MOST_DOWN = 256

const SHIFTS = ['ShiftLeft', 'ShiftRight']
/** Keys that viewers take for one another: X11 makes Meta of Alt with Shift, browsers the left one of either. */
const ALIKE = [['ControlLeft', 'ControlRight'], SHIFTS, ['AltLeft', 'AltRight', 'MetaLeft', 'MetaRight']]

/**
 * From keysyms to keys. A viewer says what character a key gave it, and sends Shift by itself; where its Shift is not
 * what a US layout needs for that character (another layout, or a program that sends no Shift) Shift is changed around
 * the key.
 */
export class KeysymKeys {
  private readonly held = new Set<string>()
  private capsLock = false
  /** What a keysym that is down went to; undefined where no key has it. */
  private readonly down = new Map<number, string | undefined>()

  /** The events for the machine; none where a US keyboard has no such key. */
  events(keysym: number, down: boolean): KeyEvent[] {
    if (!down) {
      const code = this.released(keysym)
      for (const [other, its] of this.down) if (other === keysym || its === code) this.down.delete(other)
      if (code === undefined) return []
      this.held.delete(code)
      return [{ code, down: false }]
    }
    const named = KEYSYMS.get(keysym)
    if (named !== undefined) {
      if (named === 'CapsLock' && !this.down.has(keysym)) this.capsLock = !this.capsLock
      this.press(keysym, named)
      return [{ code: named, down: true }]
    }
    const stroke = strokeOf(characterOf(keysym))
    if (!stroke) {
      if (this.down.size < MOST_DOWN) this.down.set(keysym, undefined)
      return []
    }
    this.press(keysym, stroke.code)
    const event = { code: stroke.code, down: true }
    const shifts = SHIFTS.filter((code) => this.held.has(code))
    const isLetter = /^Key/.test(stroke.code)
    if ((stroke.shift !== (isLetter && this.capsLock)) === shifts.length > 0) return [event]
    const around = shifts.length > 0 ? shifts : [SHIFTS[0]]
    const pressed = shifts.length > 0
    return [
      ...around.map((code) => ({ code, down: !pressed })),
      event,
      ...around.map((code) => ({ code, down: pressed })),
    ]
  }

  /**
   * The key that goes up. A keysym may have become another one while its key was down, because Shift went up before it;
   * what the released one names is the same key then, or on another layout than a US one the only key that is down.
   */
  private released(keysym: number): string | undefined {
    if (this.down.has(keysym)) return this.down.get(keysym)
    const named = KEYSYMS.get(keysym) ?? strokeOf(characterOf(keysym))?.code
    if (named !== undefined && this.held.has(named)) return named
    const alike = ALIKE.find((codes) => named !== undefined && codes.includes(named))
    if (alike) return alike.find((code) => this.held.has(code))
    const characters = [...this.held].filter((code) => !ALIKE.some((codes) => codes.includes(code)))
    return characters.length === 1 && characterOf(keysym) !== undefined ? characters[0] : undefined
  }

  private press(keysym: number, code: string): void {
    this.down.set(keysym, code)
    this.held.add(code)
  }
}

function strokeOf(character: string | undefined) {
  if (character === undefined) return undefined
  try {
    return strokesFor(character, 'us')[0]
  } catch {
    return undefined
  }
}
