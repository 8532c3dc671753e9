/** Pixel formats of RFB (RFC 6143, section 7.4) and pictures in them. */
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/compare-pictures.js'

export interface PixelFormat {
  /** 8, 16 or 32. */
  bitsPerPixel: number
  depth: number
  bigEndian: boolean
  /** false: pixels are numbers of colours in a map; the server's map is `COLOUR_MAP`. */
  trueColour: boolean
  max: readonly [red: number, green: number, blue: number]
  shift: readonly [red: number, green: number, blue: number]
}

/** What the server says it has: what a frame holds, with red in the lowest byte. */
export const SERVER_FORMAT: PixelFormat = {
  ...{ bitsPerPixel: 32, depth: 24, bigEndian: false, trueColour: true },
  ...{ max: [255, 255, 255], shift: [0, 8, 16] },
}

/** The 16 bytes of PIXEL_FORMAT. */
export function writePixelFormat(format: PixelFormat): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.set([format.bitsPerPixel, format.depth, Number(format.bigEndian), Number(format.trueColour)])
  format.max.forEach((max, i) => {
    bytes.writeUInt16BE(max, 4 + 2 * i)
  })
  bytes.set(format.shift, 10)
  return bytes
}

/** @throws Error with one sentence for a format that RFB does not have. */
export function readPixelFormat(bytes: Buffer): PixelFormat {
  const bitsPerPixel = bytes[0]
  if (![8, 16, 32].includes(bitsPerPixel)) throw new Error(`the viewer asks for ${bitsPerPixel} bits a pixel`)
  const trueColour = bytes[3] !== 0
  if (!trueColour && bitsPerPixel !== 8) throw new Error(`the viewer asks for a colour map of ${bitsPerPixel} bits`)
  const shift = [bytes[10], bytes[11], bytes[12]] as const
  if (trueColour && shift.some((bits) => bits >= bitsPerPixel))
    throw new Error(`the viewer asks for a shift by ${shift} in ${bitsPerPixel} bits a pixel`)
  return {
    bitsPerPixel,
    depth: bytes[1],
    bigEndian: bytes[2] !== 0,
    trueColour,
    max: [bytes.readUInt16BE(4), bytes.readUInt16BE(6), bytes.readUInt16BE(8)],
    shift,
  }
}

/** Of those who want a map: 3 bits of red, 3 of green, 2 of blue; red, green and blue of 16 bits each, as they are sent. */
export const COLOUR_MAP: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, i) =>
  [(i >> 5) / 7, ((i >> 2) & 7) / 7, (i & 3) / 3].map((part) => Math.round(part * 0xffff)),
)
const MAPPED: Pick<PixelFormat, 'max' | 'shift'> = { max: [7, 7, 3], shift: [5, 2, 0] }

/** Makes pixels of one format, to be sent as they are. */
export class PixelWriter {
  readonly bytesPerPixel: number
  /** What of a pixel ZRLE sends (RFC 6143, section 7.7.6): 32 bits of which only three bytes say something are three. */
  readonly compact: { offset: number; length: number }
  /** For each value of red, green, blue: its bits in a pixel, in the order of bytes that is sent. */
  private readonly parts: readonly Uint32Array[]

  constructor(readonly format: PixelFormat) {
    const { bitsPerPixel, bigEndian, trueColour, depth } = format
    this.bytesPerPixel = bitsPerPixel / 8
    const { max, shift } = trueColour ? format : MAPPED
    this.parts = [0, 1, 2].map((part) =>
      Uint32Array.from({ length: 256 }, (_, value) => {
        // In 16 and 32 bits shifts may lead out of the pixel: what does not fit is lost.
        const pixel = (Math.round((value * max[part]) / 255) << shift[part]) >>> 0
        if (bitsPerPixel === 8) return pixel & 0xff
        if (bitsPerPixel === 16) return bigEndian ? swap16(pixel & 0xffff) : pixel & 0xffff
        return bigEndian ? swap32(pixel) : pixel
      }),
    )
    this.compact = { offset: 0, length: this.bytesPerPixel }
    if (bitsPerPixel !== 32 || !trueColour || depth > 24) return
    const used = max.reduce((bits, most, part) => (bits | (most << shift[part])) >>> 0, 0)
    if (used <= 0xffffff) this.compact = { offset: bigEndian ? 1 : 0, length: 3 }
    else if ((used & 0xff) === 0) this.compact = { offset: bigEndian ? 0 : 1, length: 3 }
  }

  /** One RGBA pixel, as a number whose lowest byte is sent first. */
  pixel(red: number, green: number, blue: number): number {
    const [reds, greens, blues] = this.parts
    return (reds[red] | greens[green] | blues[blue]) >>> 0
  }

  /** The pixels of an area of a frame, row by row, each as `pixel` has it. Outside of the frame they are black. */
  pixels(frame: Frame, { x, y, width, height }: Area): Uint32Array {
    const result = new Uint32Array(width * height)
    const right = Math.min(x + width, frame.width)
    const bottom = Math.min(y + height, frame.height)
    const [reds, greens, blues] = this.parts
    const { data } = frame
    for (let row = y; row < bottom; row++) {
      let to = (row - y) * width
      let from = (row * frame.width + x) * 4
      for (let column = x; column < right; column++, from += 4)
        result[to++] = reds[data[from]] | greens[data[from + 1]] | blues[data[from + 2]]
    }
    return result
  }

  /** The bytes of pixels, all of each. */
  bytes(pixels: Uint32Array): Buffer {
    if (this.bytesPerPixel === 4) return Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength)
    const narrow = this.bytesPerPixel === 2 ? Uint16Array.from(pixels) : Uint8Array.from(pixels)
    return Buffer.from(narrow.buffer)
  }

  /** Puts the compact form of a pixel somewhere; returns where the next goes. */
  putCompact(to: Uint8Array, at: number, pixel: number): number {
    const { offset, length } = this.compact
    let bits = pixel >>> (8 * offset)
    for (let i = 0; i < length; i++) {
      to[at + i] = bits & 0xff
      bits >>>= 8
    }
    return at + length
  }
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8)
}

function swap32(value: number): number {
  return ((swap16(value & 0xffff) << 16) | swap16(value >>> 16)) >>> 0
}
