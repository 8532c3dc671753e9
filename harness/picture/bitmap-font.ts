/**
 * Fonts as pixels: the three of the VGA BIOS, found in its ROM, and fonts learnt from a sample of the guest's own screen.
 * Plain data, so that they can be sent to the machine's thread.
 */

import type { Frame } from '../../machine/devices/display/display.js'
import { UsageError } from '../../machine/errors.js'
import { CODE_PAGE_437 } from './code-page-437.js'
import type { Area } from './compare-pictures.js'

export interface Glyph {
  character: string
  /** Pixels, up to 32. */
  width: number
  /** A number a row, top down; the leftmost pixel is bit `width - 1`. */
  rows: number[]
}

export interface BitmapFont {
  /** `8x16`, or what the test author called it. */
  name: string
  height: number
  /** The distance from one character to the next where all are the same; undefined for proportional fonts. */
  advance: number | undefined
  /** Width of a space in proportional fonts. */
  space: number
  glyphs: Glyph[]
}

/** A sample does not show what it is said to show; the message is one sentence. */
export class FontError extends UsageError {
  override readonly name = 'FontError'
}

const ROM_HEIGHTS = [8, 14, 16]
const ROM_WIDTH = 8
const CODES = 256

/**
 * The fonts of 8×8, 8×14 and 8×16 pixels in a VGA BIOS, those that are there. They stand at no fixed address, so they
 * are found by what code page 437 says of some characters: blanks at 0, 32 and 255, a full block at 219, vertical and
 * horizontal lines of one height at 179 and 196.
 */
export function romFonts(vgaBios: Uint8Array): BitmapFont[] {
  return ROM_HEIGHTS.flatMap((height) => {
    const start = findRomFont(vgaBios, height)
    if (start === undefined) return []
    const glyphs = Array.from({ length: CODES }, (_, code) => ({
      character: CODE_PAGE_437[code],
      width: ROM_WIDTH,
      rows: [...vgaBios.subarray(start + code * height, start + (code + 1) * height)],
    }))
    // Several codes may look alike; what is ASCII shall be found first.
    const ascii = (glyph: Glyph) => glyph.character >= ' ' && glyph.character <= '~'
    glyphs.sort((a, b) => Number(ascii(b)) - Number(ascii(a)))
    return [{ name: `8x${height}`, height, advance: ROM_WIDTH, space: ROM_WIDTH, glyphs }]
  })
}

function findRomFont(rom: Uint8Array, height: number): number | undefined {
  const every = (at: number, value: number) => {
    for (let i = 0; i < height; i++) if (rom[at + i] !== value) return false
    return true
  }
  for (let start = 0; start + CODES * height <= rom.length; start++) {
    const glyph = (code: number) => start + code * height
    if (rom[glyph(219)] !== 0xff || !every(glyph(219), 0xff)) continue
    if (!every(glyph(0), 0) || !every(glyph(32), 0) || !every(glyph(255), 0)) continue
    const line = rom[glyph(179)]
    if (line === 0 || line === 0xff || !every(glyph(179), line)) continue
    if (rom.subarray(glyph(196), glyph(197)).every((row) => row === 0 || row === 0xff)) return start
  }
  return undefined
}

export interface LearnOptions {
  /** What the font is called; default `learnt`. */
  name?: string
  /** Characters differ in width: they are taken apart where columns are blank. */
  proportional?: boolean
}

/**
 * Learns the characters of one line of text from where it stands on the screen.
 * @param area Of the line: for a font of fixed width exactly its cells, so that the width divides by the number of
 *   characters; for a proportional one with blank pixels around it.
 * @throws FontError
 */
export function learnFont(frame: Frame, area: Area, text: string, options: LearnOptions = {}): BitmapFont {
  const { name = 'learnt', proportional = false } = options
  const { x, y, width, height } = area
  const whole = [x, y, width, height].every(Number.isInteger)
  if (!whole || x < 0 || y < 0 || width < 1 || height < 1 || x + width > frame.width || y + height > frame.height)
    throw new FontError(
      `the area ${x},${y} of ${width}×${height} pixels is not on the screen of ${frame.width}×${frame.height}`,
    )
  const characters = Array.from(text)
  if (characters.every((character) => character === ' '))
    throw new FontError('there are no characters to learn; give the text that the area shows')
  const ink = inkOf(frame, area)
  const glyphs = proportional
    ? proportionalGlyphs(ink, width, height, characters)
    : fixedGlyphs(ink, width, height, characters)
  const advance = proportional ? undefined : width / characters.length
  return { name, height, advance, space: advance ?? Math.max(2, Math.round(height / 4)), glyphs: unique(glyphs) }
}

