/** Devices that are told to work as long as they can, and what of the host's time that takes. */
import type { MemoryMap } from '../../../machine/bus/memory-map.js'
import type { PortBus } from '../../../machine/bus/port-bus.js'
import type { AccessSize } from '../../../machine/device.js'
import type { MachineOptions } from '../../../machine/machine.js'
import { type BarePc, barePc } from '../../machine/state/bare-pc.js'

const RAM = 16 << 20
const MMIO = 0xe800_0000

/** A PC that waits in HLT, whose cards the test sets up as a guest would. */
export class Attacked {
  readonly bare: BarePc
  readonly memory: MemoryMap
  private readonly ports: PortBus
  private nextSlot = 2
  /** Registers of the function that was plugged last. */
  private window = MMIO

  constructor(options: Partial<MachineOptions>) {
    this.bare = barePc({ memory: RAM, ...options })
    this.memory = this.bare.memory
    this.ports = (this.bare.pc as unknown as { ports: PortBus }).ports
    // Let the firmware come to its HLT.
    this.bare.run(1e6)
  }

  /** Gives the next function of this identity its registers' address by BAR `bar`, and makes it bus master; where they are. */
  plug(vendor: number, device: number, bar: number): number {
    for (let slot = this.nextSlot; slot < 32; slot++) {
      this.ports.write(0xcf8, 0x8000_0000 + slot * 0x800, 4)
      if (this.ports.read(0xcfc, 4) !== ((device << 16) | vendor) >>> 0) continue
      const window = MMIO + slot * 0x10_0000
      this.bare.pci(slot, 0, 0x10 + 4 * bar, window)
      this.bare.pci(slot, 0, 4, 7)
      this.nextSlot = slot + 1
      this.window = window
      return window
    }
    throw new Error('there is no such function')
  }

  mmio(offset: number, value: number, size: AccessSize = 4, window = this.window): void {
    this.memory.mmioWrite(window + offset, value >>> 0, size)
  }

  poke(address: number, ...words: number[]): void {
    for (const [i, word] of words.entries()) this.memory.write32(address + 4 * i, word >>> 0)
  }

  bytes(address: number, bytes: ArrayLike<number>): void {
    this.memory.write(address, Uint8Array.from(bytes))
  }

  /** Runs for `milliseconds` of the host's, and closes; how much more of its processor that took, ms. */
  overrun(milliseconds: number): number {
    const { pc } = this.bare
    const before = process.cpuUsage()
    const end = performance.now() + milliseconds
    while (performance.now() < end) if (pc.run(pc.now() + 1e9, end)) break
    const { user, system } = process.cpuUsage(before)
    pc.close()
    return (user + system) / 1000 - milliseconds
  }
}
