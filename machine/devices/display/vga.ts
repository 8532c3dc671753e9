/**
 * The standard adapter: a VGA with the Bochs VBE extensions, as QEMU's `VGA` (docs/specs/standard-vga.txt): their ports,
 * and the registers of the MMIO BAR.
 */
import type { AccessSize, MmioRange, PortRange, StateTable } from '../../device.js'
import { flag, starts } from '../../state/fields.js'
import { edid } from './edid.js'
import { BochsVbe, DISPI_VIDEO_MEMORY_64K } from './vbe.js'
import { VGA_STATE, VgaCore, type VgaOptions } from './vga-core.js'

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

/** The monitor's preferred mode. */
const MONITOR_WIDTH = 1280
const MONITOR_HEIGHT = 800

const STATE: StateTable = { ...VGA_STATE, bigEndian: starts(flag, false) }

export class Vga extends VgaCore<BochsVbe> {
  override readonly state: StateTable = STATE
  override readonly ports: readonly PortRange[]
  /** The handler of BAR2 (4096 bytes); offsets count from the BAR's address. */
  readonly mmioBar: Omit<MmioRange, 'base'>
  private readonly edid = edid(MONITOR_WIDTH, MONITOR_HEIGHT)

  /** Throws a RangeError for a video memory that no VGA has. */
  constructor(options: Omit<VgaOptions<BochsVbe>, 'name' | 'extension'>) {
    super({
      name: 'VGA',
      ...options,
      extension: ({ registers }) => new BochsVbe(registers, options.vram, options.clock),
    })
    this.ports = [
      ...this.vgaPorts,
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
    this.mmioBar = {
      name: 'VGA MMIO',
      size: 4096,
      width: 4,
      read: (offset, size) => this.readBar(offset, size),
      write: (offset, value, size) => this.writeBar(offset, value, size),
    }
    this.reset()
  }

  override reset(): void {
    this.extension.reset()
    super.reset()
  }

  // Bochs VBE, ports 1CE to 1D0: words only

  private readDispi(offset: number, size: AccessSize): number {
    if (size !== 2 || offset > 2) {
      this.warn('VGA: read of a Bochs VBE port that is not a word', 0x1ce + offset)
      return size === 2 ? 0xffff : 0xff
    }
    return offset === 0 ? this.extension.index : this.extension.read()
  }

  private writeDispi(offset: number, value: number, size: AccessSize): void {
    if (size !== 2 || offset > 2) {
      this.warn('VGA: write to a Bochs VBE port that is not a word', 0x1ce + offset)
      return
    }
    if (offset === 0) this.extension.index = value
    else this.writeVbe(value)
  }

  private writeVbe(value: number): void {
    this.extension.write(value)
    this.changed()
  }

  // BAR2

  private readBar(offset: number, size: AccessSize): number {
    if (size === 4 && offset < BAR_EXTENDED_SIZE) {
      return (this.readBar(offset, 2) | (this.readBar(offset + 2, 2) << 16)) >>> 0
    }
    if (offset >= BAR_DISPI && offset + size <= BAR_DISPI_END) {
      this.extension.index = (offset - BAR_DISPI) >>> 1
      const word = this.extension.read()
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
        this.extension.index = (offset + i - BAR_DISPI) >>> 1
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
}
