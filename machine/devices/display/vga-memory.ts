/**
 * The VGA's window at A0000 to BFFFF: sequencer map mask and chain-4, and the graphics controller's write modes 0 to 3
 * and read modes 0 and 1 with their latches (IBM PS/2 Hardware Interface Technical Reference, "Video Memory").
 *
 * Byte `p` (plane) at plane address `a` is `vram[a * 4 + p]`. Chain-4 and odd/even addresses are packed, not sparse as
 * on IBM's adapter: chain-4 address `a` is `vram[a]`. Since the picture counts alike, every mode looks the same, and
 * the packed-pixel modes of VBE are linear. As in QEMU, chain-4 and odd/even accesses go round the graphics
 * controller's logic and leave the latches alone, GR05 bit 4 alone selects odd/even, and the RAM enable bit of
 * Miscellaneous Output is not looked at.
 */
import type { AccessSize, MmioRange, Stateful, StateTable } from '../../device.js'
import { word } from '../../state/fields.js'
import type { VgaExtension } from './vga-extension.js'
import * as vga from './vga-registers.js'

/** What to do with an access, decided when a register changes. */
const PLANAR = 0
/** Planar write mode 0 without rotation, set/reset, function and bit mask. */
const PLANAR_PLAIN = 1
const ODD_EVEN = 2
/** Odd/even on planes 0 and 1, both writable: text. */
const ODD_EVEN_TEXT = 3
const CHAIN_4 = 4
/** Chain-4 with all planes writable. */
const LINEAR = 5

/** Four plane bits to four bytes of ones. */
const PLANES = new Uint32Array(16)
for (let i = 0; i < 16; i++) {
  for (let plane = 0; plane < 4; plane++) if (i & (1 << plane)) PLANES[i] += 0xff * 2 ** (8 * plane)
}

const STATE: StateTable = { latch: word }

export class VgaWindow implements MmioRange, Stateful {
  readonly state = STATE
  readonly name = 'VGA window'
  readonly base = 0xa0000
  readonly size = 0x20000
  readonly width = 4

  /** Plane 0 in bits 7:0 to plane 3 in bits 31:24. */
  latch = 0
  private path = PLANAR
  /** The mapped part of the window, and what to add to its offsets. */
  private first = 0
  private end = 0x20000
  private bank = 0
  private mapMask = 0
  private mapMask32 = 0
  private readMap = 0
  private readMode1 = false
  private writeMode = 0
  private rotate = 0
  private setResetMask = 0
  private setReset = 0
  private function = 0
  private bitMask = 0
  private colorCompare = 0
  private colorCare = 0
  private readonly bytes: number
  private readonly vram16: Uint16Array
  private readonly vram32: Int32Array

  constructor(
    private readonly vram: Uint8Array,
    private readonly registers: vga.VgaRegisters,
    private readonly extension: VgaExtension,
  ) {
    this.bytes = vram.length
    this.vram16 = new Uint16Array(vram.buffer, vram.byteOffset, vram.length >>> 1)
    this.vram32 = new Int32Array(vram.buffer, vram.byteOffset, vram.length >>> 2)
  }

  /** A register that the window depends on has changed. */
  configure(): void {
    const { sr, gr } = this.registers
    const packed = this.extension.enabled && this.extension.bpp !== 4
    const chain4 = packed || (!this.extension.enabled && (sr[vga.SR_MEMORY_MODE] & vga.SR04_CHAIN_4) !== 0)
    this.mapMask = packed ? 0x0f : sr[vga.SR_MAP_MASK]
    this.mapMask32 = PLANES[this.mapMask] | 0
    this.readMap = gr[vga.GR_READ_MAP] & 3
    this.readMode1 = (gr[vga.GR_MODE] & vga.GR05_READ_MODE_1) !== 0
    this.writeMode = gr[vga.GR_MODE] & 3
    this.rotate = gr[vga.GR_DATA_ROTATE] & 7
    this.function = (gr[vga.GR_DATA_ROTATE] >>> 3) & 3
    this.setReset = PLANES[gr[vga.GR_SET_RESET]] | 0
    this.setResetMask = PLANES[gr[vga.GR_ENABLE_SET_RESET]] | 0
    this.bitMask = gr[vga.GR_BIT_MASK]
    this.colorCompare = PLANES[gr[vga.GR_COLOR_COMPARE]] | 0
    this.colorCare = PLANES[gr[vga.GR_COLOR_DONT_CARE]] | 0

    this.bank = 0
    switch ((gr[vga.GR_MISC] >>> 2) & 3) {
      case 0:
        this.first = 0
        this.end = 0x20000
        break
      case 1:
        this.first = 0
        this.end = 0x10000
        this.bank = this.extension.bankOffset
        break
      case 2:
        this.first = 0x10000
        this.end = 0x18000
        break
      default:
        this.first = 0x18000
        this.end = 0x20000
    }

    if (chain4) {
      this.path = this.mapMask === 0x0f ? LINEAR : CHAIN_4
    } else if (gr[vga.GR_MODE] & vga.GR05_ODD_EVEN) {
      this.path = (this.mapMask & 3) === 3 && !(this.readMap & 2) && this.bank === 0 ? ODD_EVEN_TEXT : ODD_EVEN
    } else {
      const plain = !this.writeMode && !this.rotate && !this.function && !this.setResetMask && this.bitMask === 0xff
      this.path = plain ? PLANAR_PLAIN : PLANAR
    }
  }

