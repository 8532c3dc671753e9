/**
 * Boot commands: what to type at a machine, in Packer's language, to plain data.
 *
 * Text is typed as it stands, a `<` that begins no known word as well (`cat <<EOF`, `a<b`, `<html>`). In angle brackets:
 * keys by any name that `keys.ts` knows (`<enter>`, `<f10>`, `<Control+Alt+Delete>`), a key held and let go
 * (`<leftCtrlOn>c<leftCtrlOff>`), `<wait>` (one second), `<wait5>`, `<wait1m20s>`. Words between double braces are
 * replaced: `{{ .HTTPIP }}`; `{{ "{{" }}` types two braces.
 *
 * Beyond Packer: a word that is a known one but for a slip (`<entre>`) is an error; `<bs22>` presses a key so many times;
 * `<wait 'regex'>` waits for text on the screen, with flags and a time-out as in
 * `<wait 'login:'i 30s>`; `<click 'regex'>` clicks on text, `<click left>` where the pointer is, `<mouse dx,dy>` moves
 * it; `<lt>` and `<gt>` type the brackets themselves.
 */
import type { Area } from '../picture/compare-pictures.js'
import { tryParseDuration } from '../units/durations.js'
import { nearest } from '../words/nearest.js'
import { codesOf, type KeyStroke, type LayoutName, strokesFor } from './keyboard-layouts.js'
import { findKey, nearestKey, parseKeys } from './keys.js'

/** A regular expression as plain data. */
export interface Pattern {
  source: string
  flags: string
}

export type MouseButton = 'left' | 'middle' | 'right'
const BUTTONS: readonly string[] = ['left', 'middle', 'right'] satisfies MouseButton[]

/** A button as somebody names it, who may not have had it checked. Throws a TypeError. */
export function checkedButton(button: MouseButton = 'left'): MouseButton {
  if (!BUTTONS.includes(button))
    throw new TypeError(`the mouse has no button '${button}'; there are ${BUTTONS.join(', ')}`)
  return button
}

export type BootStep =
  /** A key goes down or up and stays so. */
  | { kind: 'key'; code: string; down: boolean }
  /** Keys pressed in order and released in reverse. */
  | { kind: 'tap'; codes: string[] }
  | { kind: 'wait'; ns: number }
  | { kind: 'wait-text'; pattern: Pattern; timeoutNs?: number }
  | { kind: 'mouse-move'; dx: number; dy: number }
  | { kind: 'mouse-click'; button: MouseButton; count?: number }
  /** On the middle of the text, or of what matches within an area. */
  | { kind: 'click-text'; pattern: Pattern; area?: Area; button?: MouseButton; count?: number }

export interface BootCommandOptions {
  /** The guest's keyboard layout; default `us`. */
  layout?: LayoutName
  /** Template words without their dot: `{ Name: 'debian' }`; HTTPIP, HTTPPort and HTTPURL are the LAN's own server. */
  variables?: { readonly [word: string]: string | number }
  /** What the command is called in errors, e.g. `--keys`; default `the boot command`. */
  source?: string
}

/** Packer's words for where its HTTP server is: the LAN's. */
const HTTP_VARIABLES = { HTTPIP: '10.0.2.2', HTTPPort: '80', HTTPURL: 'http://10.0.2.2' }
const SECOND_NS = 1e9
/** Flags that a pattern may have; `g` and `y` would give it a memory. */
const FLAGS = /^[imsu]*$/

