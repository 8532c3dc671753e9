/**
 * The core of every display adapter here: a VGA (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem";
 * FreeVGA). What an adapter has beside it is its extension (`vga-extension.ts`); it makes its own ports and PCI side.
 *
 * Where it and QEMU's differ, guests and screenshots decide for QEMU: register masks, palette writes while the display is
 * on, the screen-off bit of SR01 (not honoured), Input Status 0 (always 0). The pel mask (3C6) and Input Status 1's
 * timing are the hardware's.
 */
import type { Clock } from '../../clock.js'
import type { Device, MmioRange, PortRange, StateTable, Warn } from '../../device.js'
import { bytes, flag, integer, starts, u8 } from '../../state/fields.js'
import { part, resetState } from '../../state/state-table.js'
import type { Display, DisplayMode, Frame, TextScreen } from './display.js'
import type { RegisterFile, VgaExtension } from './vga-extension.js'
import { VgaWindow } from './vga-memory.js'
import * as vga from './vga-registers.js'
import { VgaRenderer } from './vga-render.js'
import { VgaTiming } from './vga-timing.js'

/** Writable bits of the sequencer's and the graphics controller's registers. */
const SR_MASK = [0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff]
const GR_MASK = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0, 0, 0, 0, 0, 0, 0]
/** Of the attribute controller: 16 palette registers, then AR10 to AR14. */
const AR_MASK = [...new Array<number>(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f]

/** What 3C7 reads: the DAC's last address went to the read or to the write register. */
const DAC_READ = 3
const DAC_WRITE = 0

export interface VgaOptions<E extends VgaExtension> {
  name: string
  extension: (core: { registers: vga.VgaRegisters }) => E
  clock: Clock
  warn: Warn
  /**
   * Video memory, a power of two from 256 KiB to 16 MiB; its `byteOffset` is a multiple of 4. The guest may write
   * to it directly (the linear frame buffer, BAR0).
   */
  vram: Uint8Array
}

export const VGA_STATE: StateTable = {
  ...{ registers: part(), extension: part(), window: part() },
  ...{ srIndex: starts(u8, 0), grIndex: starts(u8, 0), crIndex: starts(u8, 0), arData: starts(flag, false) },
  ...{ dacState: starts(integer(DAC_WRITE, DAC_READ), DAC_WRITE), dacReadIndex: starts(u8, 0) },
  ...{ dacWriteIndex: starts(u8, 0), dacComponent: starts(integer(0, 2), 0), dacLatch: starts(bytes(3), 0) },
}

export abstract class VgaCore<E extends VgaExtension = VgaExtension> implements Device, Display {
  readonly name: string
  readonly display = this
  readonly state: StateTable = VGA_STATE
  abstract readonly ports: readonly PortRange[]
  readonly mmio: readonly MmioRange[]
  /** 3B4 to 3DA. */
  protected readonly vgaPorts: readonly PortRange[]

  protected readonly clock: Clock
  protected readonly warn: Warn
  protected readonly vram: Uint8Array
  protected readonly registers = new vga.VgaRegisters()
  protected readonly extension: E
  private readonly window: VgaWindow
  private readonly timing: VgaTiming
  protected readonly renderer: VgaRenderer

  private srIndex = 0
  private grIndex = 0
  private crIndex = 0
  /** 3C0 takes data next, not an index. */
  protected arData = false
  private dacState = DAC_WRITE
  private dacReadIndex = 0
  private dacWriteIndex = 0
  /** Which of red, green, blue comes next. */
  private dacComponent = 0
  private readonly dacLatch = new Uint8Array(3)

  /** A register that the picture depends on has changed since generation() was asked. */
  protected dirty = true
  private generations = 0

  /** Throws a RangeError when `vram` does not have a size or alignment as above. */
  constructor(options: VgaOptions<E>) {
    const { vram } = options
    const bytes = vram.length
    if (bytes < 0x40000 || bytes > 0x1000000 || bytes & (bytes - 1) || vram.byteOffset & 3) {
      throw new RangeError(`video memory of ${bytes} bytes at ${vram.byteOffset}: not a power of two, or not aligned`)
    }
    this.name = options.name
    this.clock = options.clock
    this.warn = options.warn
    this.vram = vram
    this.extension = options.extension({ registers: this.registers })
    this.window = new VgaWindow(vram, this.registers, this.extension)
    this.timing = new VgaTiming(this.registers, this.extension)
    this.renderer = new VgaRenderer(vram, this.registers, this.extension)

    const range = (name: string, base: number, count: number): PortRange => ({
      name,
      base,
      count,
      read: (offset) => this.readPort(base + offset),
      write: (offset, value) => this.writePort(base + offset, value),
    })
    this.vgaPorts = [
      range('VGA CRTC (mono)', 0x3b4, 2),
      range('VGA status (mono)', 0x3ba, 1),
      range('VGA', 0x3c0, 16),
      range('VGA CRTC (colour)', 0x3d4, 2),
      range('VGA status (colour)', 0x3da, 1),
    ]
    this.mmio = [this.window]
  }

  /** RESET# and power-on alike: registers go to 0, video memory stays. */
  reset(): void {
    this.registers.reset()
    this.window.latch = 0
    resetState(this)
    this.changed()
  }

  mode(): DisplayMode {
    return this.renderer.mode()
  }

  frame(): Frame {
    const frame = this.renderer.frame()
    if (this.extension.enabled) this.extension.drawOver?.(frame)
    return frame
  }

  text(): TextScreen | undefined {
    return this.renderer.text()
  }

  /**
   * Grows when a register of the picture was written with a new value, or when the checksum of the video memory that
   * is shown differs from that of the last call. So writes by any way count (window, frame buffer, DMA), writes
   * that cannot be seen do not; and each call costs a pass over the visible memory (some 0.05 ms for VGA modes, 1 ms
   * for 1024 × 768 × 32).
   */
  generation(): number {
    const memory = this.renderer.memoryChanged()
    if (this.dirty || memory) {
      this.dirty = false
      this.generations++
    }
    return this.generations
  }

  protected changed(): void {
    this.dirty = true
    this.timing.stale = true
    this.window.configure()
  }

  // Ports 3B4 to 3DA

  protected readPort(port: number): number {
    const { registers } = this
    switch (port) {
      case 0x3c0:
        return this.arData ? 0 : registers.arIndex
      case 0x3c1:
        return (registers.arIndex & 0x1f) < AR_MASK.length ? registers.ar[registers.arIndex & 0x1f] : 0
      case 0x3c2:
        return 0
      case 0x3c4:
        return this.srIndex
      case 0x3c5:
        return this.read('sr', this.srIndex)
      case 0x3c6:
        return this.extension.readPelMask?.() ?? registers.pelMask
      case 0x3c7:
        return this.dacState
      case 0x3c8:
        this.extension.dacTouched?.()
        return this.dacWriteIndex
      case 0x3c9:
        this.extension.dacTouched?.()
        return this.readDac()
      case 0x3ca:
        return registers.featureControl
      case 0x3cc:
        return registers.misc
      case 0x3ce:
        return this.grIndex
      case 0x3cf:
        return this.read('gr', this.grIndex)
      case 0x3b4:
      case 0x3d4:
        return this.decodes(port) ? this.crIndex : 0xff
      case 0x3b5:
      case 0x3d5:
        return this.decodes(port) ? this.read('cr', this.crIndex) : 0xff
      case 0x3ba:
      case 0x3da:
        if (!this.decodes(port)) return 0xff
        this.arData = false
        return this.timing.status(this.clock.now())
      default:
        return 0
    }
  }

  protected writePort(port: number, value: number): void {
    const { registers } = this
    switch (port) {
      case 0x3c0:
        this.writeAttribute(value)
        break
      case 0x3c2:
        if (registers.misc === (value & ~0x10)) break
        registers.misc = value & ~0x10
        this.timing.stale = true
        break
      case 0x3c4:
        this.srIndex = value & (this.extension.indexMask?.sr ?? 7)
        break
      case 0x3c5:
        this.set('sr', this.srIndex, value, SR_MASK)
        break
      case 0x3c6:
        if (this.extension.writePelMask?.(value)) {
          this.changed()
          break
        }
        if (registers.pelMask !== value) this.dirty = true
        registers.pelMask = value
        break
      case 0x3c7:
        this.dacReadIndex = value
        this.dacComponent = 0
        this.dacState = DAC_READ
        break
      case 0x3c8:
        this.dacWriteIndex = value
        this.dacComponent = 0
        this.dacState = DAC_WRITE
        break
      case 0x3c9:
        this.writeDac(value)
        break
      case 0x3ce:
        this.grIndex = value & (this.extension.indexMask?.gr ?? 0x0f)
        break
      case 0x3cf:
        this.set('gr', this.grIndex, value, GR_MASK)
        break
      case 0x3b4:
      case 0x3d4:
        if (this.decodes(port)) this.crIndex = value
        break
      case 0x3b5:
      case 0x3d5:
        if (this.decodes(port)) this.writeCrtc(value)
        break
      case 0x3ba:
      case 0x3da:
        if (this.decodes(port)) registers.featureControl = value & 0x10
        break
    }
  }

  /** Miscellaneous Output bit 0 moves the CRTC between 3Bx and 3Dx. */
  private decodes(port: number): boolean {
    return ((this.registers.misc & vga.MISC_COLOR) !== 0) === port >= 0x3d0
  }

  private read(file: RegisterFile, index: number): number {
    return this.extension.readRegister?.(file, index) ?? this.registers[file][index]
  }

  private set(file: 'sr' | 'gr', index: number, written: number, masks: readonly number[]): void {
    if (this.extension.writeRegister?.(file, index, written)) {
      this.changed()
      return
    }
    const registers = this.registers[file]
    const value = written & masks[index]
    if (registers[index] === value) return
    registers[index] = value
    this.extension.overrideVga?.()
    this.changed()
  }

  private writeAttribute(value: number): void {
    const { registers } = this
    if (this.arData) {
      const index = registers.arIndex & 0x1f
      if (index < AR_MASK.length && registers.ar[index] !== (value & AR_MASK[index])) {
        registers.ar[index] = value & AR_MASK[index]
        this.dirty = true
      }
    } else {
      if ((registers.arIndex ^ value) & vga.AR_INDEX_PAS) this.dirty = true
      registers.arIndex = value & 0x3f
    }
    this.arData = !this.arData
  }

  private writeCrtc(value: number): void {
    const { cr } = this.registers
    const index = this.crIndex
    if (index <= vga.CR_OVERFLOW && cr[vga.CR_V_RETRACE_END] & vga.CR11_PROTECT) {
      if (index !== vga.CR_OVERFLOW) return
      value = (cr[vga.CR_OVERFLOW] & ~0x10) | (value & 0x10)
    }
    if (this.extension.writeRegister?.('cr', index, value)) {
      this.changed()
      return
    }
    if (cr[index] === value) return
    cr[index] = value
    this.dirty = true
    this.timing.stale = true
    this.extension.overrideVga?.()
  }

  private readDac(): number {
    const { dac8 } = this.registers
    const palette = this.extension.hiddenPalette ?? this.registers.palette
    const value = palette[(this.dacReadIndex * 3 + this.dacComponent) % palette.length]
    if (++this.dacComponent === 3) {
      this.dacComponent = 0
      this.dacReadIndex = (this.dacReadIndex + 1) & 0xff
    }
    return dac8 ? value : value & 0x3f
  }

  /** A colour takes effect with its third component. */
  private writeDac(value: number): void {
    this.extension.dacTouched?.()
    this.dacLatch[this.dacComponent] = value
    if (++this.dacComponent < 3) return
    const palette = this.extension.hiddenPalette ?? this.registers.palette
    palette.set(this.dacLatch, (this.dacWriteIndex * 3) % palette.length)
    this.dirty = true
    this.dacComponent = 0
    this.dacWriteIndex = (this.dacWriteIndex + 1) & 0xff
  }

  loaded(): void {
    this.changed()
  }
}
