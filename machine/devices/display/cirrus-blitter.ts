/**
 * The BitBLT engine of the CL-GD5446 (Technical Reference Manual, chapter "BitBLT Engine"): copies, patterns, colour
 * expansion and solid fills in video memory, or from the CPU, through 16 raster operations.
 *
 * A BLT is done at once; those that wait for data from the CPU are done line by line as it comes. Every address wraps at
 * the end of video memory, for each byte, so that no width, pitch or address leads out of it.
 */
import type { Stateful, StateTable, Warn } from '../../device.js'
import { bytes, flag, integer } from '../../state/fields.js'

/** GR30: mode. */
const BACKWARDS = 0x01
const TO_SYSTEM = 0x02
const FROM_SYSTEM = 0x04
const TRANSPARENT = 0x08
const PIXEL_WIDTH = 0x30
const PATTERN = 0x40
const EXPAND = 0x80
/** GR31: status and start. */
const BUSY = 0x01
const START = 0x02
const RESET = 0x04
const FIFO_USED = 0x10
const AUTOSTART = 0x80
/** GR33: mode extensions. */
const DWORD_GRANULARITY = 0x01
const INVERT = 0x02
const SOLID_FILL = 0x04

/** What GR32 asks for, by the data book's codes; anything else leaves the destination alone. */
const RASTER_OPERATIONS: { readonly [code: number]: (s: number, d: number) => number } = {
  0: () => 0,
  5: (s, d) => s & d,
  6: (_s, d) => d,
  9: (s, d) => s & ~d,
  11: (_s, d) => ~d,
  13: (s) => s,
  14: () => 0xff,
  80: (s, d) => ~s & d,
  89: (s, d) => s ^ d,
  109: (s, d) => s | d,
  144: (s, d) => ~(s & d),
  149: (s, d) => ~(s ^ d),
  173: (s, d) => s | ~d,
  208: (s) => ~s,
  214: (s, d) => ~s | d,
  218: (s, d) => ~(s | d),
}

/** A line from the CPU is 8191 bytes and its padding at most; a pattern 256. */
const LONGEST_LINE = 8192
/** Guest time that a byte takes: what costs the host must cost the guest. */
const NS_PER_BYTE = 5

export interface CirrusBlitterOptions {
  vram: Uint8Array
  /** GR00 to GR3F as written. */
  gr: Uint8Array
  stall: (ns: number) => void
  warn: Warn
  /** It begins or ends to wait for data from the CPU, which comes through the frame buffer. */
  waiting: (on: boolean) => void
}

/** The BLT that is under way, as it was started. */
interface Blt {
  mode: number
  extension: number
  rop: (s: number, d: number) => number
  /** Bytes a pixel. */
  depth: number
  /** In bytes. */
  width: number
  height: number
  dst: number
  src: number
  dstPitch: number
  srcPitch: number
}

/** GR00 to GR3F. */
const REGISTERS = 0x40

const STATE: StateTable = {
  line: bytes(LONGEST_LINE),
  have: integer(0, LONGEST_LINE),
  active: flag,
  linesDone: integer(0, LONGEST_LINE),
  lineLength: integer(0, LONGEST_LINE),
  latched: bytes(REGISTERS),
}

export class CirrusBlitter implements Stateful {
  readonly state = STATE
  private readonly mask: number
  /** What the CPU has sent of the present line, or of the pattern. */
  private readonly line = new Uint8Array(LONGEST_LINE)
  private have = 0
  private lineLength = 0
  private linesDone = 0
  /** A BLT waits for data of the CPU's. */
  private active = false
  /** The registers as they were when it was started. */
  private readonly latched = new Uint8Array(REGISTERS)
  private blt: Blt | undefined

  constructor(private readonly options: CirrusBlitterOptions) {
    this.mask = options.vram.length - 1
  }

  /** The CPU's next bytes belong to a BLT. */
  get waits(): boolean {
    return this.active
  }

  reset(): void {
    this.options.gr[0x31] &= ~(START | BUSY | FIFO_USED)
    this.blt = undefined
    this.have = 0
    this.linesDone = 0
    const { active } = this
    this.active = false
    if (active) this.options.waiting(false)
  }

  /** A register from GR20 on was written. */
  written(index: number, before: number): void {
    const { gr } = this.options
    if (index === 0x31) {
      const value = gr[0x31]
      // Status bits are the engine's own.
      gr[0x31] = (value & ~(BUSY | FIFO_USED)) | (before & (BUSY | FIFO_USED))
      if (before & RESET && !(value & RESET)) this.reset()
      else if (value & START && !(before & START)) this.start()
    } else if (index === 0x2a && gr[0x31] & AUTOSTART) this.start()
  }

