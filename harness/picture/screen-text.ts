/** Text screens as people and programs read them: rows, and runs of characters with one attribute. */
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
