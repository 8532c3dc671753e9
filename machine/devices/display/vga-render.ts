/**
 * From registers and video memory to a picture, pixel for pixel what QEMU's `screendump` gives for its stdvga:
 * 256-colour VGA modes and modes with the dot clock halved are shown at their doubled width, and the last, incomplete
 * text row is cut off.
 *
 * For the sake of repeatable pictures the cursor and all that blinks are always drawn in their "on" phase: characters
 * can be seen, and plane 3 of a graphics mode shows as it stands. Panning, preset row scan, cursor skew, the monochrome
 * underline and the eight backgrounds that blinking leaves, which QEMU 7.2 leaves out, are as in the hardware; all but
 * the backgrounds are off in BIOS modes.
 * The file is longer than others, because every mode of the one adapter is drawn in it.
 */
import type { DisplayMode, Frame, TextCell, TextScreen } from './display.js'
import type { VgaExtension } from './vga-extension.js'
import * as vga from './vga-registers.js'

/** Larger text screens are not shown. */
const MAX_CELLS = 160 * 100
/** Bytes from one glyph to the next, and from one font bank to the next, in plane 2. */
const GLYPH_BYTES = 32 * 4
const FONT_BANK = 8192 * 4
/** In a word of video memory. */
const PLANES_0_1 = 0x0000ffff
const PLANE_2 = 0x00ff0000
const OPAQUE = 0xff000000 | 0

/** How the video memory is shifted out. */
type Format = 'text' | 'planar' | 'interleaved' | '256' | 'packed'

/** The cursor as a text mode draws it. */
interface Cursor {
  /** Byte offset of its cell. */
  address: number
  firstLine: number
  lastLine: number
}

/** What the CRT controller shows. Addresses and offsets are bytes of video memory. */
interface Scanout {
  format: Format
  on: boolean
  width: number
  height: number
  /** Bits a pixel; 0 in text. */
  depth: number
  columns: number
  rows: number
  cellWidth: number
  cellHeight: number
  start: number
  lineOffset: number
  lineCompare: number
  /** Dots drawn twice. */
  wide: boolean
  /** Dots by which the picture is shifted left. */
  panning: number
}

export class VgaRenderer {
  private readonly bytes: number
  private readonly mask: number
  private readonly vram32: Int32Array
  private readonly colors = new Int32Array(256)
  private readonly checksum = new Int32Array(4)
  /** Frame buffers of 15 to 32 bits a pixel are big-endian. */
  bigEndian = false

  constructor(
    private readonly vram: Uint8Array,
    private readonly registers: vga.VgaRegisters,
    private readonly extension: VgaExtension,
  ) {
    this.bytes = vram.length
    this.mask = vram.length - 1
    this.vram32 = new Int32Array(vram.buffer, vram.byteOffset, vram.length >>> 2)
  }

  mode(): DisplayMode {
    const s = this.scanout()
    const kind = s.on ? (s.format === 'text' ? 'text' : 'graphics') : 'off'
    return { kind, width: s.width, height: s.height, columns: s.columns, rows: s.rows, depth: s.depth }
  }

  frame(): Frame {
    const s = this.scanout()
    const pixels = new Int32Array(s.width * s.height).fill(OPAQUE)
    if (s.on) {
      if (s.format === 'text') this.drawText(s, pixels)
      else if (s.format === 'packed') this.drawPacked(s, pixels)
      else this.drawDots(s, pixels)
    }
    return { width: s.width, height: s.height, data: new Uint8Array(pixels.buffer) }
  }

  text(): TextScreen | undefined {
    const s = this.scanout()
    if (!s.on || s.format !== 'text') return undefined
    const blinks = (this.registers.ar[vga.AR_MODE] & vga.AR10_BLINK) !== 0
    const at = this.cursor(s)
    const cells: TextCell[] = []
    let cursor: TextScreen['cursor']
    for (let row = 0; row < s.rows; row++) {
      let address = this.textRow(s, row)
      for (let column = 0; column < s.columns; column++, address += 4) {
        const attribute = this.vram[(address + 1) & this.mask]
        cells.push({
          code: this.vram[address & this.mask],
          foreground: attribute & 0x0f,
          background: (attribute >>> 4) & (blinks ? 0x07 : 0x0f),
          blink: blinks && attribute >= 0x80,
        })
        if (address === at?.address && !cursor) cursor = { column, row }
      }
    }
    return { columns: s.columns, rows: s.rows, cells, ...(cursor && { cursor }) }
  }

