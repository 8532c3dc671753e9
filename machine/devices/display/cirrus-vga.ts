/** QEMU's `cirrus-vga`: the CL-GD5446 on the PCI bus, 1013:00B8: its VGA, and what its two base addresses lead to. */

import type { AccessSize, MmioRange, PortRange } from '../../device.js'
import { choiceOption } from '../device-option.js'
import { deviceType, type Slot } from '../device-type.js'
import { setOptionRom } from '../option-rom.js'
import { Cirrus } from './cirrus.js'
import { VgaCore, type VgaOptions } from './vga-core.js'

const FRAME_BUFFER_BAR = 0
const FRAME_BUFFER_SIZE = 0x2000000
/** In BAR0, behind the frame buffer: whatever is written there goes to the BLT engine. */
const BLT_APERTURE = 0x1000000
const MMIO_BAR = 1
const BAR_BLT = 0x100
const BAR_BLT_END = 0x200
/** From 3C0 on. */
const BAR_VGA_END = 0x20

export interface CirrusVgaOptions extends Omit<VgaOptions<Cirrus>, 'name' | 'extension'> {
  name?: string
  /** Whether the frame buffer is plain memory at present; else accesses go to `frameBuffer`. */
  plainMemory?: (on: boolean) => void
}

export class CirrusVga extends VgaCore<Cirrus> {
  override readonly ports: readonly PortRange[]
  /** BAR0 while it is no plain memory. */
  readonly frameBuffer: Omit<MmioRange, 'base'>
  readonly mmioBar: Omit<MmioRange, 'base'>
  private readonly plainMemory: (on: boolean) => void

  constructor(options: CirrusVgaOptions) {
    super({
      name: 'cirrus-vga',
      ...options,
      extension: ({ registers }) =>
        new Cirrus({
          ...options,
          registers,
          stall: (ns) => options.clock.stall(ns),
          waiting: () => options.plainMemory?.(this.extension?.isPlain ?? true),
          attributeData: () => this.arData,
        }),
    })
    this.plainMemory = options.plainMemory ?? (() => {})
    this.ports = this.vgaPorts
    const bytewise = (read: (at: number) => number) => (offset: number, size: AccessSize) => {
      let value = 0
      for (let i = 0; i < size; i++) value |= read(offset + i) << (8 * i)
      return value >>> 0
    }
    const each = (write: (at: number, value: number) => void) => (offset: number, value: number, size: AccessSize) => {
      for (let i = 0; i < size; i++) write(offset + i, (value >>> (8 * i)) & 0xff)
    }
    this.frameBuffer = {
      name: 'cirrus-vga frame buffer',
      size: FRAME_BUFFER_SIZE,
      width: 4,
      read: bytewise((at) => (at < BLT_APERTURE ? this.vram[at & (this.vram.length - 1)] : 0xff)),
      write: each((at, value) => {
        if (this.extension.blitter.waits) this.extension.blitter.feed(value)
        else if (at < BLT_APERTURE) this.extension.writeMemory(at, value)
      }),
    }
    this.mmioBar = {
      name: 'cirrus-vga MMIO',
      size: 4096,
      width: 4,
      read: bytewise((at) => this.readBar(at)),
      write: each((at, value) => this.writeBar(at, value)),
    }
    this.reset()
  }

  override reset(): void {
    this.extension.reset()
    super.reset()
  }

  protected override changed(): void {
    super.changed()
    this.plainMemory(this.extension.isPlain)
  }

  private readBar(at: number): number {
    if (at < BAR_VGA_END) return this.readPort(0x3c0 + at)
    if (at >= BAR_BLT && at < BAR_BLT_END) return this.extension.readMmio(at - BAR_BLT)
    this.warn('cirrus-vga: read of an MMIO register that does not exist', at)
    return 0xff
  }

  private writeBar(at: number, value: number): void {
    if (at < BAR_VGA_END) this.writePort(0x3c0 + at, value)
    else if (at >= BAR_BLT && at < BAR_BLT_END) this.extension.writeMmio(at - BAR_BLT, value)
    else this.warn('cirrus-vga: write to an MMIO register that does not exist', at)
  }
}

const ROM = 'vgabios-cirrus'

export const cirrusVga = deviceType({
  type: 'cirrus-vga',
  title: 'Cirrus Logic CL-GD5446',
  category: 'Display',
  bus: 'pci',
  options: () => ({
    vgamem_mb: choiceOption([2, 4]).default(4).describe('video memory, MiB, 2 or 4'),
  }),
  rom: ROM,
  memory: ({ vgamem_mb }) => vgamem_mb << 20,
  create(slot: Slot, { vgamem_mb }) {
    const vram = slot.allocate('VGA memory', vgamem_mb << 20)
    const pci = slot.pci({ vendorId: 0x1013, deviceId: 0x00b8, classCode: 0x030000 })
    const adapter = new CirrusVga({
      name: slot.name,
      clock: slot.clock,
      warn: slot.warn,
      vram: vram.bytes,
      plainMemory: (on) => pci.setRam(FRAME_BUFFER_BAR, on),
    })
    pci.addRamBar(
      FRAME_BUFFER_BAR,
      { name: 'cirrus-vga memory', offset: vram.offset, size: vram.size },
      { prefetchable: true, beneath: adapter.frameBuffer },
    )
    pci.addMemoryBar(MMIO_BAR, adapter.mmioBar)
    setOptionRom(slot, pci, ROM)
    return adapter
  },
})
