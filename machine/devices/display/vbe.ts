/**
 * Bochs VBE extensions ("DISPI", Bochs' vbe_display_api.txt; QEMU's `VGA`): a 16-bit index port 1CE and a data port
 * 1CF/1D0 that turn the VGA into a packed-pixel frame buffer of any size.
 *
 * A write never fails: values that do not fit are clipped, and reading them back shows what the adapter took.
 */
import type { Clock } from '../../clock.js'
import type { StateTable } from '../../device.js'
import { integer, list, starts, u16 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'
import type { VgaExtension } from './vga-extension.js'
import * as vga from './vga-registers.js'

export const DISPI_ID = 0
export const DISPI_XRES = 1
export const DISPI_YRES = 2
export const DISPI_BPP = 3
export const DISPI_ENABLE = 4
export const DISPI_BANK = 5
export const DISPI_VIRT_WIDTH = 6
export const DISPI_VIRT_HEIGHT = 7
export const DISPI_X_OFFSET = 8
export const DISPI_Y_OFFSET = 9
export const DISPI_VIDEO_MEMORY_64K = 10
const REGISTERS = 10

export const DISPI_ID0 = 0xb0c0
export const DISPI_ID5 = 0xb0c5

export const DISPI_ENABLED = 0x01
export const DISPI_GETCAPS = 0x02
export const DISPI_8BIT_DAC = 0x20
/** The frame buffer of this adapter is always linear at BAR0; the bit is kept, but changes nothing. */
export const DISPI_LFB_ENABLED = 0x40
export const DISPI_NOCLEARMEM = 0x80

const MAX_XRES = 16000
const MAX_YRES = 12000
const MAX_BPP = 32

/** Bytes of video memory that are cleared in a ns. */
const CLEARED_PER_NS = 16

/** In the video memory. */
const OFFSET = integer(0, 0x100_0000)

const STATE: StateTable = {
  registers: starts(list(u16, REGISTERS), 0),
  ...{ index: starts(u16, 0), bankOffset: starts(OFFSET, 0), lineOffset: starts(OFFSET, 0), start: starts(OFFSET, 0) },
}

export class BochsVbe implements VgaExtension {
  readonly state = STATE
  readonly registers = new Uint16Array(REGISTERS)
  index = 0
  /** Byte offset of the 64 KiB window at A0000 (times four in planar modes). */
  bankOffset = 0
  /** Bytes from one line to the next; planar modes count all four planes. */
  lineOffset = 0
  /** First byte shown, a multiple of 4. */
  start = 0

  constructor(
    private readonly vga: vga.VgaRegisters,
    private readonly vram: Uint8Array,
    private readonly clock: Clock,
  ) {}

  get enabled(): boolean {
    return (this.registers[DISPI_ENABLE] & DISPI_ENABLED) !== 0
  }

  get width(): number {
    return this.registers[DISPI_XRES]
  }

  get height(): number {
    return this.registers[DISPI_YRES]
  }

  get bpp(): number {
    return this.registers[DISPI_BPP]
  }

  reset(): void {
    resetState(this)
    this.registers[DISPI_ID] = DISPI_ID5
  }

  read(): number {
    const index = this.index
    if (index === DISPI_VIDEO_MEMORY_64K) return this.vram.length >>> 16
    if (index >= REGISTERS) return 0
    if (this.registers[DISPI_ENABLE] & DISPI_GETCAPS) {
      if (index === DISPI_XRES) return MAX_XRES
      if (index === DISPI_YRES) return MAX_YRES
      if (index === DISPI_BPP) return MAX_BPP
    }
    return this.registers[index]
  }

  write(value: number): void {
    const registers = this.registers
    switch (this.index) {
      case DISPI_ID:
        if (value >= DISPI_ID0 && value <= DISPI_ID5) registers[DISPI_ID] = value
        break
      case DISPI_XRES:
      case DISPI_YRES:
      case DISPI_BPP:
      case DISPI_VIRT_WIDTH:
      case DISPI_X_OFFSET:
      case DISPI_Y_OFFSET:
        registers[this.index] = value
        this.clip()
        this.overrideVga()
        break
      case DISPI_BANK:
        registers[DISPI_BANK] = value & ((this.vram.length >>> 16) - 1)
        this.bankOffset = registers[DISPI_BANK] << 16
        break
      case DISPI_ENABLE:
        if (value & DISPI_ENABLED && !this.enabled) {
          registers[DISPI_VIRT_WIDTH] = 0
          registers[DISPI_X_OFFSET] = 0
          registers[DISPI_Y_OFFSET] = 0
          registers[DISPI_ENABLE] |= DISPI_ENABLED
          this.clip()
          this.overrideVga()
          if (!(value & DISPI_NOCLEARMEM)) {
            const size = this.height * this.lineOffset
            this.vram.fill(0, 0, size)
            this.clock.stall(size / CLEARED_PER_NS)
          }
        } else {
          this.bankOffset = 0
        }
        this.vga.dac8 = (value & DISPI_8BIT_DAC) !== 0
        registers[DISPI_ENABLE] = value
        break
      // VIRT_HEIGHT follows from the memory size; the rest does not exist.
    }
  }

  /** A state whose registers fit neither each other nor the memory would ask for a picture of any size. */
  loaded(): void {
    this.clip()
  }

  /** Fits the registers to each other and to the memory. */
  private clip(): void {
    if (!this.enabled) return
    const r = this.registers
    const bpp = r[DISPI_BPP]
    if (bpp !== 4 && bpp !== 15 && bpp !== 16 && bpp !== 24 && bpp !== 32) r[DISPI_BPP] = 8
    const bits = bpp === 15 ? 16 : r[DISPI_BPP]

    r[DISPI_XRES] = Math.min(Math.max(r[DISPI_XRES] & ~7, 8), MAX_XRES)
    r[DISPI_VIRT_WIDTH] = Math.min(Math.max(r[DISPI_VIRT_WIDTH] & ~7, r[DISPI_XRES]), MAX_XRES)
    this.lineOffset = (r[DISPI_VIRT_WIDTH] * bits) >>> 3
    const lines = Math.floor(this.vram.length / this.lineOffset)
    r[DISPI_YRES] = Math.min(Math.max(r[DISPI_YRES], 1), MAX_YRES, lines)
    r[DISPI_VIRT_HEIGHT] = lines

    r[DISPI_X_OFFSET] = Math.min(r[DISPI_X_OFFSET], MAX_XRES)
    r[DISPI_Y_OFFSET] = Math.min(r[DISPI_Y_OFFSET], MAX_YRES)
    const shown = r[DISPI_YRES] * this.lineOffset
    let offset = ((r[DISPI_X_OFFSET] * bits) >>> 3) + r[DISPI_Y_OFFSET] * this.lineOffset
    if (offset + shown > this.vram.length) {
      r[DISPI_Y_OFFSET] = 0
      offset = (r[DISPI_X_OFFSET] * bits) >>> 3
      if (offset + shown > this.vram.length) {
        r[DISPI_X_OFFSET] = 0
        offset = 0
      }
    }
    this.start = offset & ~3
  }

  /** While enabled, the VGA registers show the mode, whatever the guest writes to them. */
  overrideVga(): void {
    if (!this.enabled) return
    const { gr, cr } = this.vga
    gr[vga.GR_MISC] = (gr[vga.GR_MISC] & ~0x0c) | 0x04 | vga.GR06_GRAPHICS
    gr[vga.GR_MODE] = (gr[vga.GR_MODE] & ~0x60) | (this.bpp === 4 ? 0 : 2 << vga.GR05_SHIFT)
    cr[vga.CR_MODE] |= vga.CR17_CMS0 | vga.CR17_SELECT_ROW_SCAN
    cr[vga.CR_OFFSET] = this.lineOffset >>> 3
    cr[vga.CR_H_DISPLAY_END] = (this.width >>> 3) - 1
    const last = this.height - 1
    cr[vga.CR_V_DISPLAY_END] = last
    cr[vga.CR_LINE_COMPARE] = 0xff
    cr[vga.CR_OVERFLOW] = (cr[vga.CR_OVERFLOW] & ~0x42) | ((last >>> 7) & 0x02) | ((last >>> 3) & 0x40) | 0x10
    cr[vga.CR_MAX_SCAN_LINE] = (cr[vga.CR_MAX_SCAN_LINE] & ~0x9f) | 0x40
  }
}
