/**
 * Keyboard layouts: which keys type a character, as the guest's own layout would read them. The keys are physical
 * (W3C codes, named after the US layout), so a layout here must match the one the guest is set to.
 *
 * Sources: Microsoft's keyboard layouts 0409, 0407, 040C, 0809, 040A and XKB's `us`, `de`, `fr`, `gb`, `es`. Where the
 * two differ only what types the same in both is used; one case cannot be had both ways: the tilde of `fr` and `es` and
 * the grave accent of `fr` are dead keys on Windows, but plain ones under XKB and on the Linux console, as here.
 */

export type LayoutName = 'us' | 'de' | 'fr' | 'uk' | 'es'

/** One key press with its modifiers. */
export interface KeyStroke {
  /** W3C code. */
  code: string
  shift: boolean
  /** With the right Alt key. */
  altgr: boolean
  /** Types nothing by itself: the next stroke's character gets the accent. */
  dead: boolean
}

// biome-ignore format: the keyboard's rows, for keyboards of 102 keys
const KEYS = [
  'Backquote', 'Digit1', 'Digit2', 'Digit3', 'Digit4', 'Digit5', 'Digit6', 'Digit7', 'Digit8', 'Digit9', 'Digit0',
  'Minus', 'Equal',
  'KeyQ', 'KeyW', 'KeyE', 'KeyR', 'KeyT', 'KeyY', 'KeyU', 'KeyI', 'KeyO', 'KeyP', 'BracketLeft', 'BracketRight',
  'KeyA', 'KeyS', 'KeyD', 'KeyF', 'KeyG', 'KeyH', 'KeyJ', 'KeyK', 'KeyL', 'Semicolon', 'Quote', 'Backslash',
  'IntlBackslash', 'KeyZ', 'KeyX', 'KeyC', 'KeyV', 'KeyB', 'KeyN', 'KeyM', 'Comma', 'Period', 'Slash',
]

// Dead keys stand in the rows as these letters of the private use area, because combining marks cannot be read there.
const GRAVE = '\ue000'
const ACUTE = '\ue001'
const CIRCUMFLEX = '\ue002'
const DIAERESIS = '\ue003'

/** Dead key to its combining mark and to the character it types before a space. */
const DEAD_KEYS: { readonly [dead: string]: { mark: string; alone: string } } = {
  [GRAVE]: { mark: '\u0300', alone: '`' },
  [ACUTE]: { mark: '\u0301', alone: '´' },
  [CIRCUMFLEX]: { mark: '\u0302', alone: '^' },
  [DIAERESIS]: { mark: '\u0308', alone: '¨' },
}

/** Rows of the plain, the shifted and the AltGr level, a character a key in the order of `KEYS`; a space is no character. */
interface Rows {
  plain: readonly string[]
  shift: readonly string[]
  altgr?: readonly string[]
}

const ROWS: { readonly [name in LayoutName]: Rows } = {
  us: {
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'\\", ' zxcvbnm,./'],
    shift: ['~!@#$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:"|', ' ZXCVBNM<>?'],
  },
  uk: {
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'#", '\\zxcvbnm,./'],
    shift: ['¬!"£$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:@~', '|ZXCVBNM<>?'],
    altgr: ['    €        ', '            ', '            ', '           '],
  },
  de: {
    plain: [`${CIRCUMFLEX}1234567890ß${ACUTE}`, 'qwertzuiopü+', 'asdfghjklöä#', '<yxcvbnm,.-'],
    shift: [`°!"§$%&/()=?${GRAVE}`, 'QWERTZUIOPÜ*', "ASDFGHJKLÖÄ'", '>YXCVBNM;:_'],
    altgr: ['  ²³   {[]}\\ ', '@ €        ~', '            ', '|      µ   '],
  },
  fr: {
    plain: ['²&é"\'(-è_çà)=', `azertyuiop${CIRCUMFLEX}$`, 'qsdfghjklmù*', '<wxcvbn,;:!'],
    shift: [' 1234567890°+', `AZERTYUIOP${DIAERESIS}£`, 'QSDFGHJKLM%µ', '>WXCVBN?./§'],
    altgr: ['  ~#{[|`\\^@]}', '  €        ¤', '            ', '           '],
  },
  es: {
    plain: ["º1234567890'¡", `qwertyuiop${GRAVE}+`, `asdfghjklñ${ACUTE}ç`, '<zxcvbnm,.-'],
    shift: ['ª!"·$%&/()=?¿', `QWERTYUIOP${CIRCUMFLEX}*`, `ASDFGHJKLÑ${DIAERESIS}Ç`, '>ZXCVBNM;:_'],
    altgr: ['\\|@#~ ¬      ', '  €       []', '          {}', '           '],
  },
}

