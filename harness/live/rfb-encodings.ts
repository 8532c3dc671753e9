/** Rectangles of a picture as RFB sends them: Raw, Zlib (community specification, section 7.7.9) and ZRLE (RFC 6143, 7.7.6). */
import { constants, createDeflate, type Deflate } from 'node:zlib'
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/compare-pictures.js'
import type { PixelWriter } from './rfb-pixels.js'

export const ENCODINGS = { raw: 0, zlib: 6, zrle: 16 } as const
export type Encoding = keyof typeof ENCODINGS

/** Best first. */
const PREFERRED: readonly Encoding[] = ['zrle', 'zlib', 'raw']

/** Raw is what every viewer must know. */
export function chooseEncoding(numbers: readonly number[]): Encoding {
  return PREFERRED.find((encoding) => numbers.includes(ENCODINGS[encoding])) ?? 'raw'
}

/** Of ZRLE, pixels each way. */
const TILE = 64
/** Pixels that are encoded in one go: those of a full HD screen, some tenths of a second. */
const MAX_AT_ONCE = 1 << 21
const MAX_PALETTE = 16
// Subencodings of ZRLE; 2 to 16 is a packed palette of so many colours.
const RAW_TILE = 0
const SOLID_TILE = 1

/** A vast area in pieces: between them the process sees to the run, to other viewers and to its clock. */
export function bands(area: Area): Area[] {
  const rows = Math.max(TILE, Math.floor(MAX_AT_ONCE / area.width / TILE) * TILE)
  return Array.from({ length: Math.ceil(area.height / rows) }, (_, i) => ({
    ...area,
    y: area.y + i * rows,
    height: Math.min(rows, area.height - i * rows),
  }))
}

/** Encodes for one viewer: the compressed streams go on from rectangle to rectangle. */
export class RectangleEncoder {
  private readonly streams = new Map<Encoding, Compressor>()

  /** The rectangle without its header. One at a time. */
  async encode(encoding: Encoding, frame: Frame, area: Area, writer: PixelWriter): Promise<Buffer[]> {
    if (encoding === 'raw') return [writer.bytes(writer.pixels(frame, area))]
    const plain = encoding === 'zlib' ? writer.bytes(writer.pixels(frame, area)) : zrleTiles(frame, area, writer)
    const stream = this.streams.get(encoding) ?? new Compressor()
    this.streams.set(encoding, stream)
    const packed = await stream.compress(plain)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(packed.length)
    return [length, packed]
  }

  close(): void {
    for (const stream of this.streams.values()) stream.close()
  }
}

/** One zlib stream, flushed after every piece. */
class Compressor {
  private readonly deflate: Deflate = createDeflate({ level: 3 })
  private pieces: Buffer[] = []

  constructor() {
    this.deflate.on('data', (piece: Buffer) => this.pieces.push(piece))
  }

  compress(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.deflate.once('error', reject)
      this.deflate.write(bytes)
      this.deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.deflate.off('error', reject)
        const packed = Buffer.concat(this.pieces)
        this.pieces = []
        resolve(packed)
      })
    })
  }

  close(): void {
    this.deflate.close()
  }
}

function zrleTiles(frame: Frame, area: Area, writer: PixelWriter): Buffer {
  // No form of a tile is longer than its pixels and one byte.
  const tiles = Math.ceil(area.width / TILE) * Math.ceil(area.height / TILE)
  const bytes = Buffer.alloc(area.width * area.height * writer.compact.length + tiles)
  let at = 0
  for (let y = area.y; y < area.y + area.height; y += TILE) {
    for (let x = area.x; x < area.x + area.width; x += TILE) {
      const width = Math.min(TILE, area.x + area.width - x)
      const height = Math.min(TILE, area.y + area.height - y)
      at = putTile(bytes, at, writer.pixels(frame, { x, y, width, height }), width, writer)
    }
  }
  return bytes.subarray(0, at)
}

function putTile(bytes: Buffer, start: number, pixels: Uint32Array, width: number, writer: PixelWriter): number {
  const palette = paletteOf(pixels)
  let at = start
  if (!palette || palette.size === pixels.length) {
    bytes[at++] = RAW_TILE
    for (const pixel of pixels) at = writer.putCompact(bytes, at, pixel)
    return at
  }
  if (palette.size === 1) {
    bytes[at++] = SOLID_TILE
    return writer.putCompact(bytes, at, pixels[0])
  }
  bytes[at++] = palette.size
  for (const pixel of palette.keys()) at = writer.putCompact(bytes, at, pixel)
  const bits = palette.size === 2 ? 1 : palette.size <= 4 ? 2 : 4
  for (let row = 0; row < pixels.length; row += width) {
    let packed = 0
    let free = 8
    for (let i = row; i < row + width; i++) {
      free -= bits
      packed |= (palette.get(pixels[i]) as number) << free
      if (free > 0) continue
      bytes[at++] = packed
      packed = 0
      free = 8
    }
    if (free < 8) bytes[at++] = packed
  }
  return at
}

/** Colours to their numbers; undefined where there are too many. */
function paletteOf(pixels: Uint32Array): Map<number, number> | undefined {
  const palette = new Map<number, number>()
  let last = -1
  for (const pixel of pixels) {
    if (pixel === last) continue
    last = pixel
    if (palette.has(pixel)) continue
    if (palette.size === MAX_PALETTE) return undefined
    palette.set(pixel, palette.size)
  }
  return palette
}
