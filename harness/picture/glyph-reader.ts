/**
 * Reads text off pictures, exactly: a character counts only where every pixel of its cell is as the font has it, in any
 * two colours and at any place.
 *
 * A glyph is looked for by its edges: for each pixel, whether it differs from its right neighbour. These bits are the
 * same for any pair of colours. A rolling hash over the rows below each pixel makes one look-up of each place on the
 * screen; what is found is then checked pixel by pixel. Characters of one line are put together to runs, and what is no
 * text but happens to look like a dot or a dash is dropped, because no run holds it.
 */
import type { Frame } from '../../machine/devices/display/display.js'
import type { BitmapFont, Glyph } from './bitmap-font.js'
import type { Area } from './compare-pictures.js'
import { ReadingBuilder, type ScreenReading } from './screen-reading.js'

/** Edges that a run must have in all to count as text: more than a dot and a dash, less than a letter. */
const ENOUGH_EDGES = 12
const HASH_FACTOR = 0x01000193
const BUCKETS = 1 << 16
/** Letters, digits and marks start runs; blocks and lines are looked for only beside them, as pictures are full of them. */
const SEED = /^[\p{L}\p{N}!-/:-@[-`{-~¢-°»¿₧ƒ⌐±≥≤≈√²]$/u

interface Hit {
  glyph: Glyph
  x: number
  y: number
  edges: number
}

interface Run {
  font: BitmapFont
  hits: Hit[]
  edges: number
  area: Area
}

/** The glyphs of one font that have one width, by the hash of their edges. */
interface Table {
  font: BitmapFont
  width: number
  height: number
  glyphs: Map<number, { glyph: Glyph; edges: number; seed: boolean }[]>
  /** 1 where a bucket has a glyph: most places are sorted out by it. */
  filter: Uint8Array
}

export class GlyphReader {
  private readonly tables: Table[]

  constructor(readonly fonts: readonly BitmapFont[]) {
    this.tables = fonts.flatMap(tablesOf)
  }

  /** The text of the picture, or of an area of it, top down and from left to right. */
  read(frame: Frame, area?: Area): ScreenReading {
    const image = new Image(frame, area)
    const runs = this.tables.length === 0 ? [] : this.runs(image)
    return toReading(runs, image)
  }

  private runs(image: Image): Run[] {
    const hits = new Map<BitmapFont, Hit[]>()
    for (const table of this.tables) {
      const found = findSeeds(image, table)
      hits.set(table.font, [...(hits.get(table.font) ?? []), ...found])
    }
    const runs = [...hits].flatMap(([font, found]) => makeRuns(font, found))
    for (const run of runs) if (run.font.advance !== undefined) this.fill(run, image)
    runs.sort((a, b) => b.edges - a.edges)
    const kept: Run[] = []
    for (const run of runs) {
      if (run.edges >= ENOUGH_EDGES && !kept.some((other) => overlap(other.area, run.area))) kept.push(run)
    }
    return kept
  }

  /** Looks at the cells between and beside the hits of a font with fixed width for blocks and lines. */
  private fill(run: Run, image: Image): void {
    const table = this.tables.find((candidate) => candidate.font === run.font)
    const advance = run.font.advance as number
    if (!table) return
    const first = run.hits[0].x
    const known = new Map(run.hits.map((hit) => [hit.x, hit]))
    const { y } = run.hits[0]
    const look = (x: number): boolean => {
      if (known.has(x)) return true
      const hit = image.has(x, y, table.width, table.height) ? exact(image, table, x, y) : undefined
      if (hit) known.set(x, hit)
      return hit !== undefined
    }
    const last = (run.hits.at(-1) as Hit).x
    for (let x = first; x <= last; x += advance) look(x)
    for (let x = last + advance; look(x); ) x += advance
    for (let x = first - advance; look(x); ) x -= advance
    run.hits = [...known.values()].sort((a, b) => a.x - b.x)
    run.area = areaOf(run.hits, run.font)
  }
}

function tablesOf(font: BitmapFont): Table[] {
  const tables = new Map<number, Table>()
  for (const glyph of font.glyphs) {
    if (glyph.rows.every((row) => row === 0)) continue
    let table = tables.get(glyph.width)
    if (!table) {
      table = { font, width: glyph.width, height: font.height, glyphs: new Map(), filter: new Uint8Array(BUCKETS) }
      tables.set(glyph.width, table)
    }
    let hash = 0
    let edges = 0
    for (const row of glyph.rows) {
      const bits = edgesOf(row, glyph.width)
      hash = (Math.imul(hash, HASH_FACTOR) + bits) | 0
      edges += popcount(bits)
    }
    const entry = { glyph, edges, seed: hash !== 0 && SEED.test(glyph.character) }
    table.glyphs.set(hash, [...(table.glyphs.get(hash) ?? []), entry])
    if (entry.seed) table.filter[bucket(hash)] = 1
  }
  return [...tables.values()]
}

/** Bit i: pixel i differs from pixel i + 1 to its left, so there are width - 1 of them. */
function edgesOf(row: number, width: number): number {
  return ((row ^ (row >>> 1)) & (2 ** (width - 1) - 1)) >>> 0
}

function popcount(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++
  return count
}

function bucket(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 16
}

/** The pixels as numbers; doubled pixels, as of the 320×200 modes, are taken once. */
class Image {
  readonly width: number
  readonly height: number
  readonly pixels: Uint32Array
  private readonly scaleX: number
  private readonly scaleY: number
  private readonly left: number
  private readonly top: number

  constructor(frame: Frame, area?: Area) {
    const left = Math.max(0, Math.floor(area?.x ?? 0))
    const top = Math.max(0, Math.floor(area?.y ?? 0))
    const width = Math.max(0, Math.min(frame.width, Math.ceil(area ? area.x + area.width : frame.width)) - left)
    const height = Math.max(0, Math.min(frame.height, Math.ceil(area ? area.y + area.height : frame.height)) - top)
    const { data } = frame
    // A view, where the bytes are aligned, saves a copy.
    const bytes = data.byteOffset % 4 === 0 ? data : data.slice()
    const all = new Uint32Array(bytes.buffer, bytes.byteOffset, frame.width * frame.height)
    this.scaleX = doubledColumns(all, frame) ? 2 : 1
    this.scaleY = doubledRows(all, frame) ? 2 : 1
    this.left = Math.ceil(left / this.scaleX)
    this.top = Math.ceil(top / this.scaleY)
    this.width = Math.floor(width / this.scaleX)
    this.height = Math.floor(height / this.scaleY)
    this.pixels = new Uint32Array(this.width * this.height)
    for (let y = 0; y < this.height; y++) {
      const from = (this.top + y) * this.scaleY * frame.width + this.left * this.scaleX
      const to = y * this.width
      if (this.scaleX === 1) this.pixels.set(all.subarray(from, from + this.width), to)
      else for (let x = 0; x < this.width; x++) this.pixels[to + x] = all[from + 2 * x]
    }
  }

  has(x: number, y: number, width: number, height: number): boolean {
    return x >= 0 && y >= 0 && x + width <= this.width && y + height <= this.height
  }

  /** In pixels of the frame. */
  place(x: number, y: number, width: number, height: number): Area {
    const { scaleX, scaleY } = this
    return { x: (x + this.left) * scaleX, y: (y + this.top) * scaleY, width: width * scaleX, height: height * scaleY }
  }
}

function doubledColumns(pixels: Uint32Array, { width, height }: Frame): boolean {
  if (width % 2 !== 0) return false
  const end = width * height
  for (let at = 0; at < end; at += 2) if (pixels[at] !== pixels[at + 1]) return false
  return true
}

function doubledRows(pixels: Uint32Array, { width, height }: Frame): boolean {
  if (height % 2 !== 0) return false
  for (let y = 0; y < height; y += 2) {
    const row = y * width
    for (let x = row; x < row + width; x++) if (pixels[x] !== pixels[x + width]) return false
  }
  return true
}

function findSeeds(image: Image, table: Table): Hit[] {
  const { width, height, filter } = table
  const columns = image.width - width + 1
  const hits: Hit[] = []
  if (columns < 1 || image.height < height) return hits
  const { pixels } = image
  const mask = (2 ** (width - 1) - 1) >>> 0
  let drop = 1
  for (let i = 0; i < height; i++) drop = Math.imul(drop, HASH_FACTOR)
  const edges = new Uint32Array(columns * height)
  const hashes = new Int32Array(columns)
  for (let y = 0; y < image.height; y++) {
    const ring = (y % height) * columns
    const row = y * image.width
    let bits = 0
    for (let x = 0; x < width - 1; x++) bits = (bits << 1) | (pixels[row + x] !== pixels[row + x + 1] ? 1 : 0)
    for (let x = 0; x < columns; x++) {
      if (x > 0) {
        const right = row + x + width - 2
        bits = (bits << 1) | (pixels[right] !== pixels[right + 1] ? 1 : 0)
      }
      const now = (bits & mask) >>> 0
      const old = edges[ring + x]
      edges[ring + x] = now
      const hash = (Math.imul(hashes[x], HASH_FACTOR) + now - Math.imul(old, drop)) | 0
      hashes[x] = hash
      if (hash === 0 || filter[Math.imul(hash, 0x9e3779b1) >>> 16] === 0 || y < height - 1) continue
      for (const { glyph, edges: count, seed } of table.glyphs.get(hash) ?? []) {
        if (seed && shows(image, glyph, x, y - height + 1)) {
          hits.push({ glyph, x, y: y - height + 1, edges: count })
          break
        }
      }
    }
  }
  return hits
}

/** Any glyph of the table at this very place. */
function exact(image: Image, table: Table, x: number, y: number): Hit | undefined {
  let hash = 0
  for (let row = y; row < y + table.height; row++) {
    let bits = 0
    for (let at = row * image.width + x; at < row * image.width + x + table.width - 1; at++) {
      bits = (bits << 1) | (image.pixels[at] !== image.pixels[at + 1] ? 1 : 0)
    }
    hash = (Math.imul(hash, HASH_FACTOR) + (bits >>> 0)) | 0
  }
  for (const { glyph, edges } of table.glyphs.get(hash) ?? []) {
    if (shows(image, glyph, x, y)) return { glyph, x, y, edges }
  }
  return undefined
}

/** All pixels of the glyph have one colour and all others one other. */
function shows(image: Image, glyph: Glyph, x: number, y: number): boolean {
  let ink = -1
  let paper = -1
  for (let row = 0; row < glyph.rows.length; row++) {
    const bits = glyph.rows[row]
    const start = (y + row) * image.width + x
    for (let column = 0; column < glyph.width; column++) {
      const colour = image.pixels[start + column]
      if ((bits >>> (glyph.width - 1 - column)) & 1) {
        if (ink === -1) ink = colour
        else if (ink !== colour) return false
      } else if (paper === -1) paper = colour
      else if (paper !== colour) return false
    }
  }
  // A cell of one colour is a space, not a block.
  return ink !== -1 && paper !== -1 && ink !== paper
}

/** Hits on one line that follow each other with no more than a space between. */
function makeRuns(font: BitmapFont, hits: Hit[]): Run[] {
  const lines = new Map<string, Hit[]>()
  for (const hit of hits) {
    const key = font.advance === undefined ? `${hit.y}` : `${hit.y} ${hit.x % font.advance}`
    const line = lines.get(key)
    if (line) line.push(hit)
    else lines.set(key, [hit])
  }
  return [...lines.values()].flatMap((line) => {
    line.sort((a, b) => a.x - b.x || b.glyph.width - a.glyph.width)
    const runs: Hit[][] = []
    for (const hit of line) {
      const run = runs.at(-1)
      const last = run?.at(-1)
      const gap = last ? hit.x - last.x - last.glyph.width : 0
      if (!run || gap > 2 * font.space) runs.push([hit])
      // The blank columns at the sides of proportional glyphs may be shared; more is a glyph within another.
      else if (gap >= (font.advance === undefined ? -2 : 0)) run.push(hit)
    }
    return runs.map((run) => ({
      font,
      hits: run,
      edges: run.reduce((sum, hit) => sum + hit.edges, 0),
      area: areaOf(run, font),
    }))
  })
}

function areaOf(hits: readonly Hit[], font: BitmapFont): Area {
  const last = hits[hits.length - 1]
  return { x: hits[0].x, y: hits[0].y, width: last.x + last.glyph.width - hits[0].x, height: font.height }
}

function overlap(a: Area, b: Area): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/** Runs of the same height on the screen become one row; between two runs on it there is at least one space. */
function toReading(runs: Run[], image: Image): ScreenReading {
  const rows = new Map<string, Run[]>()
  for (const run of runs) {
    const key = `${run.area.y} ${run.font.height}`
    rows.set(key, [...(rows.get(key) ?? []), run])
  }
  const builder = new ReadingBuilder()
  for (const row of [...rows.values()].sort((a, b) => a[0].area.y - b[0].area.y || a[0].area.x - b[0].area.x)) {
    const characters: { character: string; place: Area | undefined }[] = []
    let end: number | undefined
    for (const run of row.sort((a, b) => a.area.x - b.area.x)) {
      const { font } = run
      for (const [i, hit] of run.hits.entries()) {
        const gap = end === undefined ? 0 : hit.x - end
        const least = i === 0 && end !== undefined ? 1 : 0
        // A space of a proportional font is no narrower than half of what it is taken for.
        const spaces = Math.max(least, font.advance ? Math.round(gap / font.advance) : gap >= font.space / 2 ? 1 : 0)
        for (let n = 0; n < spaces; n++) characters.push({ character: ' ', place: undefined })
        const place = image.place(hit.x, hit.y, hit.glyph.width, font.height)
        characters.push({ character: hit.glyph.character, place })
        end = hit.x + hit.glyph.width
      }
    }
    builder.row(characters)
  }
  return builder.reading()
}