  private registers(): Blt {
    const gr = this.latched
    const word = (index: number) => gr[index] | ((gr[index + 1] & 0x1f) << 8)
    const address = (index: number) => (gr[index] | (gr[index + 1] << 8) | ((gr[index + 2] & 0x3f) << 16)) & this.mask
    const backwards = (gr[0x30] & BACKWARDS) !== 0 && !(gr[0x30] & (EXPAND | PATTERN | FROM_SYSTEM))
    return {
      mode: gr[0x30],
      extension: gr[0x33],
      rop: RASTER_OPERATIONS[gr[0x32]] ?? RASTER_OPERATIONS[0x06],
      depth: ((gr[0x30] & PIXEL_WIDTH) >>> 4) + 1,
      width: word(0x20) + 1,
      height: word(0x22) + 1,
      dst: address(0x28),
      src: address(0x2c),
      dstPitch: backwards ? -word(0x24) : word(0x24),
      srcPitch: backwards ? -word(0x26) : word(0x26),
    }
  }

  private start(): void {
    const { gr, warn, stall } = this.options
    this.reset()
    this.latched.set(gr.subarray(0, REGISTERS))
    const blt = this.registers()
    if (blt.mode & TO_SYSTEM) {
      warn('cirrus-vga: a BLT to the CPU was asked for, which this adapter cannot do', blt.mode)
      return
    }
    if (blt.mode & TRANSPARENT && !(blt.mode & EXPAND) && blt.depth > 2) {
      warn('cirrus-vga: a transparent BLT of pixels that are wider than 16 bits was asked for', blt.mode)
      return
    }
    if (!(gr[0x32] in RASTER_OPERATIONS)) warn('cirrus-vga: a raster operation that does not exist', gr[0x32])
    const fill = PATTERN | EXPAND
    if (blt.extension & SOLID_FILL && (blt.mode & (fill | TRANSPARENT)) === fill) {
      this.solidFill(blt)
    } else if (blt.mode & FROM_SYSTEM) {
      this.lineLength = this.bytesFromCpu(blt)
      this.blt = blt
      this.active = true
      gr[0x31] |= BUSY | START
      this.options.waiting(true)
      return
    } else if (blt.mode & PATTERN) {
      const size = patternBytes(blt)
      const base = blt.src & ~(size - 1)
      this.fillPattern(blt, (at) => this.options.vram[(base + at) & this.mask], blt.src & 7)
    } else {
      this.copy(blt)
    }
    stall(blt.width * blt.height * NS_PER_BYTE)
  }

  /** Of a line, or of the whole pattern. */
  private bytesFromCpu(blt: Blt): number {
    if (blt.mode & PATTERN) return patternBytes(blt)
    if (!(blt.mode & EXPAND)) return (blt.width + 3) & ~3
    const pixels = Math.ceil(blt.width / blt.depth)
    return blt.extension & DWORD_GRANULARITY ? ((pixels + 31) >>> 5) << 2 : (pixels + 7) >>> 3
  }

  /** A byte from the CPU. */
  feed(value: number): void {
    const { blt, line } = this
    if (!this.active || !blt) return
    line[this.have++] = value
    if (this.have < this.lineLength) return
    this.have = 0
    if (blt.mode & PATTERN) {
      this.fillPattern(blt, (at) => line[at], 0)
      this.options.stall(blt.width * blt.height * NS_PER_BYTE)
      this.reset()
      return
    }
    const one = { ...blt, height: 1, dst: (blt.dst + this.linesDone * blt.dstPitch) & this.mask }
    if (blt.mode & EXPAND) this.expand(one, (at) => line[at])
    else this.copyLines(one, (at) => line[at], 0, 1)
    if (++this.linesDone >= blt.height) this.reset()
  }

  private copy(blt: Blt): void {
    const { vram } = this.options
    const { mask } = this
    const read = (at: number) => vram[at & mask]
    if (blt.mode & EXPAND) this.expand(blt, (at) => read(blt.src + at))
    else this.copyLines(blt, read, blt.src, blt.mode & BACKWARDS ? -1 : 1)
  }