/** Fonts with one more in front, or with its characters added to the one that has its name and size. */
export function withFont(fonts: readonly BitmapFont[], font: BitmapFont): BitmapFont[] {
  const same = (other: BitmapFont) =>
    other.name === font.name && other.height === font.height && other.advance === font.advance
  const known = fonts.find(same)
  const old = known?.glyphs.filter(({ character }) => !font.glyphs.some((glyph) => glyph.character === character)) ?? []
  return [{ ...font, glyphs: [...font.glyphs, ...old] }, ...fonts.filter((other) => other !== known)]
}

/** 1 where a pixel is not the background, which is the colour that most pixels have. */
function inkOf(frame: Frame, { x, y, width, height }: Area): Uint8Array {
  const pixels = new Uint32Array(width * height)
  const counts = new Map<number, number>()
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = ((y + row) * frame.width + x + column) * 4
      const colour = frame.data[at] | (frame.data[at + 1] << 8) | (frame.data[at + 2] << 16)
      pixels[row * width + column] = colour
      counts.set(colour, (counts.get(colour) ?? 0) + 1)
    }
  }
  if (counts.size !== 2)
    throw new FontError(
      counts.size < 2
        ? 'the area is of one colour and shows no text'
        : `the area has ${counts.size} colours; a sample shows text in one colour on one other`,
    )
  const [background] = [...counts].sort((a, b) => b[1] - a[1])[0]
  return Uint8Array.from(pixels, (colour) => (colour === background ? 0 : 1))
}

function cut(ink: Uint8Array, width: number, height: number, from: number, count: number): number[] {
  return Array.from({ length: height }, (_, row) => {
    let bits = 0
    for (let column = from; column < from + count; column++) {
      const inside = column >= 0 && column < width
      bits = ((bits << 1) | (inside ? ink[row * width + column] : 0)) >>> 0
    }
    return bits
  })
}

function fixedGlyphs(ink: Uint8Array, width: number, height: number, characters: string[]): Glyph[] {
  const advance = width / characters.length
  if (!Number.isInteger(advance) || advance < 2 || advance > 32)
    throw new FontError(
      `${characters.length} characters do not fit ${width} pixels in cells of 2 to 32 pixels; ` +
        'give exactly their cells, or { proportional: true }',
    )
  return characters.map((character, i) => ({
    character,
    width: advance,
    rows: cut(ink, width, height, i * advance, advance),
  }))
}

function proportionalGlyphs(ink: Uint8Array, width: number, height: number, characters: string[]): Glyph[] {
  const inked = Array.from({ length: width }, (_, column) => {
    for (let row = 0; row < height; row++) if (ink[row * width + column]) return true
    return false
  })
  const pieces: [start: number, end: number][] = []
  for (let column = 0; column < width; column++) {
    if (!inked[column]) continue
    const start = column
    while (column < width && inked[column]) column++
    pieces.push([start, column])
  }
  const visible = characters.filter((character) => character !== ' ')
  if (pieces.length !== visible.length)
    throw new FontError(
      `the area shows ${pieces.length} pieces that blank columns part, but the text has ${visible.length} characters; ` +
        'leave out characters that touch each other or fall apart',
    )
  return pieces.map(([start, end], i) => {
    // With a blank column on either side, so that a stroke of one pixel has edges.
    const count = end - start + 2
    if (count > 32) throw new FontError(`'${visible[i]}' is ${end - start} pixels wide; fonts go up to 30`)
    return { character: visible[i], width: count, rows: cut(ink, width, height, start - 1, count) }
  })
}

function unique(glyphs: Glyph[]): Glyph[] {
  const seen = new Map<string, Glyph>()
  for (const glyph of glyphs) {
    const known = seen.get(glyph.character)
    if (!known) seen.set(glyph.character, glyph)
    else if (known.rows.join() !== glyph.rows.join())
      throw new FontError(`'${glyph.character}' is there twice and looks different; is the area placed exactly?`)
  }
  return [...seen.values()].filter((glyph) => glyph.rows.some((row) => row !== 0))
}
