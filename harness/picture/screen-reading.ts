/** Text and where each of its characters is on the screen, from text modes and from pictures alike. */
import type { DisplayMode, TextScreen } from '../../machine/devices/display/display.js'
import { CODE_PAGE_437 } from './code-page-437.js'
import type { Area } from './compare-pictures.js'

export interface ScreenReading {
  /** Rows joined by line feeds, without the spaces at their ends. */
  text: string
  /** The place of each UTF-16 unit of `text`; undefined for line feeds and for spaces between words far apart. */
  places: (Area | undefined)[]
}

export class ReadingBuilder {
  private text = ''
  private places: (Area | undefined)[] = []
  private lines = 0

  /** A row: its characters and their places. */
  row(characters: readonly { character: string; place: Area | undefined }[]): void {
    let end = characters.length
    while (end > 0 && characters[end - 1].character === ' ') end--
    if (this.lines++ > 0) this.add('\n', undefined)
    for (const { character, place } of characters.slice(0, end)) this.add(character, place)
  }

  reading(): ScreenReading {
    return { text: this.text, places: this.places }
  }

  private add(character: string, place: Area | undefined): void {
    this.text += character
    for (let i = 0; i < character.length; i++) this.places.push(place)
  }
}

/** The cells of a text screen that lie within the area with more than half of themselves. */
export function readCells(screen: TextScreen, mode: DisplayMode, area?: Area): ScreenReading {
  const width = mode.width / screen.columns
  const height = mode.height / screen.rows
  const within = (centre: number, from: number, length: number) => centre >= from && centre < from + length
  const builder = new ReadingBuilder()
  for (let row = 0; row < screen.rows; row++) {
    if (area && !within((row + 0.5) * height, area.y, area.height)) continue
    const characters: { character: string; place: Area }[] = []
    for (let column = 0; column < screen.columns; column++) {
      if (area && !within((column + 0.5) * width, area.x, area.width)) continue
      const { code } = screen.cells[row * screen.columns + column]
      const place = { x: column * width, y: row * height, width, height }
      characters.push({ character: CODE_PAGE_437[code & 0xff], place })
    }
    builder.row(characters)
  }
  return builder.reading()
}

/** Where the pattern's match is: around all characters of its first row. undefined if nothing matches. */
export function findText(reading: ScreenReading, pattern: RegExp): { text: string; area: Area } | undefined {
  for (const found of allText(reading, pattern)) return found
  return undefined
}

export function* allText(reading: ScreenReading, pattern: RegExp): Generator<{ text: string; area: Area }> {
  const global = new RegExp(pattern.source, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`)
  for (const found of reading.text.matchAll(global)) {
    const lead = found[0].length - found[0].trimStart().length
    const first = found[0].trimStart().split('\n')[0]
    const start = found.index + lead
    const places = reading.places.slice(start, start + first.length).filter((place) => place !== undefined)
    if (places.length > 0) yield { text: found[0], area: around(places) }
  }
}

function around(places: readonly Area[]): Area {
  const x = Math.min(...places.map((place) => place.x))
  const y = Math.min(...places.map((place) => place.y))
  const right = Math.max(...places.map((place) => place.x + place.width))
  const bottom = Math.max(...places.map((place) => place.y + place.height))
  return { x, y, width: right - x, height: bottom - y }
}
