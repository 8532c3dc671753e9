import { describe, expect, test } from 'vitest'
import { GlyphReader } from '../../../harness/picture/glyph-reader.js'
import { findText } from '../../../harness/picture/screen-reading.js'
import { blankFrame, drawBox, drawText, FONT } from './pictures.js'

const reader = new GlyphReader([FONT])

test('text is read at any place and in any two colours', () => {
  const frame = blankFrame(100, 50, [1, 2, 3])
  drawText(frame, FONT, 'ABBA', 7, 3, [255, 255, 255])
  drawBox(frame, 40, 20, 40, 20, [200, 0, 0])
  drawText(frame, FONT, 'BAB I.', 43, 25, [0, 0, 0])
  expect(reader.read(frame).text).toBe('ABBA\nBAB I.')
})

test('it tells where the text is', () => {
  const frame = blankFrame(100, 50, [0, 0, 0])
  drawText(frame, FONT, 'ABBA BAA', 7, 3, [255, 255, 255])
  const found = findText(reader.read(frame), /BA+$/)
  expect(found).toEqual({ text: 'BAA', area: { x: 32, y: 3, width: 15, height: 6 } })
})

test('one pixel more or less is another character', () => {
  const frame = blankFrame(60, 20, [0, 0, 0])
  drawText(frame, FONT, 'ABABA', 2, 2, [255, 255, 255])
  drawBox(frame, 2, 2, 1, 1, [255, 255, 255])
  expect(reader.read(frame).text).toBe('BABA')
})

test('three colours in a cell are no text', () => {
  const frame = blankFrame(60, 20, [0, 0, 0])
  drawText(frame, FONT, 'ABABA', 2, 2, [255, 255, 255])
  drawBox(frame, 3, 2, 1, 1, [255, 255, 254])
  expect(reader.read(frame).text).toBe('BABA')
})

test('dots and lines alone are no text, beside letters they are', () => {
  const frame = blankFrame(100, 60, [0, 0, 0])
  drawText(frame, FONT, '.', 50, 30, [255, 255, 255])
  drawText(frame, FONT, '│', 80, 10, [255, 255, 255])
  expect(reader.read(frame).text).toBe('')
  drawText(frame, FONT, '──AB│.', 10, 50, [255, 255, 255])
  expect(reader.read(frame).text).toBe('──AB│.')
})

test('pixels that are doubled count once', () => {
  const small = blankFrame(40, 20, [0, 0, 0])
  drawText(small, FONT, 'ABBA', 3, 5, [255, 255, 255])
  const large = blankFrame(80, 40, [0, 0, 0])
  for (let y = 0; y < 40; y++) {
    for (let x = 0; x < 80; x++) {
      const from = ((y >> 1) * 40 + (x >> 1)) * 4
      large.data.set(small.data.subarray(from, from + 4), (y * 80 + x) * 4)
    }
  }
  const reading = reader.read(large)
  expect(reading.text).toBe('ABBA')
  expect(reading.places[0]).toEqual({ x: 6, y: 10, width: 10, height: 12 })
})

test('an area is read by itself', () => {
  const frame = blankFrame(100, 50, [0, 0, 0])
  drawText(frame, FONT, 'ABBA', 7, 3, [255, 255, 255])
  drawText(frame, FONT, 'BAAB', 7, 23, [255, 255, 255])
  const reading = reader.read(frame, { x: 0, y: 20, width: 50, height: 15 })
  expect(reading.text).toBe('BAAB')
  expect(reading.places[0]).toEqual({ x: 7, y: 23, width: 5, height: 6 })
})

describe('a proportional font', () => {
  const proportional = {
    ...FONT,
    advance: undefined,
    space: 4,
    glyphs: [
      { character: 'A', width: 6, rows: FONT.glyphs[0].rows },
      { character: 'I', width: 3, rows: [2, 2, 2, 2, 2, 0] },
    ],
  }

  test('is read with its spaces', () => {
    const frame = blankFrame(60, 20, [0, 0, 0])
    // Each character with a blank column on either side: A of 4 pixels, I of 1, and 4 more for the space.
    const wide = { ...proportional, advance: undefined }
    drawText(frame, wide, 'AIA', 2, 2, [255, 255, 255])
    drawText(frame, wide, 'AA', 2 + 15 + 4, 2, [255, 255, 255])
    expect(new GlyphReader([proportional]).read(frame).text).toBe('AIA AA')
  })
})

test('a picture without anything, and one of no size, have no text', () => {
  expect(reader.read(blankFrame(64, 64, [7, 7, 7]))).toEqual({ text: '', places: [] })
  expect(reader.read({ width: 0, height: 0, data: new Uint8Array(0) })).toEqual({ text: '', places: [] })
})

test('a frame of 1024×768 takes less than a second', () => {
  const frame = blankFrame(1024, 768, [0, 0, 0])
  for (let y = 0; y < 760; y += 8) drawText(frame, FONT, 'AB BA AI'.repeat(20), y % 5, y, [255, 255, 255])
  const start = performance.now()
  expect(reader.read(frame).text.length).toBeGreaterThan(10_000)
  expect(performance.now() - start).toBeLessThan(1000)
})
