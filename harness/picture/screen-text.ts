/** Text screens as people and programs read them: rows, cells with attributes, ANSI colours. */
import type { TextScreen } from '../../machine/devices/display/display.js'
import { CODE_PAGE_437 } from './code-page-437.js'

/** The rows of a text screen, without the spaces at their ends. */
export function screenRows(screen: TextScreen): string[] {
  const rows: string[] = []
  for (let row = 0; row < screen.rows; row++) {
    let line = ''
    const first = row * screen.columns
    for (let at = first; at < first + screen.columns; at++) line += CODE_PAGE_437[screen.cells[at].code & 0xff]
    rows.push(line.trimEnd())
  }
  return rows
}

/** What text conditions match against: the rows joined by line feeds. */
export function screenText(screen: TextScreen): string {
  return screenRows(screen).join('\n')
}

/** Cells of one row that follow each other and look alike. */
export interface TextRun {
  text: string
  /** VGA colours, 0 to 15. */
  foreground: number
  background: number
  blink?: true
}

export interface StyledScreen {
  columns: number
  rows: number
  cursor?: { column: number; row: number }
  /** A list of runs for each row; they cover every column. */
  lines: TextRun[][]
}

/** The exact screen as plain data, for JSON. */
export function styledScreen(screen: TextScreen): StyledScreen {
  const lines: TextRun[][] = []
  for (let row = 0; row < screen.rows; row++) {
    const runs: TextRun[] = []
    for (let column = 0; column < screen.columns; column++) {
      const { code, foreground, background, blink } = screen.cells[row * screen.columns + column]
      const last = runs.at(-1)
      const character = CODE_PAGE_437[code & 0xff]
      if (last && last.foreground === foreground && last.background === background && !last.blink === !blink) {
        last.text += character
      } else {
        runs.push({ text: character, foreground, background, ...(blink && { blink: true as const }) })
      }
    }
    lines.push(runs)
  }
  return { columns: screen.columns, rows: screen.rows, ...(screen.cursor && { cursor: screen.cursor }), lines }
}

/** VGA's colours have blue in bit 0 and red in bit 2, ANSI's the other way round. */
const VGA_TO_ANSI = [0, 4, 2, 6, 1, 5, 3, 7]

/** The exact screen with ANSI escape sequences (16 colours, blink), rows ended by line feeds. */
export function screenAnsi(screen: TextScreen): string {
  let text = ''
  for (const runs of styledScreen(screen).lines) {
    for (const { text: characters, foreground, background, blink } of runs) {
      const front = (foreground & 8 ? 90 : 30) + VGA_TO_ANSI[foreground & 7]
      const back = (background & 8 ? 100 : 40) + VGA_TO_ANSI[background & 7]
      text += `\x1b[0;${blink ? '5;' : ''}${front};${back}m${characters}`
    }
    text += '\x1b[0m\n'
  }
  return text
}
