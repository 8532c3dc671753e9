import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type BitmapFont, FontError, learnFont, romFonts, withFont } from '../../../harness/picture/bitmap-font.js'
import { blankFrame, drawText, FONT } from './pictures.js'

const VGA_BIOS = ['/usr/share/seabios', '/usr/share/seavgabios', '/usr/share/qemu']
  .map((folder) => `${folder}/vgabios-stdvga.bin`)
  .find((file) => existsSync(file))

test.skipIf(!VGA_BIOS)('the three fonts of a VGA BIOS are found', () => {
  const fonts = romFonts(readFileSync(VGA_BIOS as string))
  expect(fonts.map(({ name, height, advance }) => [name, height, advance])).toEqual([
    ['8x8', 8, 8],
    ['8x14', 14, 8],
    ['8x16', 16, 8],
  ])
  const glyph = (font: BitmapFont, character: string) => font.glyphs.find((known) => known.character === character)
  for (const font of fonts) {
    expect(font.glyphs).toHaveLength(256)
    // A stroke down the middle, and a bar above that is as wide as the cell at the least.
    expect(glyph(font, '│')?.rows.every((row) => row === 0x18)).toBe(true)
    expect(Math.max(...(glyph(font, 'T')?.rows ?? []))).toBeGreaterThan(0x7c)
  }
})

test('a file without fonts has none', () => {
  expect(romFonts(new Uint8Array(65536))).toEqual([])
  expect(romFonts(new Uint8Array(100).fill(0xff))).toEqual([])
})

test('a fixed font is learnt from its cells, in any colours', () => {
  const frame = blankFrame(40, 20, [0, 0, 128])
  drawText(frame, FONT, 'AB A', 3, 5, [255, 255, 0])
  const font = learnFont(frame, { x: 3, y: 5, width: 20, height: 6 }, 'AB A', { name: 'mine' })
  expect([font.name, font.advance, font.height]).toEqual(['mine', 5, 6])
  expect(font.glyphs).toEqual(FONT.glyphs.filter(({ character }) => 'AB'.includes(character)))
})

test('a proportional font is taken apart at blank columns', () => {
  const frame = blankFrame(40, 20, [9, 9, 9])
  drawText(frame, FONT, 'AI', 3, 5, [255, 255, 0])
  const font = learnFont(frame, { x: 2, y: 5, width: 12, height: 6 }, 'AI', { proportional: true })
  // With a blank column on either side.
  expect(font.glyphs.map(({ character, width }) => [character, width])).toEqual([
    ['A', 6],
    ['I', 3],
  ])
})

test.each([
  ['nothing to learn', 'x  ', { x: 30, y: 0, width: 9, height: 6 }, 'one colour'],
  ['a cell that is no whole pixels', 'ABC', { x: 3, y: 5, width: 20, height: 6 }, '3 characters do not fit 20 pixels'],
  ['an area off the screen', 'AB', { x: 35, y: 5, width: 10, height: 6 }, 'is not on the screen of 40×20'],
  ['blanks only', '  ', { x: 3, y: 5, width: 10, height: 6 }, 'no characters'],
  ['the same letter, different', 'AA', { x: 3, y: 5, width: 10, height: 6 }, "'A' is there twice"],
])('%s is refused', (_, text, area, message) => {
  const frame = blankFrame(40, 20, [0, 0, 0])
  drawText(frame, FONT, 'AB', 3, 5, [255, 255, 255])
  expect(() => learnFont(frame, area, text)).toThrow(FontError)
  expect(() => learnFont(frame, area, text)).toThrow(message)
})

test('samples of one name add up, and the last one counts', () => {
  const [a, b] = ['A', 'B'].map((character) => ({
    ...FONT,
    glyphs: FONT.glyphs.filter((glyph) => glyph.character === character),
  }))
  const both = withFont(withFont([], a), b)
  expect(both).toHaveLength(1)
  expect(both[0].glyphs.map(({ character }) => character)).toEqual(['B', 'A'])
  expect(withFont(both, { ...a, name: 'other' })).toHaveLength(2)
})
