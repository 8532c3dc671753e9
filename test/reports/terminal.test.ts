import { describe, expect, test } from 'vitest'
import { Terminal } from '../../reports/terminal.js'

function shown(text: string, columns = 10, rows = 4): string[] {
  const terminal = new Terminal(columns, rows)
  terminal.write(text)
  return terminal.text()
}

describe('a terminal', () => {
  test.each<[what: string, sent: string, rows: string[]]>([
    ['lines, returns, tabs and backspaces', 'ab\r\nc\td\b\bX', ['ab', 'c      Xd', '', '']],
    ['wrapping, only when more comes', '0123456789', ['0123456789', '', '', '']],
    ['wrapping, when it comes', '0123456789a', ['0123456789', 'a', '', '']],
    ['scrolling', 'a\r\nb\r\nc\r\nd\r\ne', ['b', 'c', 'd', 'e']],
    ['moving about', '\x1b[2;3Hx\x1b[Ay\x1b[10Dz\x1b[4Bw', ['z  y', '  x', '', ' w']],
    ['erasing', 'aaaa\r\nbbbb\r\ncccc\x1b[2;3H\x1b[K\x1b[1J', ['', '', 'cccc', '']],
    ['erasing all', 'aaaa\r\nbb\x1b[2J\x1b[Hc', ['c', '', '', '']],
    ['regions', 'a\r\nb\r\nc\r\nd\x1b[2;3r\x1b[3;1H\n', ['a', 'c', '', 'd']],
    ['insertion and deletion', 'a\r\nb\r\nc\x1b[2;1H\x1b[Lx\x1b[1;1H\x1b[2@y\x1b[3;1H\x1b[P', ['y a', 'x', '', 'c']],
    ['reverse line feed at the top', 'a\x1b[H\x1bMb', ['b', 'a', '', '']],
    ['saved places', 'ab\x1b7\x1b[4;1Hx\x1b8c', ['abc', '', '', 'x']],
    ['titles, which are no text', '\x1b]0;title\x07a\x1b]2;t\x1b\\b', ['ab', '', '', '']],
    ['line drawing', '\x1b(0lqk\x1b(Bq', ['┌─┐q', '', '', '']],
    ['another screen and back', 'a\x1b[?1049hb\x1b[?1049l', ['a', '', '', '']],
    ['unfinished and unknown sequences', 'a\x1b[5;5yb\x1b[>0cc\x1b[', ['abc', '', '', '']],
    ['numbers beyond the screen', '\x1b[999;999Hx\x1b[999A\x1b[999Dy', ['y', '', '', '         x']],
  ])('knows %s', (_, sent, rows) => {
    expect(shown(sent)).toEqual(rows)
    // Byte by byte it is the same.
    const terminal = new Terminal(10, 4)
    for (const character of sent) terminal.write(character)
    expect(terminal.text()).toEqual(rows)
  })

  test('knows colours of all three kinds', () => {
    const terminal = new Terminal(10, 1)
    terminal.write('\x1b[1;31;44ma\x1b[0;38;5;196;48;5;240mb\x1b[38;2;1;2;300mc\x1b[mD\x1b[97;7me')
    const cells = terminal.rows[0]
    expect(cells[0]).toMatchObject({ text: 'a', foreground: 1, background: 4, bold: true })
    expect(cells[1]).toMatchObject({ foreground: '#ff0000', background: '#585858', bold: false })
    expect(cells[2].foreground).toBe('#0102ff')
    expect(cells[3]).toMatchObject({ foreground: undefined, background: undefined })
    expect(cells[4]).toMatchObject({ foreground: 15, reverse: true })
  })

  test('takes anything without an error, and at once', () => {
    const terminal = new Terminal(20, 5)
    let state = 7
    for (let i = 0; i < 20_000; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      terminal.write(state % 5 === 0 ? '\x1b[' : String.fromCharCode((state >>> 8) % 128))
    }
    terminal.write('\x1b[999999999S\x1b[999999999L\x1b[999999999@')
    expect(terminal.rows.map((row) => row.length)).toEqual([20, 20, 20, 20, 20])
  })

  test('carries itself into a page: its text needs nothing from outside', () => {
    const Copy = new Function(`const __name = (value) => value; return ${Terminal.toString()}`)() as typeof Terminal
    const copy = new Copy(5, 1)
    copy.write('\x1b[1mok')
    expect(copy.text()).toEqual(['ok'])
  })
})
