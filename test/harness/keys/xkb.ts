/** What a Linux desktop makes of keys: libxkbcommon with the host's xkb-data and X11's table of dead keys. */
import koffi from 'koffi'
import type { KeyStroke } from '../../../harness/keys/keyboard-layouts.js'

/** Linux's key codes (input-event-codes.h); XKB counts from 8. */
const KEY_CODES = new Map<string, number>()
for (const [first, codes] of [
  [2, 'Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab'],
  [16, 'KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft'],
  [30, 'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash'],
  [44, 'KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space'],
  [86, 'IntlBackslash'],
  [89, 'IntlRo'],
  [100, 'AltRight'],
  [124, 'IntlYen'],
] as const)
  codes.split(' ').forEach((code, i) => {
    KEY_CODES.set(code, first + i + 8)
  })

/** Of xkb_compose_feed_result and xkb_compose_status. */
const COMPOSED = 2
const COMPOSING = 1

export interface XkbLayout {
  layout: string
  variant?: string
  model?: string
}

export interface Xkb {
  /** The text that the strokes type. */
  typed(layout: XkbLayout, strokes: readonly KeyStroke[]): string
}

/** undefined where the host has no libxkbcommon, or it finds no data. */
export function openXkb(): Xkb | undefined {
  try {
    return load()
  } catch {
    return undefined
  }
}

function load(): Xkb {
  const lib = koffi.load('libxkbcommon.so.0')
  koffi.struct('xkb_rule_names', { rules: 'str', model: 'str', layout: 'str', variant: 'str', options: 'str' })
  const newContext = lib.func('void *xkb_context_new(int flags)')
  const newKeymap = lib.func('void *xkb_keymap_new_from_names(void *context, const xkb_rule_names *names, int flags)')
  const newState = lib.func('void *xkb_state_new(void *keymap)')
  const updateKey = lib.func('int xkb_state_update_key(void *state, uint32_t key, int direction)')
  const symbolOf = lib.func('uint32_t xkb_state_key_get_one_sym(void *state, uint32_t key)')
  const toUtf32 = lib.func('uint32_t xkb_keysym_to_utf32(uint32_t symbol)')
  const newTable = lib.func('void *xkb_compose_table_new_from_locale(void *context, str locale, int flags)')
  const newCompose = lib.func('void *xkb_compose_state_new(void *table, int flags)')
  const feed = lib.func('int xkb_compose_state_feed(void *compose, uint32_t symbol)')
  const status = lib.func('int xkb_compose_state_get_status(void *compose)')
  const composed = lib.func('uint32_t xkb_compose_state_get_one_sym(void *compose)')

  const context = newContext(0)
  const table = newTable(context, 'en_US.UTF-8', 0)
  if (!context || !table) throw new Error('there is no table of dead keys')
  const keymaps = new Map<string, unknown>()
  const keymapOf = ({ layout, variant = '', model = 'pc105' }: XkbLayout) => {
    const name = `${layout} ${variant} ${model}`
    const known = keymaps.get(name) ?? newKeymap(context, { rules: 'evdev', model, layout, variant, options: '' }, 0)
    if (!known) throw new Error(`there is no XKB layout ${name}`)
    keymaps.set(name, known)
    return known
  }
  keymapOf({ layout: 'us' })

  return {
    typed(layout, strokes) {
      const state = newState(keymapOf(layout))
      const compose = newCompose(table, 0)
      let text = ''
      for (const { code, shift, altgr } of strokes) {
        const modifiers = [...(shift ? ['ShiftLeft'] : []), ...(altgr ? ['AltRight'] : [])]
        const held = modifiers.map((modifier) => KEY_CODES.get(modifier))
        for (const key of held) updateKey(state, key, 1)
        const symbol = symbolOf(state, KEY_CODES.get(code)) as number
        for (const key of held) updateKey(state, key, 0)
        feed(compose, symbol)
        if (status(compose) === COMPOSING) continue
        text += String.fromCodePoint(toUtf32(status(compose) === COMPOSED ? composed(compose) : symbol) as number)
      }
      return text
    },
  }
}