/** A word that takes something after it, but not a longer word; what is in quotes may hold any character. */
const VERB = /^<(wait|click|mouse)(?=[\s>\d.'"/+-]|$)/i
/** A key, whatever its name. */
const NAME = /^<([^<>\s]+)>/
/** The longest that anybody holds a key down for, and far less than what fills the memory. */
const MAX_REPEATS = 10_000

const KNOWN_NAMES =
  'known names are <enter>, <esc>, <tab>, <bs>, <del>, <insert>, <home>, <end>, <pageUp>, <pageDown>, <up>, <down>, ' +
  '<left>, <right>, <spacebar>, <menu>, <f1> to <f12>, <leftCtrl>, <leftAlt>, <leftShift>, <leftSuper> and their right ' +
  'ones (each also with On and Off), <wait>, <click>, <mouse>, <lt>, <gt>, and the key names of W3C and QEMU'

/**
 * @param command Packer's list of strings is typed without anything between them.
 * @throws Error with one sentence that quotes the offending piece and its place.
 */
export function parseBootCommand(command: string | readonly string[], options: BootCommandOptions = {}): BootStep[] {
  const name = options.source ?? 'the boot command'
  const lines = typeof command === 'string' ? [command] : command
  const parser = new Parser(options)
  lines.forEach((line, i) => {
    parser.parse(line, lines.length > 1 ? `line ${i + 1} of ${name}` : name)
  })
  return parser.steps
}

/** What `{{ … }}` may hold: a word with a dot, or Go's quoted strings. */
const WORD = /^\.(\w+)$/
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$|^`([^`]*)`$/

class Parser {
  readonly steps: BootStep[] = []
  private text = ''
  private source = ''
  private readonly layout: LayoutName
  /** Keys that <…On> holds: text must not press and release them again. */
  private readonly held = new Set<string>()

  constructor(private readonly options: BootCommandOptions) {
    this.layout = options.layout ?? 'us'
  }

  parse(text: string, source: string): void {
    this.text = text
    this.source = source
    let at = 0
    while (at < text.length) {
      const end = text[at] === '<' ? this.brackets(at) : undefined
      if (end !== undefined) {
        at = end
      } else if (text.startsWith('{{', at)) {
        const end = this.endOfTemplate(at)
        for (const character of this.template(at, end)) this.type(character, at)
        at = end
      } else {
        const character = this.characterAt(at)
        this.type(character === '\r\n' ? '\n' : character, at)
        at += character.length
      }
    }
  }

  private fail(message: string, at: number, after = ''): never {
    const sentence = `${message} at character ${at + 1} of ${this.source}${after && `; ${after}`}`
    // What it quotes may be of several lines.
    throw new Error(sentence.replace(/[\r\n]+/g, '↵'))
  }

  /** The character at `at` with its combining marks, or CR LF. */
  private characterAt(at: number): string {
    return /^(?:\r\n|[\s\S]\p{M}*)/u.exec(this.text.slice(at))?.[0] as string
  }

  private type(character: string, at: number): void {
    let strokes: readonly KeyStroke[]
    try {
      strokes = strokesFor(character, this.layout)
    } catch (error) {
      this.fail((error as Error).message, at)
    }
    for (const stroke of strokes) this.tap(codesOf(stroke))
  }

  private tap(codes: string[]): void {
    this.steps.push({ kind: 'tap', codes: this.free(codes) })
  }

  /** Without those that are held. A held key that is tapped all the same would repeat on a real keyboard. */
  private free(codes: string[]): string[] {
    const free = codes.filter((code) => !this.isHeld(code))
    return free.length > 0 ? free : codes
  }

  /** One Shift is as good as the other, but the right Alt is another key than the left. */
  private isHeld(code: string): boolean {
    if (code === 'ShiftLeft' || code === 'ShiftRight') return this.held.has('ShiftLeft') || this.held.has('ShiftRight')
    return this.held.has(code)
  }

  private endOfTemplate(at: number): number {
    const end = this.text.indexOf('}}', at)
    // Braces inside the quotes of {{ "{{" }} or {{ "}}" }} do not end it.
    const quoted = /^\{\{\s*(?:"(?:[^"\\]|\\["\\])*"|`[^`]*`)\s*\}\}/.exec(this.text.slice(at))
    if (quoted) return at + quoted[0].length
    if (end < 0) this.fail("'{{'", at, 'it is not closed with \'}}\'; two braces are typed by {{ "{{" }}')
    return end + 2
  }

  private template(at: number, end: number): string {
    const inner = this.text.slice(at + 2, end - 2).trim()
    const quoted = QUOTED.exec(inner)
    if (quoted) return quoted[2] ?? quoted[1].replace(/\\(.)/g, '$1')
    const variables: NonNullable<BootCommandOptions['variables']> = { ...HTTP_VARIABLES, ...this.options.variables }
    const word = WORD.exec(inner)?.[1]
    if (word !== undefined && Object.hasOwn(variables, word)) return String(variables[word])
    const known = Object.keys(variables).map((name) => `{{ .${name} }}`)
    this.fail(`unknown template word '${this.text.slice(at, end)}'`, at, `known words are ${known.join(', ')}`)
  }

  /** Index of the `>` that closes the `<` at `start`; quotes after a space may hold another. */
  private endOfBrackets(start: number): number {
    for (let i = start + 1; i < this.text.length; i++) {
      const character = this.text[i]
      if (character === '>') return i
      if (/['"/]/.test(character) && /\s/.test(this.text[i - 1])) i = this.endOfQuotes(start, i)
      else if (this.text.startsWith('{{', i)) i = this.endOfTemplate(i) - 1
    }
    this.unclosed(start)
  }

  private unclosed(start: number): never {
    this.fail("'<'", start, "it is not closed with '>'; the character '<' itself is written <lt>")
  }

  private endOfQuotes(start: number, open: number): number {
    const quote = this.text[open]
    for (let i = open + 1; i < this.text.length; i++) {
      if (this.text[i] === '\\') i++
      else if (this.text[i] === quote) return i
    }
    this.fail(`'${this.text.slice(start)}'`, start, `its pattern is not closed with ${quote}`)
  }

  /** Does what stands in the brackets that begin at `start`. Returns where they end; undefined: it is text. */
  private brackets(start: number): number | undefined {
    const rest = this.text.slice(start)
    const verb = VERB.exec(rest)?.[1]
    if (verb !== undefined) {
      const end = this.endOfBrackets(start)
      const argument = this.text.slice(start + 1 + verb.length, end).trim()
      this[verb.toLowerCase() as 'wait' | 'click' | 'mouse'](start, end, argument)
      return end + 1
    }
    const name = NAME.exec(rest)?.[1]
    if (name !== undefined) return this.name(start, name) ? start + name.length + 2 : undefined
    // At the end of a line it can only be that the bracket was forgotten.
    const last = /^<(\w{2,})$/.exec(rest)?.[1]
    if (last !== undefined && this.stepsOf(last)) this.unclosed(start)
    return undefined
  }

  /** False: the name is text like any other. */
  private name(start: number, name: string): boolean {
    const lower = name.toLowerCase()
    if (lower === 'lt' || lower === 'gt') {
      this.type(lower === 'lt' ? '<' : '>', start)
      return true
    }
    const [, repeated, digits] = /^(.*[^\d])(\d+)$/.exec(name) ?? []
    const once = this.stepsOf(name)
    const steps = once ?? (repeated === undefined ? undefined : this.stepsOf(repeated))
    if (steps === undefined) {
      const near = slip(name)
      if (near === undefined) return false
      const hint = `did you mean '<${near}>'? text in brackets is written <lt>${name}>; ${KNOWN_NAMES}`
      this.fail(`unknown key '<${name}>'`, start, hint)
    }
    const times = once ? 1 : Number(digits)
    if (times < 1 || times > MAX_REPEATS)
      this.fail(`'<${name}>'`, start, `a key is pressed 1 to ${MAX_REPEATS} times, not ${digits}`)
    for (const step of steps) {
      if (step.kind === 'key' && step.down) this.held.add(step.code)
      else if (step.kind === 'key') this.held.delete(step.code)
    }
    for (let i = 0; i < times; i++) this.steps.push(...steps)
    return true
  }

  /** What a name in brackets does: a key, one that is held or let go, a combination. */
  private stepsOf(name: string): BootStep[] | undefined {
    const tap = (codes: string[]): BootStep[] => [{ kind: 'tap', codes: this.free(codes) }]
    const whole = findKey(name)
    if (whole !== undefined) return tap([whole])
    const [, held, suffix] = /^(.+?)(on|off)$/i.exec(name) ?? []
    const code = held === undefined ? undefined : this.codeOrUndefined(held)
    if (code !== undefined) return [{ kind: 'key', code, down: suffix.toLowerCase() === 'on' }]
    // Single characters in brackets are text, joined as well: <a>, <a-b>.
    if (!/[a-z]{2}/i.test(name)) return undefined
    try {
      return tap(parseKeys(name))
    } catch {
      return undefined
    }
  }

  private wait(start: number, end: number, rest: string): void {
    if (rest === '') {
      this.steps.push({ kind: 'wait', ns: SECOND_NS })
      return
    }
    const { pattern, after } = this.pattern(start, end, rest)
    const ns = tryParseDuration(pattern ? after : rest)
    if (pattern && after === '') {
      this.steps.push({ kind: 'wait-text', pattern })
    } else if (ns === undefined) {
      this.fail(
        `'${pattern ? after : rest}' in '${this.text.slice(start, end + 1)}'`,
        start,
        "it is not a duration such as '5', '100ms', '1m20s', nor a pattern in quotes",
      )
    } else if (pattern) {
      this.steps.push({ kind: 'wait-text', pattern, timeoutNs: ns })
    } else {
      this.steps.push({ kind: 'wait', ns })
    }
  }

  private click(start: number, end: number, rest: string): void {
    const button = rest === '' ? 'left' : rest.toLowerCase()
    if (BUTTONS.includes(button)) {
      this.steps.push({ kind: 'mouse-click', button: button as MouseButton })
      return
    }
    const { pattern, after } = this.pattern(start, end, rest)
    if (!pattern || after !== '') {
      this.fail(
        `'${pattern ? after : rest}' in '${this.text.slice(start, end + 1)}'`,
        start,
        'a click takes left, middle, right or a pattern in quotes',
      )
    }
    this.steps.push({ kind: 'click-text', pattern })
  }

  private mouse(start: number, end: number, rest: string): void {
    const move = /^([+-]?\d+)\s*(?:,|\s)\s*([+-]?\d+)$/.exec(rest)
    if (!move) this.fail(`'${this.text.slice(start, end + 1)}'`, start, 'a movement is written <mouse dx,dy>')
    this.steps.push({ kind: 'mouse-move', dx: Number(move[1]), dy: Number(move[2]) })
  }

  /** A pattern in quotes or slashes with its flags at the front of `rest`, and what comes after it. */
  private pattern(start: number, end: number, rest: string): { pattern?: Pattern; after: string } {
    const found =
      /^(?:'((?:[^'\\]|\\[\s\S])*)'|"((?:[^"\\]|\\[\s\S])*)"|\/((?:[^/\\]|\\[\s\S])*)\/)(\S*)\s*([\s\S]*)$/.exec(rest)
    if (!found) return { after: rest }
    const raw = found[1] ?? found[2] ?? found[3]
    const flags = found[4]
    const piece = `'${raw}' in '${this.text.slice(start, end + 1)}'`
    if (!FLAGS.test(flags)) this.fail(`the flags '${flags}' of pattern ${piece}`, start, 'the flags are i, m, s and u')
    const source = this.patternSource(raw, start)
    if (source === '') this.fail(`the pattern ${piece}`, start, 'it is empty and would match anything')
    try {
      new RegExp(source, flags)
    } catch (error) {
      const reason = (error as Error).message.replace(/^Invalid regular expression: [\s\S]*: /, '')
      this.fail(`the pattern ${piece}`, start, `it is not a regular expression: ${reason}`)
    }
    return { pattern: { source, flags }, after: found[5].trim() }
  }

  /** Template words in a pattern stand for themselves; an escaped quote is a quote. */
  private patternSource(raw: string, start: number): string {
    const unquoted = raw.replace(/\\(['"/])/g, '$1')
    return unquoted.replace(/\{\{(?:[^}]|\}(?!\}))*\}\}/g, (word) => {
      const at = Math.max(start, this.text.indexOf(word, start))
      return this.template(at, at + word.length).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    })
  }

  private codeOrUndefined(name: string): string | undefined {
    if (/^[a-z0-9]$/i.test(name)) return parseKeys(name.toLowerCase())[0]
    return findKey(name)
  }
}

