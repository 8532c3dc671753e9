/**
 * Keyboard layouts: which keys type a character, as the guest's own layout would read them. The keys are physical
 * (W3C codes, named after the US layout), so a layout here must match the one the guest is set to.
 */

import { nearest } from '../words/nearest.js'
import { DEAD_KEYS, KEYS, ROWS, type Rows } from './keyboard-layout-tables.js'

export type LayoutName = keyof typeof ROWS

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

export const layoutNames = Object.keys(ROWS) as LayoutName[]

/** Other names that people and tools give the layouts. */
const LAYOUT_ALIASES: { readonly [name: string]: LayoutName } = {
  ...{ 'en-us': 'us', gb: 'uk', 'en-gb': 'uk', intl: 'us-intl', 'us-dvorak': 'dvorak' },
  ...{ 'de-ch': 'ch', 'fr-be': 'be', latam: 'es-latam', 'pt-br': 'br', 'br-abnt2': 'br' },
  ...{ sv: 'se', nb: 'no', da: 'dk', cs: 'cz', ja: 'jp', jp106: 'jp' },
}

/**
 * A layout by its name or an alias (`gb`, `en-us`).
 * @throws Error with one sentence that names the layouts there are.
 */
export function layoutNamed(name: string): LayoutName {
  const lower = name.toLowerCase()
  const layout = LAYOUT_ALIASES[lower] ?? layoutNames.find((known) => known === lower)
  if (layout) return layout
  throw unknownLayout(name)
}

function unknownLayout(name: string): Error {
  const near = nearest(name, layoutNames)
  const hint = near ? `did you mean '${near}'? ` : ''
  return new Error(`unknown keyboard layout '${name}'; ${hint}known layouts are ${layoutNames.join(', ')}`)
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
    keys?.forEach((row, i) => {
      Array.from(row).forEach((character, j) => {
        if (layout.has(character)) return
        layout.set(character, [{ code: KEYS[i][j], shift, altgr, dead: character in DEAD_KEYS }])
      })
    })
  }
  level(rows.plain, false, false)
  level(rows.shift, true, false)
  level(rows.altgr, false, true)
  level(rows.shiftAltgr, true, true)
  const space = layout.get(' ') as readonly KeyStroke[]
  for (const [dead, { alone }] of Object.entries(DEAD_KEYS)) {
    const strokes = layout.get(dead)
    const character = rows.alone?.[dead] ?? alone
    if (strokes && !layout.has(character)) layout.set(character, [...strokes, ...space])
  }
  return layout
}

const layouts = new Map<LayoutName, Layout>()

/** undefined: there is none of that name. Built when it is first asked for, since few are. */
function layoutOf(name: LayoutName): Layout | undefined {
  if (!Object.hasOwn(ROWS, name)) return undefined
  const layout = layouts.get(name) ?? build(ROWS[name])
  layouts.set(name, layout)
  return layout
}

/**
 * The strokes that type one character: one, or with an accent that the layout has as a dead key, two.
 * @throws Error with one sentence that names the character and the layout.
 */
export function strokesFor(character: string, layoutName: LayoutName): readonly KeyStroke[] {
  const layout = layoutOf(layoutName)
  if (!layout) throw unknownLayout(layoutName)
  const strokes = layout.get(character.normalize('NFC')) ?? withDeadKey(layout, character)
  if (strokes) return strokes
  const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  const hint = /^[\x21-\x7e]$/.test(character) ? '; switch the guest to another one and type it in that' : ''
  throw new Error(`the keyboard layout '${layoutName}' has no key for '${character}' (U+${point})${hint}`)
}

/** The characters that a layout types without those that a dead key and a letter make. */
export function typeable(layout: LayoutName): string[] {
  return [...(layoutOf(layout)?.keys() ?? [])].filter((character) => !(character in DEAD_KEYS))
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