  /** A checksum over the video memory that the picture is made from; compares with the one of the call before. */
  memoryChanged(): boolean {
    const s = this.scanout()
    const before = this.checksum.slice()
    this.checksum.fill(0)
    if (s.on) {
      const { overlay } = this.extension
      if (this.extension.enabled && overlay) this.sum(overlay.from, overlay.length)
      if (s.format === 'packed') {
        this.sum(s.start, s.lineOffset * s.height)
      } else if (s.format === 'text') {
        this.sum(s.start, s.lineOffset * (s.rows + 1), PLANES_0_1)
        if (s.lineCompare < s.height) this.sum(0, s.lineOffset * s.rows, PLANES_0_1)
        const fonts = this.registers.sr[vga.SR_CHARACTER_MAP]
        this.sum(fontOffset(fonts, 4, 0), FONT_BANK, PLANE_2)
        this.sum(fontOffset(fonts, 5, 2), FONT_BANK, PLANE_2)
      } else {
        this.sum(0, Math.max(0x40000, s.start + s.lineOffset * s.height))
      }
    }
    return before.some((lane, i) => lane !== this.checksum[i])
  }

  /** Adds `length` bytes from `from` on, wrapping at the end of the memory, to the checksum; only `bits` of each word. */
  private sum(from: number, length: number, bits = -1): void {
    const words = this.vram32
    const wrap = words.length - 1
    const end = (from + Math.min(length, this.bytes) + 3) >>> 2
    let [a, b, c, d] = this.checksum
    // Four lanes side by side, each a multiply-rotate chain, so that no two changes cancel by their position.
    for (let i = from >>> 2; i < end; i += 4) {
      a = Math.imul(((a << 13) | (a >>> 19)) ^ (words[i & wrap] & bits), 0x9e3779b1)
      b = Math.imul(((b << 13) | (b >>> 19)) ^ (words[(i + 1) & wrap] & bits), 0x85ebca77)
      c = Math.imul(((c << 13) | (c >>> 19)) ^ (words[(i + 2) & wrap] & bits), 0xc2b2ae3d)
      d = Math.imul(((d << 13) | (d >>> 19)) ^ (words[(i + 3) & wrap] & bits), 0x27d4eb2f)
    }
    this.checksum[0] = a
    this.checksum[1] = b
    this.checksum[2] = c
    this.checksum[3] = d
  }

  private scanout(): Scanout {
    const { cr, gr, sr, ar } = this.registers
    const on = (this.registers.arIndex & vga.AR_INDEX_PAS) !== 0
    if (this.extension.enabled) {
      const { width, height, bpp: depth, start, lineOffset } = this.extension
      const format = depth === 4 ? 'planar' : 'packed'
      const s = {
        format,
        on,
        width,
        height,
        depth,
        start,
        lineOffset,
        columns: 0,
        rows: 0,
        cellWidth: 8,
        cellHeight: 1,
      }
      return { ...s, format, lineCompare: 0xffff, wide: false, panning: 0 }
    }
    const bytePanning = (cr[vga.CR_PRESET_ROW_SCAN] >>> 5) & 3
    const start = (((cr[vga.CR_START_HIGH] << 8) | cr[vga.CR_START_LOW]) + bytePanning) * 4
    const common = { start, lineOffset: cr[vga.CR_OFFSET] << 3, lineCompare: this.registers.lineCompare() }
    const half = (sr[vga.SR_CLOCKING] & vga.SR01_DOT_CLOCK_HALF) !== 0
    const characters = cr[vga.CR_H_DISPLAY_END] + 1
    const lines = this.registers.displayLines()
    const pan = ar[vga.AR_PANNING] & 0x0f

    if (gr[vga.GR_MISC] & vga.GR06_GRAPHICS) {
      const shift = (gr[vga.GR_MODE] >>> vga.GR05_SHIFT) & 3
      const format = shift === 0 ? 'planar' : shift === 1 ? 'interleaved' : '256'
      const wide = format === '256' || half
      const width = characters * (half && format !== '256' ? 16 : 8)
      // In 256 colours, panning counts half dots, so its even values are the doubled pixels.
      const panning = format === '256' ? pan & 6 : pan < 8 ? (wide ? pan * 2 : pan) : 0
      const mono = (ar[vga.AR_PLANE_ENABLE] & 0x0f) === 1
      const depth = format === '256' ? 8 : format === 'interleaved' ? 2 : mono ? 1 : 4
      const cells = { columns: 0, rows: 0, cellWidth: 8, cellHeight: 1 }
      return { format, on, width, height: lines, depth, ...cells, ...common, wide, panning }
    }

    const cellHeight = (cr[vga.CR_MAX_SCAN_LINE] & 0x1f) + 1
    const nine = !(sr[vga.SR_CLOCKING] & vga.SR01_DOTS_8)
    const cellWidth = half ? 16 : nine ? 9 : 8
    // 160 × 100 "graphics" on a CGA text mode programs 100 rows into a total of 127 lines.
    const rows = cr[vga.CR_V_TOTAL] === 100 ? 100 : Math.floor(lines / cellHeight)
    const panning = nine ? (pan < 8 ? pan + 1 : 0) : pan < 8 ? pan : 0
    const text = {
      format: 'text' as const,
      on,
      width: characters * cellWidth,
      height: rows * cellHeight,
      depth: 0,
      columns: characters,
      rows,
      cellWidth,
      cellHeight,
      ...common,
      wide: half,
      panning: half ? panning * 2 : panning,
    }
    if (characters * rows > 1 && characters * rows <= MAX_CELLS) return text
    // Half-programmed registers: nothing that could be a screen.
    return { ...text, on: false, width: 640, height: 480, columns: 0, rows: 0 }
  }