/** Words that a slip of the finger is measured by; short ones are too near to other words. */
const SLIPS = [
  ...[
    'wait',
    'click',
    'mouse',
    'enter',
    'return',
    'escape',
    'backspace',
    'spacebar',
    'insert',
    'delete',
    'home',
    'menu',
  ],
  ...['pageUp', 'pageDown', 'left', 'right', 'down'],
  ...['Alt', 'Ctrl', 'Shift', 'Super', 'Meta'].flatMap((key) => [`left${key}`, `right${key}`]),
]

/** The word that was meant, where a name is all but one: text such as `<html>` is none. */
function slip(name: string): string | undefined {
  if (!/^[a-z]{4,}$/i.test(name))
    return /^(?:ctrl|control|alt|shift|meta|super)[-+]./i.test(name) ? nearKeys(name) : undefined
  const [, held, suffix = ''] = /^(.{4,}?)(on|off)$/i.exec(name) ?? [name, name]
  const near = nearest(held, SLIPS, 1)
  return near === undefined ? undefined : `${near}${suffix}`
}

/** A combination with the nearest key in place of each that is unknown. */
function nearKeys(name: string): string {
  const separator = name.includes('+') ? '+' : '-'
  return name
    .split(separator)
    .map((part) => (isKey(part) ? part : (nearestKey(part) ?? part)))
    .join(separator)
}

function isKey(name: string): boolean {
  return findKey(name) !== undefined || name.length === 1
}
