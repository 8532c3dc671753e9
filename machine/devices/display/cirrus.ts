/**
 * What a Cirrus Logic CL-GD5446 is beside a VGA (Technical Reference Manual): extension registers in all three files, a
 * hidden DAC register, packed pixels of 8 to 32 bits, two banks, colour-expanding writes, a pointer, and the BLT engine.
 *
 * The Bochs and QEMU lines of it count: VGABIOS and drivers are tried on those. SR06 locks nothing, as there.
 */
import type { AccessSize, StateTable, Warn } from '../../device.js'
import { bytes, integer, u8 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { CirrusBlitter } from './cirrus-blitter.js'
import type { Frame } from './display.js'
import type { ExtensionWindow, RegisterFile, VgaExtension } from './vga-extension.js'
import * as vga from './vga-registers.js'
import { from6 } from './vga-render.js'

/** CR27: class of the 5446, revision 0. */
const CHIP_ID = 0xb8

const SR_UNLOCK = 0x06
const SR_MODE = 0x07
const SR_DRAM = 0x0f
const SR_CURSOR_X = 0x10
const SR_CURSOR_Y = 0x11
const SR_CURSOR_ATTRIBUTES = 0x12
const SR_CURSOR_PATTERN = 0x13
const SR_MEMORY_SIZE = 0x15
const SR_CONFIGURATION = 0x17
const SR_MEMORY_CLOCK = 0x1f

const SR07_EXTENDED = 0x01
const SR07_DEPTH = 0x0e
const SR12_SHOW = 0x01
const SR12_HIDDEN_PALETTE = 0x02
const SR12_LARGE = 0x04
/** The BLT engine's registers are in memory, at B8000 (bit 6 clear). */
const SR17_MMIO = 0x44
const SR17_MMIO_AT_B8000 = 0x04

const GR_OFFSET_0 = 0x09
const GR_OFFSET_1 = 0x0a
const GR_EXTENSIONS = 0x0b
const GR0B_TWO_BANKS = 0x01
const GR0B_BY_8 = 0x02
const GR0B_EXTENDED_WRITES = 0x04
const GR0B_16_BITS = 0x10
const GR0B_GRANULE_16K = 0x20
const GR_BLT = 0x20
const GR_END = 0x3a

const CR_INTERLACE = 0x1a
const CR_EXTENDED = 0x1b
const CR_OVERLAY = 0x1d
const CR_FIRST = 0x19
const CR_LAST_WRITABLE = 0x1d
const CR_GRAPHICS_LATCH = 0x22
const CR_ATTRIBUTE_FLIP_FLOP = 0x24
const CR_PART_STATUS = 0x25
const CR_ATTRIBUTE_INDEX = 0x26
const CR_ID = 0x27
const CR_READ_ONLY = [CR_GRAPHICS_LATCH, CR_ATTRIBUTE_FLIP_FLOP, CR_PART_STATUS, CR_ATTRIBUTE_INDEX, CR_ID]

/** Reads of 3C6 after which the next access is the hidden DAC register's. */
const HIDDEN_DAC_READS = 4
const BANK = 0x8000
const WINDOW = 0x10000
const MMIO = 0x18000
const MMIO_SIZE = 0x100
/** The pointer's patterns are in the last 16 KiB of video memory. */
const PATTERNS = 0x4000

/** The register of the BLT engine at each byte of its memory-mapped window. */
const MMIO_REGISTERS = new Map<number, number>([
  ...[0x00, 0x10, 0x12, 0x14].map((register, i) => [i, register] as const),
  ...[0x01, 0x11, 0x13, 0x15].map((register, i) => [4 + i, register] as const),
  ...[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27].map((register, i) => [8 + i, register] as const),
  ...[0x28, 0x29, 0x2a].map((register, i) => [0x10 + i, register] as const),
  ...[0x2c, 0x2d, 0x2e, 0x2f, 0x30].map((register, i) => [0x14 + i, register] as const),
  ...[0x32, 0x33, 0x34, 0x35].map((register, i) => [0x1a + i, register] as const),
  ...[0x38, 0x39].map((register, i) => [0x20 + i, register] as const),
  [0x40, 0x31],
])

/** Bits of GR20 to GR2E that are there. */
const GR_MASK: { readonly [index: number]: number } = {
  ...Object.fromEntries([0x21, 0x23, 0x25, 0x27].map((index) => [index, 0x1f])),
  ...Object.fromEntries([0x2a, 0x2e].map((index) => [index, 0x3f])),
}

export interface CirrusOptions {
  registers: vga.VgaRegisters
  /** A power of two. */
  vram: Uint8Array
  warn: Warn
  stall: (ns: number) => void
  /** Whether frame buffer writes are data for the BLT engine. */
  waiting: (on: boolean) => void
  /** State of the VGA's attribute controller: data comes next. */
  attributeData: () => boolean
}

const STATE: StateTable = {
  sr: bytes(0x20),
  gr: bytes(0x40),
  cr: bytes(0x40),
  hiddenDac: u8,
  hiddenReads: integer(0, HIDDEN_DAC_READS + 1),
  cursorX: integer(0, 0x7ff),
  cursorY: integer(0, 0x7ff),
  hiddenColours: bytes(48),
  blitter: part(),
}

export class Cirrus implements VgaExtension {
  readonly state = STATE
  readonly indexMask = { sr: 0xff, gr: 0xff }
  readonly bankOffset = 0
  readonly blitter: CirrusBlitter
  private readonly mask: number
  private readonly vram: Uint8Array
  private readonly vga: vga.VgaRegisters
  private readonly sr = new Uint8Array(0x20)
  private readonly gr = new Uint8Array(0x40)
  private readonly cr = new Uint8Array(0x40)
  private hiddenDac = 0
  private hiddenReads = 0
  private cursorX = 0
  private cursorY = 0
  /** 16 colours of 6 bits: 0 and 15 are the pointer's. */
  private readonly hiddenColours = new Uint8Array(48)
  private readonly ownWindow: ExtensionWindow

  constructor(private readonly options: CirrusOptions) {
    this.vga = options.registers
    this.vram = options.vram
    this.mask = options.vram.length - 1
    this.blitter = new CirrusBlitter({ ...options, gr: this.gr })
    this.ownWindow = {
      read: (offset, size) => this.bytewise(size, (i) => this.readWindow(offset + i)),
      write: (offset, value, size) => {
        for (let i = 0; i < size; i++) this.writeWindow(offset + i, (value >>> (8 * i)) & 0xff)
      },
    }
    this.reset()
  }

  reset(): void {
    for (const file of [this.sr, this.gr, this.cr, this.hiddenColours]) file.fill(0)
    this.sr[SR_UNLOCK] = 0x0f
    this.sr[SR_DRAM] = 0x98
    this.sr[SR_CONFIGURATION] = 0x20
    // Two banks of 1 MiB each give 3; four MiB are one step more.
    this.sr[SR_MEMORY_SIZE] = Math.log2(this.vram.length >>> 20) + 2
    this.sr[SR_MEMORY_CLOCK] = 0x2d
    this.gr[0x18] = 0x0f
    this.cr[CR_ID] = CHIP_ID
    this.hiddenDac = 0
    this.hiddenReads = 0
    this.cursorX = 0
    this.cursorY = 0
    this.blitter.reset()
  }

  // The picture

  get enabled(): boolean {
    return (this.sr[SR_MODE] & SR07_EXTENDED) !== 0
  }

  get width(): number {
    return (this.vga.cr[vga.CR_H_DISPLAY_END] + 1) * 8
  }

  get height(): number {
    return this.vga.displayLines() * (this.cr[CR_INTERLACE] & 1 ? 2 : 1)
  }

  get bpp(): number {
    switch (this.sr[SR_MODE] & SR07_DEPTH) {
      case 0x02:
      case 0x06:
        return (this.hiddenDac & 0x0f) === 1 ? 16 : 15
      case 0x04:
        return 24
      case 0x08:
        return 32
      default:
        return 8
    }
  }

  get start(): number {
    const high = this.cr[CR_EXTENDED]
    const { cr } = this.vga
    const words = (cr[vga.CR_START_HIGH] << 8) | cr[vga.CR_START_LOW]
    const extended = ((high & 0x01) << 16) | ((high & 0x0c) << 15) | ((this.cr[CR_OVERLAY] & 0x80) << 12)
    return ((words | extended) << 2) & this.mask
  }

  get lineOffset(): number {
    return (this.vga.cr[vga.CR_OFFSET] | ((this.cr[CR_EXTENDED] & 0x10) << 4)) << 3
  }

  // Registers

  readRegister(file: RegisterFile, index: number): number | undefined {
    if (file === 'sr') {
      const register = index & 0x1f
      if (register === SR_CURSOR_X || register === SR_CURSOR_Y) return this.sr[register]
      if (index <= vga.SR_MEMORY_MODE) return undefined
      return index < this.sr.length ? this.sr[index] : this.none('read', file, index)
    }
    if (file === 'gr') {
      if (index >= GR_END) return this.none('read', file, index)
      return index <= vga.GR_ENABLE_SET_RESET || index === vga.GR_MODE || index > vga.GR_BIT_MASK
        ? this.gr[index]
        : undefined
    }
    if (index < CR_FIRST) return undefined
    if (index === CR_ATTRIBUTE_FLIP_FLOP) return this.options.attributeData() ? 0x80 : 0
    if (index === CR_ATTRIBUTE_INDEX) return this.vga.arIndex & 0x3f
    return index <= CR_LAST_WRITABLE || CR_READ_ONLY.includes(index) ? this.cr[index] : this.none('read', file, index)
  }

  writeRegister(file: RegisterFile, index: number, value: number): boolean {
    if (file === 'sr') return this.writeSequencer(index, value)
    if (file === 'gr') return this.writeGraphics(index, value)
    if (index < CR_FIRST) return false
    if (index <= CR_LAST_WRITABLE) this.cr[index] = value
    else if (!CR_READ_ONLY.includes(index)) this.none('write', file, index)
    return true
  }

  private writeSequencer(index: number, value: number): boolean {
    const register = index & 0x1f
    if (register === SR_CURSOR_X || register === SR_CURSOR_Y) {
      // The index's upper bits are the position's lowest.
      this.sr[register] = value
      const position = (value << 3) | (index >>> 5)
      if (register === SR_CURSOR_X) this.cursorX = position
      else this.cursorY = position
      return true
    }
    if (index <= vga.SR_MEMORY_MODE) return false
    if (index >= this.sr.length) this.none('write', 'sr', index)
    else if (index === SR_UNLOCK) this.sr[index] = (value & 0x17) === 0x12 ? 0x12 : 0x0f
    else if (index === SR_CONFIGURATION) this.sr[index] = (this.sr[index] & 0x38) | (value & 0xc7)
    else this.sr[index] = value
    return true
  }

  private writeGraphics(index: number, value: number): boolean {
    if (index >= GR_END) {
      this.none('write', 'gr', index)
      return true
    }
    const before = this.gr[index]
    this.gr[index] = value & (index === vga.GR_MODE ? 0x7f : (GR_MASK[index] ?? 0xff))
    if (index >= GR_BLT) this.blitter.written(index, before)
    return index > vga.GR_BIT_MASK
  }

  private none(direction: string, file: RegisterFile, index: number): number {
    this.options.warn(`cirrus-vga: ${direction} of a register that does not exist, ${file.toUpperCase()}`, index)
    return 0xff
  }

  readPelMask(): number | undefined {
    if (this.hiddenReads === HIDDEN_DAC_READS) {
      this.hiddenReads = 0
      return this.hiddenDac
    }
    this.hiddenReads++
    return undefined
  }

  writePelMask(value: number): boolean {
    const isHidden = this.hiddenReads === HIDDEN_DAC_READS
    if (isHidden) this.hiddenDac = value
    this.hiddenReads = 0
    return isHidden
  }

  dacTouched(): void {
    this.hiddenReads = 0
  }

  get hiddenPalette(): Uint8Array | undefined {
    return this.sr[SR_CURSOR_ATTRIBUTES] & SR12_HIDDEN_PALETTE ? this.hiddenColours : undefined
  }

  // The window at A0000

  get window(): ExtensionWindow | undefined {
    return this.enabled ? this.ownWindow : undefined
  }

  private bytewise(size: AccessSize, read: (i: number) => number): number {
    let value = 0
    for (let i = 0; i < size; i++) value |= read(i) << (8 * i)
    return value >>> 0
  }

  /** undefined: the bank leads past the end of video memory. */
  private bankedAddress(offset: number): number | undefined {
    const { gr } = this
    const mode = gr[GR_EXTENSIONS]
    const second = offset >= BANK
    const two = (mode & GR0B_TWO_BANKS) !== 0
    const bank = gr[two && second ? GR_OFFSET_1 : GR_OFFSET_0] << (mode & GR0B_GRANULE_16K ? 14 : 12)
    const at = bank + (two ? offset & (BANK - 1) : offset)
    if (at >= this.vram.length) return undefined
    const wide = GR0B_16_BITS | GR0B_EXTENDED_WRITES
    const shift = (mode & wide) === wide ? 4 : mode & GR0B_BY_8 ? 3 : 0
    return (at << shift) & this.mask
  }

  private readWindow(offset: number): number {
    if (offset < WINDOW) {
      const at = this.bankedAddress(offset)
      return at === undefined ? 0xff : this.vram[at]
    }
    return this.hasMmio(offset) ? this.readMmio(offset - MMIO) : 0xff
  }

  private writeWindow(offset: number, value: number): void {
    if (offset < WINDOW) {
      if (this.blitter.waits) {
        this.blitter.feed(value)
        return
      }
      const at = this.bankedAddress(offset)
      if (at !== undefined) this.writeMemory(at, value)
    } else if (this.hasMmio(offset)) this.writeMmio(offset - MMIO, value)
  }

  private hasMmio(offset: number): boolean {
    const { sr } = this
    return (sr[SR_CONFIGURATION] & SR17_MMIO) === SR17_MMIO_AT_B8000 && offset >= MMIO && offset < MMIO + MMIO_SIZE
  }

  /** Write modes 4 and 5 make eight pixels of a byte; the others of a packed frame buffer are plain. */
  writeMemory(at: number, value: number): void {
    const { vram, gr, mask } = this
    const mode = gr[vga.GR_MODE] & 7
    if ((mode !== 4 && mode !== 5) || !(gr[GR_EXTENSIONS] & GR0B_EXTENDED_WRITES)) {
      vram[at & mask] = value
      return
    }
    const bytes = gr[GR_EXTENSIONS] & GR0B_16_BITS ? 2 : 1
    for (let pixel = 0; pixel < 8; pixel++) {
      const set = (value & (0x80 >>> pixel)) !== 0
      if (!set && mode === 4) continue
      const to = at + pixel * bytes
      vram[to & mask] = gr[set ? 0x01 : 0x00]
      if (bytes === 2) vram[(to + 1) & mask] = gr[set ? 0x11 : 0x10]
    }
  }

  /** The frame buffer takes accesses as they are, without expansion and waiting BLTs. */
  get isPlain(): boolean {
    return !this.blitter.waits && !((this.gr[vga.GR_MODE] & 6) === 4 && this.gr[GR_EXTENSIONS] & 0x06)
  }

  /** The BLT engine's registers in memory. */
  readMmio(offset: number): number {
    const register = MMIO_REGISTERS.get(offset)
    if (register === undefined) return this.noMmio('read', offset)
    return this.gr[register]
  }

  writeMmio(offset: number, value: number): void {
    const register = MMIO_REGISTERS.get(offset)
    if (register === undefined) this.noMmio('write', offset)
    else this.writeGraphics(register, value)
  }

  private noMmio(direction: string, offset: number): number {
    this.options.warn(`cirrus-vga: ${direction} of a BLT register in memory that does not exist`, offset)
    return 0xff
  }

  // The pointer

  get overlay(): { from: number; length: number } | undefined {
    if (!(this.sr[SR_CURSOR_ATTRIBUTES] & SR12_SHOW)) return undefined
    const large = (this.sr[SR_CURSOR_ATTRIBUTES] & SR12_LARGE) !== 0
    const pattern = (this.sr[SR_CURSOR_PATTERN] & (large ? 0x3c : 0x3f)) * 256
    return { from: this.vram.length - PATTERNS + pattern, length: large ? 1024 : 256 }
  }

  drawOver({ width, height, data }: Frame): void {
    const { overlay, vram, hiddenColours } = this
    if (!overlay) return
    const large = overlay.length === 1024
    const size = large ? 64 : 32
    // Large: each line's two planes beside each other; small: one plane after the other.
    const [line, plane] = large ? [16, 8] : [4, 128]
    for (let y = 0; y < size && this.cursorY + y < height; y++) {
      for (let x = 0; x < size && this.cursorX + x < width; x++) {
        const at = overlay.from + y * line + (x >>> 3)
        const bit = 0x80 >>> (x & 7)
        const first = (vram[at] & bit) !== 0
        const second = (vram[at + plane] & bit) !== 0
        if (!first && !second) continue
        const to = ((this.cursorY + y) * width + this.cursorX + x) * 4
        for (let c = 0; c < 3; c++) {
          const colour = hiddenColours[(first ? 45 : 0) + c]
          data[to + c] = second ? from6(colour) : data[to + c] ^ 0xff
        }
      }
    }
  }
}