  /** Byte offset of the first cell of a text row, split screen included. */
  private textRow(s: Scanout, row: number): number {
    const line = row * s.cellHeight
    if (line <= s.lineCompare) return s.start + row * s.lineOffset
    return Math.floor((line - s.lineCompare - 1) / s.cellHeight) * s.lineOffset
  }

  /** undefined while the cursor is off. */
  private cursor(s: Scanout): Cursor | undefined {
    const { cr } = this.registers
    const firstLine = cr[vga.CR_CURSOR_START] & 0x1f
    const lastLine = Math.min(cr[vga.CR_CURSOR_END] & 0x1f, s.cellHeight - 1)
    if (cr[vga.CR_CURSOR_START] & vga.CR0A_CURSOR_OFF || firstLine > lastLine) return undefined
    const skew = (cr[vga.CR_CURSOR_END] >>> 5) & 3
    return { address: (((cr[vga.CR_CURSOR_HIGH] << 8) | cr[vga.CR_CURSOR_LOW]) + skew) * 4, firstLine, lastLine }
  }

  private drawText(s: Scanout, pixels: Int32Array): void {
    const { ar, cr, sr } = this.registers
    const { vram, mask, colors } = this
    this.loadColors16()
    // With blinking on, bit 7 of an attribute blinks its character and is no part of the background.
    const backgrounds = ar[vga.AR_MODE] & vga.AR10_BLINK ? 0x07 : 0x0f
    const lineGraphics = (ar[vga.AR_MODE] & vga.AR10_LINE_GRAPHICS) !== 0
    const underline = ar[vga.AR_MODE] & vga.AR10_MONO ? cr[vga.CR_UNDERLINE] & 0x1f : -1
    const fontB = fontOffset(sr[vga.SR_CHARACTER_MAP], 4, 0) + 2
    const fontA = fontOffset(sr[vga.SR_CHARACTER_MAP], 5, 2) + 2
    const cursor = this.cursor(s)
    const cursorAddress = cursor ? cursor.address : -1
    const dot = s.wide ? 2 : 1
    const cellDots = s.cellWidth / dot
    // A panned line shows part of one more cell.
    const line = new Int32Array(s.width + s.cellWidth)
    const columns = s.panning ? s.columns + 1 : s.columns
    const compatible = (ar[vga.AR_MODE] & vga.AR10_PANNING_COMPATIBLE) !== 0

    let row = s.start
    let scan = cr[vga.CR_PRESET_ROW_SCAN] & 0x1f
    let panning = s.panning
    for (let y = 0; y < s.height; y++) {
      if (scan >= s.cellHeight) {
        scan = 0
        row += s.lineOffset
      }
      let to = 0
      let address = row
      for (let column = 0; column < columns; column++, address += 4) {
        const at = address & mask
        const code = vram[at]
        const attribute = vram[at + 1]
        const foreground = colors[attribute & 0x0f]
        const background = colors[(attribute >>> 4) & backgrounds]
        let bits = vram[((attribute & 0x08 ? fontA : fontB) + code * GLYPH_BYTES + scan * 4) & mask] << 1
        if (cellDots === 9 && lineGraphics && code >= 0xb0 && code <= 0xdf) bits |= (bits >>> 1) & 1
        if (scan === underline && (attribute & 0x77) === 0x01) bits = 0x1ff
        if (address === cursorAddress && cursor && scan >= cursor.firstLine && scan <= cursor.lastLine) bits = 0x1ff
        for (let bit = 0x100, n = cellDots; n > 0; n--, bit >>>= 1) {
          const color = bits & bit ? foreground : background
          line[to++] = color
          if (dot === 2) line[to++] = color
        }
      }
      pixels.set(line.subarray(panning, panning + s.width), y * s.width)
      scan++
      if (y === s.lineCompare) {
        row = 0
        scan = 0
        if (compatible) panning = 0
      }
    }
  }

