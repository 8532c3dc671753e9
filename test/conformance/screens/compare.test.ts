import { describe, expect, test } from 'vitest'
import type { TextScreen } from '../../../machine/devices/display/display.js'
import { differenceOf, rowsOf, type Screen, withCursor } from './compare.js'

const [WIDTH, HEIGHT] = [80, 32]

/** Two rows of ten characters, 8 by 16 pixels each, whose pixels are their codes. */
function screen(rows: readonly [string, string]): Screen {
  const text = rows.map((row) => row.padEnd(10)).join('')
  const cells: TextScreen = {
    columns: 10,
    rows: 2,
    cells: [...text].map((letter) => ({ code: letter.charCodeAt(0), foreground: 7, background: 0, blink: false })),
  }
  const data = new Uint8Array(WIDTH * HEIGHT * 4).fill(255)
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) data[(y * WIDTH + x) * 4] = text.charCodeAt((y >> 4) * 10 + (x >> 3))
  }
  return { frame: { width: WIDTH, height: HEIGHT, data }, cells }
}

describe('two screens', () => {
  const ours = screen(['load 10%', 'ready'])

  test('are equal only if every pixel is', () => {
    expect(differenceOf(ours, screen(['load 10%', 'ready']), [])).toMatchObject({ pixels: 0, box: undefined })
    const other = screen(['load 10%', 'ready'])
    other.frame.data[(20 * WIDTH + 33) * 4 + 2] = 254
    const found = differenceOf(ours, other, [])
    expect(found).toMatchObject({ pixels: 1, box: { x: 33, y: 20, width: 1, height: 1 } })
    expect(found.box && rowsOf(found.box, ours)).toEqual([1])
  })

  test('differ in every pixel where their sizes do', () => {
    const small = { frame: { width: 8, height: 8, data: new Uint8Array(256) }, cells: undefined }
    expect(differenceOf(ours, small, [])).toMatchObject({ pixels: WIDTH * HEIGHT, size: '80x32 instead of 8x8' })
  })

  test('may differ where a text is named, on either of them, and nowhere else', () => {
    const percent = { text: /load (\d+)%/, why: 'progress' }
    const found = differenceOf(ours, screen(['load 7%', 'ready']), [percent])
    // "10" against "7%", which leaves the per cent sign of ours.
    expect(found).toMatchObject({ pixels: 8 * 16, box: { x: 56, y: 0 } })
    expect(found.left).toEqual([{ why: 'progress', pixels: 2 * 8 * 16 }])
    expect(differenceOf(ours, screen(['load 99%', 'ready']), [percent]).pixels).toBe(0)
    expect(differenceOf(ours, screen(['load 99%', 'reads']), [percent]).pixels).toBe(8 * 16)
  })

  test('may differ in an area, as far as it lies on the screen', () => {
    const area = { area: { x: 70, y: 16, width: 100, height: 100 }, why: 'clock' }
    const other = screen(['load 10%', 'ready   12'])
    expect(differenceOf(ours, other, [area])).toMatchObject({
      pixels: 6 * 16,
      left: [{ why: 'clock', pixels: 10 * 16 }],
    })
  })

  test('are equal with a cursor that is hidden on the one, where its registers put it and nowhere else', () => {
    const shown = screen(['load 10%', 'ready'])
    for (let y = 28; y < 30; y++) shown.frame.data.fill(170, (y * WIDTH + 40) * 4, (y * WIDTH + 48) * 4)
    const cursor = { x: 40, y: 28, width: 8, height: 2 }
    const hidden = { ...ours, cursor }
    expect(differenceOf(shown, hidden, []).pixels).toBe(16)
    expect(differenceOf(shown, withCursor(shown, hidden), []).pixels).toBe(0)
    const elsewhere = { ...ours, cursor: { ...cursor, y: 27 } }
    expect(differenceOf(shown, withCursor(shown, elsewhere), []).pixels).toBe(16)
  })
})
