/**
 * A terminal's screen, as far as consoles, boot loaders and installers on a serial line use one: ECMA-48 and the usual
 * extensions of xterm and the Linux console. It runs in the reports' pages, where its own text is put into the script:
 * so it uses nothing from outside the class, and nothing of the browser.
 */

export interface TerminalCell {
  text: string
  /** `#rrggbb`, or a number of the 16 colours, or undefined for the default. */
  foreground: string | number | undefined
  background: string | number | undefined
  bold: boolean
  underline: boolean
  reverse: boolean
}

export class Terminal {
  rows: TerminalCell[][]
  x = 0
  y = 0
  cursorVisible = true
  private pen: Omit<TerminalCell, 'text'>
  private top = 0
  private bottom: number
  private saved = { x: 0, y: 0 }
  private other: TerminalCell[][] | undefined
  /** The sequence that is under way. */
  private pending = ''
  private lineDrawing = false
  /** The last column was written: the next character wraps. */
  private wrapNext = false

  constructor(
    readonly columns: number,
    readonly height: number,
  ) {
    this.pen = this.plain()
    this.bottom = height - 1
    this.rows = Array.from({ length: height }, () => this.blankRow())
  }

  write(text: string): void {
    for (const character of text) {
      if (this.pending !== '') {
        this.pending += character
        this.sequence()
      } else if (character === '\x1b') this.pending = character
      else if (character < ' ' || character === '\x7f') this.control(character)
      else this.put(character)
    }
  }

  /** The rows as text, without the spaces at their ends. */
  text(): string[] {
    return this.rows.map((row) =>
      row
        .map((cell) => cell.text)
        .join('')
        .trimEnd(),
    )
  }

  private plain(): Omit<TerminalCell, 'text'> {
    return { foreground: undefined, background: undefined, bold: false, underline: false, reverse: false }
  }

  private blank(): TerminalCell {
    return { ...this.plain(), background: this.pen.background, text: ' ' }
  }

  private blankRow(): TerminalCell[] {
    return Array.from({ length: this.columns }, () => this.blank())
  }

  private put(character: string): void {
    if (this.wrapNext) {
      this.x = 0
      this.lineFeed()
    }
    const drawn = this.lineDrawing
      ? '◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·'['`abcdefghijklmnopqrstuvwxyz{|}~'.indexOf(character)]
      : undefined
    this.rows[this.y][this.x] = { ...this.pen, text: drawn ?? character }
    this.wrapNext = this.x === this.columns - 1
    if (!this.wrapNext) this.x++
  }

  private control(character: string): void {
    if (character === '\r') this.x = 0
    else if (character === '\n' || character === '\v' || character === '\f') this.lineFeed()
    else if (character === '\b') this.x = Math.max(0, this.x - 1)
    else if (character === '\t') this.x = Math.min(this.columns - 1, (this.x & ~7) + 8)
    else if (character === '\x0e') this.lineDrawing = true
    else if (character === '\x0f') this.lineDrawing = false
    else return
    this.wrapNext = false
  }

  private lineFeed(): void {
    this.wrapNext = false
    if (this.y === this.bottom) this.scroll(1)
    else if (this.y < this.height - 1) this.y++
  }

  /** Up within the region; down where negative. */
  private scroll(lines: number, from = this.top): void {
    for (let i = 0; i < Math.min(Math.abs(lines), this.height); i++) {
      if (lines > 0) {
        this.rows.splice(from, 1)
        this.rows.splice(this.bottom, 0, this.blankRow())
      } else {
        this.rows.splice(this.bottom, 1)
        this.rows.splice(from, 0, this.blankRow())
      }
    }
  }

  private sequence(): void {
    const text = this.pending
    const last = text[text.length - 1]
    const kind = text[1]
    if (text.length > 512) this.pending = ''
    if (text.length === 2) {
      if ('[]PX^_ #%()*+'.includes(kind)) return
      this.pending = ''
      this.escape(kind)
    } else if (kind === '[') {
      if (last < '@' || last > '~') return
      this.pending = ''
      this.csi(text.slice(2, -1), last)
    } else if (']PX^_'.includes(kind)) {
      if (last === '\x07' || text.endsWith('\x1b\\')) this.pending = ''
    } else {
      this.pending = ''
      if (kind === '(') this.lineDrawing = last === '0'
    }
  }

  private escape(kind: string): void {
    if (kind === '7') this.saved = { x: this.x, y: this.y }
    else if (kind === '8') this.move(this.saved.x, this.saved.y)
    else if (kind === 'D') this.lineFeed()
    else if (kind === 'E') {
      this.x = 0
      this.lineFeed()
    } else if (kind === 'M') {
      if (this.y === this.top) this.scroll(-1)
      else this.y = Math.max(0, this.y - 1)
    } else if (kind === 'c') this.reset()
  }

  private reset(): void {
    this.pen = this.plain()
    this.top = 0
    this.bottom = this.height - 1
    this.lineDrawing = false
    this.cursorVisible = true
    this.rows = Array.from({ length: this.height }, () => this.blankRow())
    this.move(0, 0)
  }

  private move(x: number, y: number): void {
    this.x = Math.max(0, Math.min(this.columns - 1, x))
    this.y = Math.max(0, Math.min(this.height - 1, y))
    this.wrapNext = false
  }