  private copyLines(blt: Blt, read: (at: number) => number, from: number, step: number): void {
    const { vram } = this.options
    const gr = this.latched
    const { mask } = this
    const { rop, width, depth } = blt
    const transparent = (blt.mode & TRANSPARENT) !== 0
    for (let y = 0; y < blt.height; y++) {
      const dst = blt.dst + y * blt.dstPitch
      const src = from + y * blt.srcPitch
      if (!transparent) {
        for (let x = 0; x < width; x++) {
          const to = (dst + x * step) & mask
          vram[to] = rop(read(src + x * step), vram[to])
        }
        continue
      }
      // A pixel whose result is the key colour is not written. Backwards, the address is the pixel's last byte.
      for (let x = 0; x + depth <= width; x += depth) {
        let isKey = true
        const result = [0, 0]
        for (let i = 0; i < depth; i++) {
          const at = step > 0 ? x + i : -x - (depth - 1 - i)
          result[i] = rop(read(src + at), vram[(dst + at) & mask]) & 0xff
          if (result[i] !== gr[0x34 + i]) isKey = false
        }
        if (isKey) continue
        for (let i = 0; i < depth; i++) vram[(dst + (step > 0 ? x + i : -x - (depth - 1 - i))) & mask] = result[i]
      }
    }
  }

  /** One bit a pixel, lines padded to bytes, to foreground and background. */
  private expand(blt: Blt, read: (at: number) => number): void {
    const skip = this.skippedPixels(blt)
    const stride = blt.mode & FROM_SYSTEM ? this.lineLength : (Math.ceil(blt.width / blt.depth) + 7) >>> 3
    for (let y = 0; y < blt.height; y++) {
      this.expandLine(blt, y, skip, (pixel) => read(y * stride + (pixel >>> 3)) & (0x80 >>> (pixel & 7)))
    }
  }

  private expandLine(blt: Blt, y: number, skip: number, isSet: (pixel: number) => number): void {
    const transparent = (blt.mode & TRANSPARENT) !== 0
    const invert = transparent && (blt.extension & INVERT) !== 0
    const foreground = this.colour(FOREGROUND)
    const background = this.colour(BACKGROUND)
    const dst = blt.dst + y * blt.dstPitch
    for (let pixel = skip, x = skip * blt.depth; x < blt.width; pixel++, x += blt.depth) {
      const set = (isSet(pixel) !== 0) !== invert
      if (transparent && !set) continue
      this.put(blt, dst + x, (invert ? !set : set) ? foreground : background)
    }
  }

  /** GR2F: pixels at the left of each line that are left alone; in 24 bits a pixel it counts bytes. */
  private skippedPixels({ depth }: Blt): number {
    const gr = this.latched
    return depth === 3 ? Math.floor((gr[0x2f] & 0x1f) / 3) : gr[0x2f] & 7
  }

  private fillPattern(blt: Blt, read: (at: number) => number, firstRow: number): void {
    const skip = this.skippedPixels(blt)
    const pitch = blt.depth === 3 ? 32 : 8 * blt.depth
    for (let y = 0; y < blt.height; y++) {
      const row = (firstRow + y) & 7
      if (blt.mode & EXPAND) {
        const bits = read(row)
        this.expandLine(blt, y, skip, (pixel) => bits & (0x80 >>> (pixel & 7)))
        continue
      }
      const dst = blt.dst + y * blt.dstPitch
      for (let pixel = skip, x = skip * blt.depth; x < blt.width; pixel++, x += blt.depth) {
        const at = row * pitch + (pixel & 7) * blt.depth
        for (let i = 0; i < blt.depth; i++) this.putByte(blt, dst + x + i, read(at + i))
      }
    }
  }

  private solidFill(blt: Blt): void {
    const colour = this.colour(FOREGROUND)
    for (let y = 0; y < blt.height; y++) {
      const dst = blt.dst + y * blt.dstPitch
      for (let x = 0; x < blt.width; x += blt.depth) this.put(blt, dst + x, colour)
    }
  }

  private colour(registers: readonly number[]): number[] {
    return registers.map((index) => this.latched[index])
  }

  private put(blt: Blt, at: number, colour: readonly number[]): void {
    for (let i = 0; i < blt.depth; i++) this.putByte(blt, at + i, colour[i])
  }

  private putByte({ rop }: Blt, at: number, value: number): void {
    const { vram } = this.options
    vram[at & this.mask] = rop(value, vram[at & this.mask])
  }

  loaded(): void {
    this.blt = this.active ? this.registers() : undefined
    // A line ends where its registers say.
    if (this.blt) this.lineLength = this.bytesFromCpu(this.blt)
    this.options.waiting(this.active)
  }
}

/** By byte of a pixel, the lowest first. */
const BACKGROUND = [0x00, 0x10, 0x12, 0x14]
const FOREGROUND = [0x01, 0x11, 0x13, 0x15]

/** 8 × 8 bits or pixels, those of 24 bits in lines of 32 bytes. */
function patternBytes({ mode, depth }: Blt): number {
  if (mode & EXPAND) return 8
  return depth === 3 ? 256 : 64 * depth
}