  /** Planar, CGA and 256-colour VGA graphics. */
  private drawDots(s: Scanout, pixels: Int32Array): void {
    const { ar, cr } = this.registers
    const mode = cr[vga.CR_MODE]
    if (s.format === '256') this.loadColors256()
    else this.loadColors16()
    const rowMask = ~mode & (vga.CR17_CMS0 | vga.CR17_SELECT_ROW_SCAN)
    // A row is so many scans of one or two lines. In CGA and Hercules modes its 2 or 4 scans lie at different
    // addresses; QEMU takes their number from CR17 alone.
    const lastScan = rowMask ? rowMask | 1 : this.extension.enabled ? 0 : cr[vga.CR_MAX_SCAN_LINE] & 0x1f
    const doubled = !this.extension.enabled && (cr[vga.CR_MAX_SCAN_LINE] & vga.CR09_DOUBLE_SCAN) !== 0
    const cgaShift = mode & vga.CR17_BYTE_MODE ? 15 : 14
    const compatible = (ar[vga.AR_MODE] & vga.AR10_PANNING_COMPATIBLE) !== 0
    const line = new Int32Array(s.width + 16)

    let row = s.start
    let scan = this.extension.enabled ? 0 : cr[vga.CR_PRESET_ROW_SCAN] & 0x1f
    let again = doubled
    let panning = s.panning
    let drawn = -1
    for (let y = 0; y < s.height; y++) {
      let address = row
      if (rowMask & vga.CR17_CMS0) address = (address & ~(1 << cgaShift)) | ((scan & 1) << cgaShift)
      if (rowMask & vga.CR17_SELECT_ROW_SCAN) address = (address & ~0x8000) | ((scan & 2) << 14)
      if (address !== drawn) {
        drawn = address
        if (s.format === 'planar') this.planarLine(address, line, s.wide)
        else if (s.format === 'interleaved') this.interleavedLine(address, line, s.wide)
        else this.line256(address, line)
      }
      pixels.set(line.subarray(panning, panning + s.width), y * s.width)
      if (again) {
        again = false
      } else {
        again = doubled
        if (scan >= lastScan) {
          scan = 0
          row += s.lineOffset
        } else {
          scan++
        }
      }
      if (y === s.lineCompare) {
        row = 0
        scan = 0
        again = doubled
        if (compatible) panning = 0
      }
    }
  }

  /** 8 dots from a byte of each plane. */
  private planarLine(address: number, line: Int32Array, wide: boolean): void {
    const { vram, mask, colors } = this
    const enable = this.registers.ar[vga.AR_PLANE_ENABLE]
    for (let to = 0; to < line.length; address += 4) {
      const at = address & mask
      const p0 = vram[at]
      const p1 = vram[at + 1] << 1
      const p2 = vram[at + 2] << 2
      const p3 = vram[at + 3] << 3
      for (let bit = 7; bit >= 0; bit--) {
        const index = ((p0 >>> bit) & 1) | ((p1 >>> bit) & 2) | ((p2 >>> bit) & 4) | ((p3 >>> bit) & 8)
        const color = colors[index & enable & 0x0f]
        line[to++] = color
        if (wide) line[to++] = color
      }
    }
  }

  /** Shift register interleave: 4 dots of 2 bits from planes 0 and 2, then 4 from planes 1 and 3. */
  private interleavedLine(address: number, line: Int32Array, wide: boolean): void {
    const { vram, mask, colors } = this
    const enable = this.registers.ar[vga.AR_PLANE_ENABLE]
    for (let to = 0; to < line.length; address += 4) {
      const at = address & mask
      for (let plane = 0; plane < 2; plane++) {
        const low = vram[at + plane]
        const high = vram[at + plane + 2]
        const planes = plane ? ((enable >>> 1) & 1) | ((enable >>> 1) & 4) : (enable & 1) | (enable & 4)
        const care = (planes & 1 ? 3 : 0) | (planes & 4 ? 12 : 0)
        for (let shift = 6; shift >= 0; shift -= 2) {
          const color = colors[(((low >>> shift) & 3) | (((high >>> shift) & 3) << 2)) & care]
          line[to++] = color
          if (wide) line[to++] = color
        }
      }
    }
  }

