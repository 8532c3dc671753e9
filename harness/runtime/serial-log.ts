/**
 * What a guest sent over one serial line, as text that patterns can match at every byte. Escape sequences, carriage
 * returns and backspaces of terminals are worked off, so that `login:` is found in colours too; a pattern that is
 * looking for the escape sequences themselves is matched against the stream as it came.
 */

import type { State } from '../../machine/device.js'

/** A pattern sees at least this many of the last characters. */
const WINDOW = 4096

const ESC = '\x1b'

/** Text of which some has been matched already. */
class Stream {
  text = ''
  private consumed = 0

  save(): State {
    return { text: this.text, consumed: this.consumed }
  }

  load(state: State): void {
    this.text = state.text as string
    this.consumed = state.consumed as number
  }

  add(characters: string): void {
    this.text += characters
    if (this.text.length > 2 * WINDOW) {
      // Cut at a line's start, so that ^ does not match where no line begins.
      const cut = this.text.indexOf('\n', this.text.length - WINDOW - 1) + 1 || this.text.length - WINDOW
      this.text = this.text.slice(cut)
      this.consumed = Math.max(0, this.consumed - cut)
    }
  }

  backspace(): void {
    if (this.text.length > this.consumed && !this.text.endsWith('\n')) this.text = this.text.slice(0, -1)
  }

  /** With its groups. */
  match(pattern: RegExp): string[] | undefined {
    const found = pattern.exec(this.text.slice(this.consumed))
    if (!found) return undefined
    this.consumed += found.index + found[0].length
    return [...found]
  }

  has(pattern: RegExp): boolean {
    return pattern.test(this.text)
  }

  consumeAll(): void {
    this.consumed = this.text.length
  }
}

export class SerialLog {
  /** Bytes in all. */
  bytes = 0
  /** What matched last, and its groups. */
  lastMatch: string[] | undefined
  private readonly raw = new Stream()
  private readonly plain = new Stream()
  private decoder = new TextDecoder()
  /** The bytes so far of a character of several bytes. */
  private partial: number[] = []
  /** The escape sequence that is under way. */
  private escape = ''
  /** Something differs between the two streams. */
  private hasControls = false

  add(byte: number): void {
    this.bytes++
    if (byte < 0x80 && this.partial.length === 0) {
      this.character(String.fromCharCode(byte))
      return
    }
    const characters = this.decoder.decode(Uint8Array.of(byte), { stream: true })
    if (characters === '') this.partial.push(byte)
    // A byte that ends a broken character may begin the next one.
    else this.partial = characters.charCodeAt(characters.length - 1) === 0xfffd ? [byte] : []
    for (const character of characters) this.character(character)
  }

  /**
   * What the pattern matches in the text that came since the last match, which then counts as used; undefined if
   * nothing.
   */
  match(pattern: RegExp): string | undefined {
    const found = this.plain.match(pattern)
    if (found !== undefined) {
      this.raw.consumeAll()
      this.lastMatch = found
      return found[0]
    }
    if (!this.hasControls) return undefined
    const rawFound = this.raw.match(pattern)
    if (rawFound === undefined) return undefined
    this.plain.consumeAll()
    this.lastMatch = rawFound
    return rawFound[0]
  }

  /** Whether the text that came lately matches, used or not; nothing is used by it. */
  has(pattern: RegExp): boolean {
    return this.plain.has(pattern) || (this.hasControls && this.raw.has(pattern))
  }

  /** The last lines without control sequences; an unfinished line is the last one. */
  lastLines(count: number): string[] {
    const lines = this.plain.text.split('\n')
    if (lines.at(-1) === '') lines.pop()
    return lines.slice(-count)
  }

  save(): State {
    const { bytes, raw, plain, partial, hasControls } = this
    return { bytes, raw: raw.save(), plain: plain.save(), partial: [...partial], escape: this.escape, hasControls }
  }

  load(state: State): void {
    this.bytes = state.bytes as number
    this.raw.load(state.raw as State)
    this.plain.load(state.plain as State)
    this.escape = state.escape as string
    this.hasControls = state.hasControls as boolean
    this.partial = [...(state.partial as number[])]
    this.decoder = new TextDecoder()
    this.decoder.decode(Uint8Array.from(this.partial), { stream: true })
  }

  private character(character: string): void {
    this.raw.add(character)
    if (this.escape !== '') {
      this.escape += character
      if (this.escapeEnds()) this.escape = ''
    } else if (character === ESC) {
      this.hasControls = true
      this.escape = ESC
    } else if (character === '\b') {
      this.hasControls = true
      this.plain.backspace()
    } else if (character >= ' ' || character === '\n' || character === '\t') {
      this.plain.add(character)
    } else {
      this.hasControls = true
    }
  }

  /** ECMA-48: CSI runs to a final byte, OSC and other strings to BEL or ST, others over intermediate bytes. */
  private escapeEnds(): boolean {
    const sequence = this.escape
    const last = sequence[sequence.length - 1]
    if (sequence.length > 256) return true
    if (sequence.length === 2) return !/[[\]PX^_ -/]/.test(last)
    if (sequence[1] === '[') return last >= '@' && last <= '~'
    if (/[\]PX^_]/.test(sequence[1])) return last === '\x07' || sequence.endsWith(`${ESC}\\`)
    return last < ' ' || last > '/'
  }
}
