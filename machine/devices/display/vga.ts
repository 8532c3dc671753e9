/**
 * The PC's standard display adapter: a VGA (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem";
 * FreeVGA) with the Bochs VBE extensions, as QEMU's `VGA` (PCI 1234:1111, docs/specs/standard-vga.txt).
 *
 * Where the two differ, guests and screenshots decide for QEMU: register masks, palette writes while the display is
 * on, the screen-off bit of SR01 (not honoured), Input Status 0 (always 0). The pel mask (3C6) and Input Status 1's
 * timing are the hardware's.
 */
import type { Clock } from '../../clock.js'
import type { AccessSize, Device, MmioRange, PortRange, StateTable, Warn } from '../../device.js'
import { bytes, flag, integer, starts, u8 } from '../../state/fields.js'
import { part, resetState } from '../../state/state-table.js'
import type { Display, DisplayMode, Frame, TextScreen } from './display.js'
import { edid } from './edid.js'
import { BochsVbe, DISPI_VIDEO_MEMORY_64K } from './vbe.js'
import { VgaWindow } from './vga-memory.js'
import * as vga from './vga-registers.js'
import { VgaRenderer } from './vga-render.js'
import { VgaTiming } from './vga-timing.js'

/** Writable bits of the sequencer's and the graphics controller's registers. */
const SR_MASK = [0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff]
const GR_MASK = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0, 0, 0, 0, 0, 0, 0]
/** Of the attribute controller: 16 palette registers, then AR10 to AR14. */
const AR_MASK = [...new Array<number>(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f]

/** The MMIO BAR: EDID, VGA ports from 3C0 on, DISPI registers, QEMU's extended registers. */
const BAR_EDID_END = 0x400
const BAR_VGA = 0x400
const BAR_VGA_END = 0x420
const BAR_DISPI = 0x500
const BAR_DISPI_END = BAR_DISPI + 2 * (DISPI_VIDEO_MEMORY_64K + 1)
const BAR_EXTENDED_SIZE = 0x600
const BAR_BYTE_ORDER = 0x604
const LITTLE_ENDIAN = 0x1e1e1e1e
const BIG_ENDIAN = 0xbebebebe

/** What 3C7 reads: the DAC's last address went to the read or to the write register. */
const DAC_READ = 3
const DAC_WRITE = 0

/** The monitor's preferred mode. */
const MONITOR_WIDTH = 1280
const MONITOR_HEIGHT = 800

export interface VgaOptions {
  clock: Clock
  warn: Warn
  /**
   * Video memory, a power of two from 256 KiB to 16 MiB; its `byteOffset` is a multiple of 4. The guest may write
   * to it directly (the linear frame buffer, BAR0).
   */
  vram: Uint8Array
}

const STATE: StateTable = {
  ...{ registers: part(), vbe: part(), window: part(), bigEndian: starts(flag, false) },
  ...{ srIndex: starts(u8, 0), grIndex: starts(u8, 0), crIndex: starts(u8, 0), arData: starts(flag, false) },
  ...{ dacState: starts(integer(DAC_WRITE, DAC_READ), DAC_WRITE), dacReadIndex: starts(u8, 0) },
  ...{ dacWriteIndex: starts(u8, 0), dacComponent: starts(integer(0, 2), 0), dacLatch: starts(bytes(3), 0) },
}

export class Vga implements Device, Display {
  readonly name = 'VGA'
  readonly state = STATE
  readonly display = this
  readonly ports: readonly PortRange[]
  readonly mmio: readonly MmioRange[]
  /** The handler of BAR2 (4096 bytes); offsets count from the BAR's address. */
  readonly mmioBar: Omit<MmioRange, 'base'>

  private readonly clock: Clock
  private readonly warn: Warn
  private readonly vram: Uint8Array
  private readonly registers = new vga.VgaRegisters()
  private readonly vbe: BochsVbe
  private readonly window: VgaWindow
  private readonly timing: VgaTiming
  private readonly renderer: VgaRenderer
  private readonly edid = edid(MONITOR_WIDTH, MONITOR_HEIGHT)

  private srIndex = 0
  private grIndex = 0
  private crIndex = 0
  /** 3C0 takes data next, not an index. */
  private arData = false
  private dacState = DAC_WRITE
  private dacReadIndex = 0
  private dacWriteIndex = 0
  /** Which of red, green, blue comes next. */
  private dacComponent = 0
  private readonly dacLatch = new Uint8Array(3)

  /** A register that the picture depends on has changed since generation() was asked. */
  private dirty = true
  private generations = 0

  /** Throws a RangeError when `vram` does not have a size or alignment as above. */
  constructor(options: VgaOptions) {
    const { vram } = options
    const bytes = vram.length
    if (bytes < 0x40000 || bytes > 0x1000000 || bytes & (bytes - 1) || vram.byteOffset & 3) {
      throw new RangeError(`video memory of ${bytes} bytes at ${vram.byteOffset}: not a power of two, or not aligned`)
    }
    this.clock = options.clock
    this.warn = options.warn
    this.vram = vram
    this.vbe = new BochsVbe(this.registers, vram, this.clock)
    this.window = new VgaWindow(vram, this.registers, this.vbe)
    this.timing = new VgaTiming(this.registers, this.vbe)
    this.renderer = new VgaRenderer(vram, this.registers, this.vbe)

    const range = (name: string, base: number, count: number): PortRange => ({
      name,
      base,
      count,
      read: (offset) => this.readPort(base + offset),
      write: (offset, value) => this.writePort(base + offset, value),
    })
    this.ports = [
      range('VGA CRTC (mono)', 0x3b4, 2),
      range('VGA status (mono)', 0x3ba, 1),
      range('VGA', 0x3c0, 16),
      range('VGA CRTC (colour)', 0x3d4, 2),
      range('VGA status (colour)', 0x3da, 1),
      {
        name: 'Bochs VBE',
        base: 0x1ce,
        // 1D1 only completes a word access to 1D0.
        count: 4,
        width: 2,
        read: (offset, size) => this.readDispi(offset, size),
        write: (offset, value, size) => this.writeDispi(offset, value, size),
      },
    ]
    this.mmio = [this.window]
    this.mmioBar = {
      name: 'VGA MMIO',
      size: 4096,
      width: 4,
      read: (offset, size) => this.readBar(offset, size),
      write: (offset, value, size) => this.writeBar(offset, value, size),
    }
    this.reset()
  }

  /** RESET# and power-on alike: registers go to 0, video memory stays. */
  reset(): void {
    this.registers.reset()
    this.vbe.reset()
    this.window.latch = 0
    resetState(this)
    this.changed()
  }

  mode(): DisplayMode {
    return this.renderer.mode()
  }

  frame(): Frame {
    return this.renderer.frame()
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

  private changed(): void {
    this.dirty = true
    this.timing.stale = true
    this.window.configure()
  }

  // Ports 3B4 to 3DA

  private readPort(port: number): number {
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
        return registers.sr[this.srIndex]
      case 0x3c6:
        return registers.pelMask
      case 0x3c7:
        return this.dacState
      case 0x3c8:
        return this.dacWriteIndex
      case 0x3c9:
        return this.readDac()
      case 0x3ca:
        return registers.featureControl
      case 0x3cc:
        return registers.misc
      case 0x3ce:
        return this.grIndex
      case 0x3cf:
        return registers.gr[this.grIndex]
      case 0x3b4:
      case 0x3d4:
        return this.decodes(port) ? this.crIndex : 0xff
      case 0x3b5:
      case 0x3d5:
        return this.decodes(port) ? registers.cr[this.crIndex] : 0xff
      case 0x3ba:
      case 0x3da:
        if (!this.decodes(port)) return 0xff
        this.arData = false
        return this.timing.status(this.clock.now())
      default:
        return 0
    }
  }

  private writePort(port: number, value: number): void {
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
        this.srIndex = value & 7
        break
      case 0x3c5:
        this.set(registers.sr, this.srIndex, value & SR_MASK[this.srIndex])
        break
      case 0x3c6:
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
        this.grIndex = value & 0x0f
        break
      case 0x3cf:
        this.set(registers.gr, this.grIndex, value & GR_MASK[this.grIndex])
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

  private set(file: Uint8Array, index: number, value: number): void {
    if (file[index] === value) return
    file[index] = value
    this.vbe.overrideVga()
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
    if (cr[index] === value) return
    cr[index] = value
    this.dirty = true
    this.timing.stale = true
    this.vbe.overrideVga()
  }

  private readDac(): number {
    const { palette, dac8 } = this.registers
    const value = palette[this.dacReadIndex * 3 + this.dacComponent]
    if (++this.dacComponent === 3) {
      this.dacComponent = 0
      this.dacReadIndex = (this.dacReadIndex + 1) & 0xff
    }
    return dac8 ? value : value & 0x3f
  }

  /** A colour takes effect with its third component. */
  private writeDac(value: number): void {
    this.dacLatch[this.dacComponent] = value
    if (++this.dacComponent < 3) return
    this.registers.palette.set(this.dacLatch, this.dacWriteIndex * 3)
    this.dirty = true
    this.dacComponent = 0
    this.dacWriteIndex = (this.dacWriteIndex + 1) & 0xff
  }

  // Bochs VBE, ports 1CE to 1D0: words only

  private readDispi(offset: number, size: AccessSize): number {
    if (size !== 2 || offset > 2) {
      this.warn('VGA: read of a Bochs VBE port that is not a word', 0x1ce + offset)
      return size === 2 ? 0xffff : 0xff
    }
    return offset === 0 ? this.vbe.index : this.vbe.read()
  }

  private writeDispi(offset: number, value: number, size: AccessSize): void {
    if (size !== 2 || offset > 2) {
      this.warn('VGA: write to a Bochs VBE port that is not a word', 0x1ce + offset)
      return
    }
    if (offset === 0) this.vbe.index = value
    else this.writeVbe(value)
  }

  private writeVbe(value: number): void {
    this.vbe.write(value)
    this.changed()
  }

  // BAR2

  private readBar(offset: number, size: AccessSize): number {
    if (size === 4 && offset < BAR_EXTENDED_SIZE) {
      return (this.readBar(offset, 2) | (this.readBar(offset + 2, 2) << 16)) >>> 0
    }
    if (offset >= BAR_DISPI && offset + size <= BAR_DISPI_END) {
      this.vbe.index = (offset - BAR_DISPI) >>> 1
      const word = this.vbe.read()
      return size === 2 ? word : (word >>> (8 * (offset & 1))) & 0xff
    }
    if (size === 2 && offset < BAR_DISPI) return this.readBar(offset, 1) | (this.readBar(offset + 1, 1) << 8)
    if (offset < BAR_EDID_END) return offset < this.edid.length ? this.edid[offset] : 0
    if (offset >= BAR_VGA && offset < BAR_VGA_END) return this.readPort(0x3c0 + offset - BAR_VGA)
    if (size === 4 && offset === BAR_EXTENDED_SIZE) return 8
    if (size === 4 && offset === BAR_BYTE_ORDER) return this.renderer.bigEndian ? BIG_ENDIAN : LITTLE_ENDIAN
    this.warn('VGA: read of an MMIO register that does not exist', offset)
    return 0
  }

  private writeBar(offset: number, value: number, size: AccessSize): void {
    if (offset >= BAR_VGA && offset + size <= BAR_VGA_END) {
      // A word writes an index and its data.
      for (let i = 0; i < size; i++) this.writePort(0x3c0 + offset - BAR_VGA + i, (value >>> (8 * i)) & 0xff)
    } else if (offset >= BAR_DISPI && offset + size <= BAR_DISPI_END) {
      for (let i = 0; i < size; i += 2) {
        this.vbe.index = (offset + i - BAR_DISPI) >>> 1
        this.writeVbe((value >>> (8 * i)) & 0xffff)
      }
    } else if (size === 4 && offset === BAR_BYTE_ORDER) {
      if (value >>> 0 === LITTLE_ENDIAN) this.renderer.bigEndian = false
      else if (value >>> 0 === BIG_ENDIAN) this.renderer.bigEndian = true
      this.dirty = true
    } else {
      this.warn('VGA: write to an MMIO register that does not exist', offset)
    }
  }

  /** Of the frame buffer: for the state. */
  get bigEndian(): boolean {
    return this.renderer.bigEndian
  }

  set bigEndian(value: boolean) {
    this.renderer.bigEndian = value
  }

  loaded(): void {
    this.changed()
  }
}