  private line256(address: number, line: Int32Array): void {
    const { vram, mask, colors } = this
    for (let to = 0; to < line.length; to += 2, address++) line[to] = line[to + 1] = colors[vram[address & mask]]
  }

  /** The packed-pixel modes of VBE. */
  private drawPacked(s: Scanout, pixels: Int32Array): void {
    const { vram, mask, colors, bigEndian } = this
    if (s.depth === 8) this.loadColors256()
    if (s.depth === 32 && !bigEndian) {
      this.draw32(s, pixels)
      return
    }
    const bytes = (s.depth + 7) >>> 3
    let to = 0
    for (let y = 0; y < s.height; y++) {
      let at = s.start + y * s.lineOffset
      for (const end = to + s.width; to < end; to++, at += bytes) {
        const b0 = vram[at & mask]
        if (bytes === 1) {
          pixels[to] = colors[b0]
          continue
        }
        const b1 = vram[(at + 1) & mask]
        if (bytes === 2) {
          const word = bigEndian ? (b0 << 8) | b1 : (b1 << 8) | b0
          pixels[to] = s.depth === 15 ? rgb555(word) : rgb565(word)
          continue
        }
        const b2 = vram[(at + 2) & mask]
        if (!bigEndian) pixels[to] = OPAQUE | (b0 << 16) | (b1 << 8) | b2
        else if (bytes === 3) pixels[to] = OPAQUE | (b2 << 16) | (b1 << 8) | b0
        else pixels[to] = OPAQUE | (vram[(at + 3) & mask] << 16) | (b2 << 8) | b1
      }
    }
  }

  /** Start and line offset are multiples of 4 here. */
  private draw32(s: Scanout, pixels: Int32Array): void {
    const words = this.vram32
    const wrap = words.length - 1
    let to = 0
    for (let y = 0; y < s.height; y++) {
      let from = (s.start + y * s.lineOffset) >>> 2
      for (const end = to + s.width; to < end; to++, from++) {
        const word = words[from & wrap]
        pixels[to] = OPAQUE | ((word & 0xff) << 16) | (word & 0xff00) | ((word >>> 16) & 0xff)
      }
    }
  }

  /** The 16 colours through the attribute controller's palette. */
  private loadColors16(): void {
    const { ar } = this.registers
    const select = ar[vga.AR_COLOR_SELECT]
    for (let i = 0; i < 16; i++) {
      const entry =
        ar[vga.AR_MODE] & vga.AR10_P54S
          ? ((select & 0x0f) << 4) | (ar[i] & 0x0f)
          : ((select & 0x0c) << 4) | (ar[i] & 0x3f)
      this.colors[i] = this.dac(entry)
    }
  }

  private loadColors256(): void {
    for (let i = 0; i < 256; i++) this.colors[i] = this.dac(i)
  }

  private dac(entry: number): number {
    const { palette, pelMask, dac8 } = this.registers
    const at = (entry & pelMask) * 3
    const [r, g, b] = [palette[at], palette[at + 1], palette[at + 2]]
    return dac8 ? OPAQUE | (b << 16) | (g << 8) | r : OPAQUE | (from6(b) << 16) | (from6(g) << 8) | from6(r)
  }
}

/** Character map select: two bits at `low` and one at `high` choose a font bank. */
const fontOffset = (select: number, high: number, low: number): number =>
  (((select >>> high) & 1) | (((select >>> low) & 3) << 1)) * FONT_BANK

/** Six to eight bits, the lowest bit repeated. */
export const from6 = (value: number): number => ((value & 0x3f) << 2) | (value & 1 ? 3 : 0)

const rgb555 = (word: number): number =>
  OPAQUE | ((word << 19) & 0xf80000) | ((word << 6) & 0xf800) | ((word >>> 7) & 0xf8)

/** The top bits repeated below, unlike in 15 bits: QEMU leaves this format to its pixel library. */
function rgb565(word: number): number {
  const r = word >>> 11
  const g = (word >>> 5) & 0x3f
  const b = word & 0x1f
  return OPAQUE | (((b << 3) | (b >>> 2)) << 16) | (((g << 2) | (g >>> 4)) << 8) | (r << 3) | (r >>> 2)
}
