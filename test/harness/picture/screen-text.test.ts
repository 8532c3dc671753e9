import { expect, test } from 'vitest'
import { CODE_PAGE_437 } from '../../../harness/picture/code-page-437.js'
import { screenRows, screenText, styledScreen } from '../../../harness/picture/screen-text.js'
import type { TextScreen } from '../../../machine/devices/display/display.js'

function screen(rows: number[][], attribute = { foreground: 7, background: 0, blink: false }): TextScreen {
  return {
    columns: rows[0].length,
    rows: rows.length,
    cells: rows.flat().map((code) => ({ code, ...attribute })),
  }
}

test('code page 437 has 256 characters, with ASCII in its place', () => {
  expect(CODE_PAGE_437).toHaveLength(256)
  for (let code = 0x20; code < 0x7f; code++) expect(CODE_PAGE_437[code]).toBe(String.fromCharCode(code))
  // Against the table of the Unicode consortium (VENDORS/MICSFT/PC/CP437.TXT).
  expect(CODE_PAGE_437[0x80]).toBe('\u00c7')
  expect(CODE_PAGE_437[0xb3]).toBe('\u2502')
  expect(CODE_PAGE_437[0xc9]).toBe('\u2554')
  expect(CODE_PAGE_437[0xdb]).toBe('\u2588')
  expect(CODE_PAGE_437[0xe1]).toBe('\u00df')
  expect(CODE_PAGE_437[0xfe]).toBe('\u25a0')
  expect(CODE_PAGE_437[0x01]).toBe('\u263a')
  expect(CODE_PAGE_437[0x1f]).toBe('\u25bc')
})

test('rows lose the blanks at their ends, NUL and 255 being blanks', () => {
  const text = screen([
    [0x41, 0x20, 0x42, 0x20, 0x00],
    [0x20, 0xda, 0xff, 0x00, 0x20],
  ])
  expect(screenRows(text)).toEqual(['A B', ' ┌'])
  expect(screenText(text)).toBe('A B\n ┌')
})

test('the styled screen has runs of like cells', () => {
  const text = screen([[0x41, 0x42, 0x43]])
  text.cells[2] = { code: 0x43, foreground: 12, background: 1, blink: true }
  expect(styledScreen(text)).toEqual({
    columns: 3,
    rows: 1,
    lines: [
      [
        { text: 'AB', foreground: 7, background: 0 },
        { text: 'C', foreground: 12, background: 1, blink: true },
      ],
    ],
  })
})
