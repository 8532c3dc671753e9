/** Pictures with text drawn into them, for tests of what reads it. */
import type { BitmapFont } from '../../../harness/picture/bitmap-font.js'
import type { Frame } from '../../../machine/devices/display/display.js'

type Colour = readonly [red: number, green: number, blue: number]

export function blankFrame(width: number, height: number, [red, green, blue]: Colour): Frame {
  const data = new Uint8Array(width * height * 4)
  for (let at = 0; at < data.length; at += 4) data.set([red, green, blue, 255], at)
  return { width, height, data }
}

export function drawText(frame: Frame, font: BitmapFont, text: string, x: number, y: number, colour: Colour): void {
  let left = x
  for (const character of text) {
    const glyph = font.glyphs.find((known) => known.character === character)
    glyph?.rows.forEach((bits, row) => {
      for (let column = 0; column < glyph.width; column++) {
        if (!((bits >> (glyph.width - 1 - column)) & 1)) continue
        frame.data.set(colour, ((y + row) * frame.width + left + column) * 4)
      }
    })
    left += font.advance ?? glyph?.width ?? font.space
  }
}

export function drawBox(frame: Frame, x: number, y: number, width: number, height: number, colour: Colour): void {
  for (let row = y; row < y + height; row++) {
    for (let column = x; column < x + width; column++) frame.data.set(colour, (row * frame.width + column) * 4)
  }
}

function glyph(character: string, ...rows: string[]) {
  return {
    character,
    width: 5,
    rows: rows.map((row) => Number.parseInt(row.replaceAll('.', '0').replaceAll('#', '1'), 2)),
  }
}

/** Cells of 5×6 pixels. */
export const FONT: BitmapFont = {
  name: '5x6',
  height: 6,
  advance: 5,
  space: 5,
  glyphs: [
    glyph('A', '.##..', '#..#.', '####.', '#..#.', '#..#.', '.....'),
    glyph('B', '###..', '#..#.', '###..', '#..#.', '###..', '.....'),
    glyph('I', '.#...', '.#...', '.#...', '.#...', '.#...', '.....'),
    glyph('.', '.....', '.....', '.....', '.....', '.#...', '.....'),
    glyph('─', '.....', '.....', '#####', '.....', '.....', '.....'),
    glyph('│', '..#..', '..#..', '..#..', '..#..', '..#..', '..#..'),
  ],
}