export const layoutNames = Object.keys(ROWS) as LayoutName[]

/** Other names that people and tools give the layouts. */
const LAYOUT_ALIASES: { readonly [name: string]: LayoutName } = { 'en-us': 'us', gb: 'uk', 'en-gb': 'uk' }

/**
 * A layout by its name or an alias (`gb`, `en-us`).
 * @throws Error with one sentence that names the layouts there are.
 */
export function layoutNamed(name: string): LayoutName {
  const lower = name.toLowerCase()
  const layout = LAYOUT_ALIASES[lower] ?? layoutNames.find((known) => known === lower)
  if (layout) return layout
  throw new Error(`unknown keyboard layout '${name}'; known layouts are ${layoutNames.join(', ')}`)
}

type Layout = ReadonlyMap<string, readonly KeyStroke[]>

/** Keys that type the same in every layout. */
const COMMON: readonly (readonly [string, string])[] = [
  [' ', 'Space'],
  ['\n', 'Enter'],
  ['\r', 'Enter'],
  ['\t', 'Tab'],
  ['\b', 'Backspace'],
  ['\x1b', 'Escape'],
]

function build(rows: Rows): Layout {
  const layout = new Map<string, readonly KeyStroke[]>()
  for (const [character, code] of COMMON) {
    layout.set(character, [{ code, shift: false, altgr: false, dead: false }])
  }
  const level = (keys: readonly string[] | undefined, shift: boolean, altgr: boolean) => {
    if (!keys) return
    Array.from(keys.join('')).forEach((character, i) => {
      if (layout.has(character)) return
      layout.set(character, [{ code: KEYS[i], shift, altgr, dead: character in DEAD_KEYS }])
    })
  }
  level(rows.plain, false, false)
  level(rows.shift, true, false)
  level(rows.altgr, false, true)
  const space = layout.get(' ') as readonly KeyStroke[]
  for (const [dead, { alone }] of Object.entries(DEAD_KEYS)) {
    const strokes = layout.get(dead)
    if (strokes && !layout.has(alone)) layout.set(alone, [...strokes, ...space])
  }
  return layout
}

const layouts = new Map<LayoutName, Layout>(layoutNames.map((name) => [name, build(ROWS[name])]))

/**
 * The strokes that type one character: one, or with an accent that the layout has as a dead key, two.
 * @throws Error with one sentence that names the character and the layout.
 */
export function strokesFor(character: string, layoutName: LayoutName): readonly KeyStroke[] {
  const layout = layouts.get(layoutName)
  if (!layout) throw new Error(`unknown keyboard layout '${layoutName}'; known layouts are ${layoutNames.join(', ')}`)
  const strokes = layout.get(character.normalize('NFC')) ?? withDeadKey(layout, character)
  if (strokes) return strokes
  const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  throw new Error(`the keyboard layout '${layoutName}' has no key for '${character}' (U+${point})`)
}

function withDeadKey(layout: Layout, character: string): readonly KeyStroke[] | undefined {
  const [letter, mark, ...more] = Array.from(character.normalize('NFD'))
  if (mark === undefined || more.length > 0) return undefined
  const base = layout.get(letter)
  for (const [dead, { mark: deadMark }] of Object.entries(DEAD_KEYS)) {
    const accent = layout.get(dead)
    if (deadMark === mark && accent && base?.length === 1) return [...accent, ...base]
  }
  return undefined
}

/**
 * The strokes that type a text. CR LF is one Enter.
 * @throws Error as `strokesFor`.
 */
export function strokesForText(text: string, layout: LayoutName): KeyStroke[] {
  return Array.from(text.normalize('NFC').replaceAll('\r\n', '\n')).flatMap((c) => [...strokesFor(c, layout)])
}

/** The codes of a stroke in the order to press them, to be released in reverse. */
export function codesOf(stroke: KeyStroke): string[] {
  const codes = [stroke.code]
  if (stroke.altgr) codes.unshift('AltRight')
  if (stroke.shift) codes.unshift('ShiftLeft')
  return codes
}