  private csi(parameters: string, final: string): void {
    const mark = /^[?>=<]/.test(parameters) ? parameters[0] : ''
    const values = parameters
      .slice(mark.length)
      .split(/[;:]/)
      .map((value) => Number.parseInt(value, 10) || 0)
    const first = values[0]
    const count = Math.max(1, first)
    if (mark === '?') {
      if (final === 'h' || final === 'l') for (const mode of values) this.mode(mode, final === 'h')
      return
    }
    if (mark !== '') return
    const row = this.rows[this.y]
    if (final === 'A') this.move(this.x, Math.max(this.y >= this.top ? this.top : 0, this.y - count))
    else if (final === 'B' || final === 'e')
      this.move(this.x, Math.min(this.y <= this.bottom ? this.bottom : this.height - 1, this.y + count))
    else if (final === 'C' || final === 'a') this.move(this.x + count, this.y)
    else if (final === 'D') this.move(this.x - count, this.y)
    else if (final === 'E') this.move(0, this.y + count)
    else if (final === 'F') this.move(0, this.y - count)
    else if (final === 'G' || final === '`') this.move(count - 1, this.y)
    else if (final === 'd') this.move(this.x, count - 1)
    else if (final === 'H' || final === 'f') this.move(Math.max(1, values[1] ?? 1) - 1, count - 1)
    else if (final === 'J') this.eraseScreen(first)
    else if (final === 'K') this.eraseRow(this.y, first === 0 ? this.x : 0, first === 1 ? this.x : this.columns - 1)
    else if (final === 'X') this.eraseRow(this.y, this.x, Math.min(this.columns, this.x + count) - 1)
    else if (final === 'L' || final === 'M') {
      if (this.y >= this.top && this.y <= this.bottom) this.scroll(final === 'L' ? -count : count, this.y)
    } else if (final === 'S') this.scroll(count)
    else if (final === 'T') this.scroll(-count)
    else if (final === 'P' || final === '@') {
      for (let i = 0; i < Math.min(count, this.columns); i++) {
        if (final === 'P') {
          row.splice(this.x, 1)
          row.push(this.blank())
        } else {
          row.splice(this.x, 0, this.blank())
          row.pop()
        }
      }
    } else if (final === 'm') this.colours(values)
    else if (final === 'r') {
      const bottom = values[1] || this.height
      if (bottom > count && bottom <= this.height) {
        this.top = count - 1
        this.bottom = bottom - 1
      }
      this.move(0, 0)
    } else if (final === 's') this.saved = { x: this.x, y: this.y }
    else if (final === 'u') this.move(this.saved.x, this.saved.y)
  }

  private mode(mode: number, on: boolean): void {
    if (mode === 25) this.cursorVisible = on
    if (mode !== 47 && mode !== 1047 && mode !== 1049) return
    if (on && !this.other) {
      this.other = this.rows
      this.rows = Array.from({ length: this.height }, () => this.blankRow())
    } else if (!on && this.other) {
      this.rows = this.other
      this.other = undefined
    }
  }

  private eraseScreen(what: number): void {
    if (what === 0) this.eraseRow(this.y, this.x, this.columns - 1)
    if (what === 1) this.eraseRow(this.y, 0, this.x)
    const from = what === 0 ? this.y + 1 : 0
    const to = what === 1 ? this.y : this.height
    for (let y = from; y < to; y++) this.eraseRow(y, 0, this.columns - 1)
  }

  private eraseRow(y: number, from: number, to: number): void {
    for (let x = from; x <= to; x++) this.rows[y][x] = this.blank()
    this.wrapNext = false
  }

  private colours(values: number[]): void {
    const { pen } = this
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === 0) this.pen = Object.assign(pen, this.plain())
      else if (value === 1) pen.bold = true
      else if (value === 22) pen.bold = false
      else if (value === 4) pen.underline = true
      else if (value === 24) pen.underline = false
      else if (value === 7) pen.reverse = true
      else if (value === 27) pen.reverse = false
      else if (value >= 30 && value <= 37) pen.foreground = value - 30
      else if (value >= 90 && value <= 97) pen.foreground = value - 82
      else if (value === 39) pen.foreground = undefined
      else if (value >= 40 && value <= 47) pen.background = value - 40
      else if (value >= 100 && value <= 107) pen.background = value - 92
      else if (value === 49) pen.background = undefined
      else if (value === 38 || value === 48) {
        const colour = values[i + 1] === 5 ? this.indexed(values[i + 2] ?? 0) : this.hex(values.slice(i + 2, i + 5))
        i += values[i + 1] === 5 ? 2 : 4
        if (value === 38) pen.foreground = colour
        else pen.background = colour
      }
    }
  }

  /** xterm's 256 colours: 16, a cube of 6×6×6, and 24 greys. */
  private indexed(index: number): string | number {
    if (index < 16) return index
    if (index >= 232) return this.hex(Array(3).fill(8 + 10 * (index - 232)))
    const part = (value: number) => (value === 0 ? 0 : 55 + 40 * value)
    const cube = index - 16
    return this.hex([part(Math.floor(cube / 36)), part(Math.floor(cube / 6) % 6), part(cube % 6)])
  }

  private hex(rgb: number[]): string {
    return `#${[0, 1, 2]
      .map((i) =>
        Math.min(255, rgb[i] ?? 0)
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`
  }
}
