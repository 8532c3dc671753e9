/** From keys that go down and up to what a test says of them: text, keys and combinations, on a US layout. */
import type { KeyEvent } from '../../machine/devices/input/events.js'
import { strokesFor } from '../keys/keyboard-layouts.js'

export type KeyNote = { typed: string } | { pressed: string }

const MODIFIERS: { readonly [code: string]: string } = {
  ControlLeft: 'Control',
  ControlRight: 'ControlRight',
  AltLeft: 'Alt',
  AltRight: 'AltRight',
  MetaLeft: 'Meta',
  MetaRight: 'MetaRight',
  ShiftLeft: 'Shift',
  ShiftRight: 'ShiftRight',
}

/** Shift or none, and the code: the character. */
const CHARACTERS = new Map<string, string>([[strokeKey(false, 'Enter'), '\n']])
for (let point = 0x20; point < 0x7f; point++) {
  const character = String.fromCharCode(point)
  const [{ shift, code }] = strokesFor(character, 'us')
  CHARACTERS.set(strokeKey(shift, code), character)
}

function strokeKey(shift: boolean, code: string): string {
  return `${shift ? 'Shift+' : ''}${code}`
}

export class RecordedKeys {
  private readonly held = new Set<string>()
  /** A modifier went down, and nothing after it. */
  private lone: string | undefined

  /** What a test does in place of this event; undefined where that is nothing (yet). */
  note({ code, down }: KeyEvent): KeyNote | undefined {
    if (code in MODIFIERS) {
      if (down) {
        // A held key repeats.
        if (!this.held.has(code)) this.lone = this.held.size === 0 ? code : undefined
        this.held.add(code)
        return undefined
      }
      this.held.delete(code)
      const alone = this.lone === code
      this.lone = undefined
      return alone ? { pressed: MODIFIERS[code] } : undefined
    }
    if (!down) return undefined
    this.lone = undefined
    const modifiers = [...this.held].filter((held) => !held.startsWith('Shift'))
    const shift = modifiers.length < this.held.size
    const character = modifiers.length === 0 ? CHARACTERS.get(strokeKey(shift, code)) : undefined
    if (character !== undefined) return { typed: character }
    const key = /^(?:Key|Digit)(.)$/.exec(code)?.[1] ?? code
    return {
      pressed: [...this.held]
        .map((held) => MODIFIERS[held])
        .concat(key)
        .join('+'),
    }
  }
}