  read(offset: number, size: AccessSize): number {
    const { window } = this.extension
    if (window) return window.read(offset, size)
    const end = offset + size
    if (offset >= this.first && end <= this.end) {
      const address = offset - this.first + this.bank
      switch (this.path) {
        case ODD_EVEN_TEXT:
          if ((offset & 1) === 0) {
            if (size === 2) return this.vram16[address]
            if (size === 4) return (this.vram16[address] | (this.vram16[address + 2] << 16)) >>> 0
          }
          break
        case LINEAR:
        case CHAIN_4:
          if (size === 1) return this.vram[address]
          if (size === 4 && (offset & 3) === 0) return this.vram32[address >>> 2] >>> 0
          if (size === 2 && (offset & 1) === 0) return this.vram16[address >>> 1]
          break
      }
    }
    if (size === 1) return this.readByte(offset)
    let value = 0
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i)
    return value >>> 0
  }

  /** The latches stay as they are. */
  peek(offset: number): number {
    const { latch } = this
    const value = this.read(offset, 4)
    this.latch = latch
    return value
  }

  write(offset: number, value: number, size: AccessSize): void {
    const { window } = this.extension
    if (window) {
      window.write(offset, value, size)
      return
    }
    const end = offset + size
    if (offset >= this.first && end <= this.end) {
      const address = offset - this.first + this.bank
      switch (this.path) {
        case ODD_EVEN_TEXT:
          if (size === 1) {
            this.vram[((address & ~1) << 1) | (address & 1)] = value
            return
          }
          if ((offset & 1) === 0) {
            this.vram16[address] = value
            if (size === 4) this.vram16[address + 2] = value >>> 16
            return
          }
          break
        case LINEAR:
          if (size === 1) {
            this.vram[address] = value
            return
          }
          if (size === 4 && (offset & 3) === 0) {
            this.vram32[address >>> 2] = value
            return
          }
          if (size === 2 && (offset & 1) === 0) {
            this.vram16[address >>> 1] = value
            return
          }
          break
        case PLANAR_PLAIN:
          for (let i = 0; i < size; i++)
            this.writePlanes(address + i, Math.imul((value >>> (8 * i)) & 0xff, 0x01010101))
          return
      }
    }
    for (let i = 0; i < size; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff)
  }

  private readByte(offset: number): number {
    if (offset < this.first || offset >= this.end) return 0xff
    const address = offset - this.first + this.bank
    if (this.path >= CHAIN_4) return this.vram[address]
    if (this.path >= ODD_EVEN) {
      const at = ((address & ~1) << 1) | (this.readMap & 2) | (address & 1)
      return at < this.bytes ? this.vram[at] : 0xff
    }
    if (address << 2 >= this.bytes) return 0xff
    const latch = this.vram32[address]
    this.latch = latch
    if (!this.readMode1) return (latch >>> (8 * this.readMap)) & 0xff
    let differs = (latch ^ this.colorCompare) & this.colorCare
    differs |= differs >>> 16
    differs |= differs >>> 8
    return ~differs & 0xff
  }

  private writeByte(offset: number, value: number): void {
    if (offset < this.first || offset >= this.end) return
    const address = offset - this.first + this.bank
    if (this.path >= CHAIN_4) {
      if (this.mapMask & (1 << (address & 3))) this.vram[address] = value
      return
    }
    if (this.path >= ODD_EVEN) {
      const plane = (this.readMap & 2) | (address & 1)
      const at = ((address & ~1) << 1) | plane
      if (this.mapMask & (1 << plane) && at < this.bytes) this.vram[at] = value
      return
    }
    const latch = this.latch
    let data = 0
    let bitMask = this.bitMask
    switch (this.writeMode) {
      case 0:
        data = Math.imul(((value >>> this.rotate) | (value << (8 - this.rotate))) & 0xff, 0x01010101)
        data = (data & ~this.setResetMask) | (this.setReset & this.setResetMask)
        break
      case 1:
        this.writePlanes(address, latch)
        return
      case 2:
        data = PLANES[value & 0x0f] | 0
        break
      default:
        bitMask &= (value >>> this.rotate) | (value << (8 - this.rotate))
        data = this.setReset
    }
    switch (this.function) {
      case 1:
        data &= latch
        break
      case 2:
        data |= latch
        break
      case 3:
        data ^= latch
        break
    }
    const bits = Math.imul(bitMask, 0x01010101)
    this.writePlanes(address, (data & bits) | (latch & ~bits))
  }

  private writePlanes(address: number, data: number): void {
    if (address << 2 >= this.bytes) return
    const mask = this.mapMask32
    this.vram32[address] = (this.vram32[address] & ~mask) | (data & mask)
  }
}
