/**
 * A network card's own accesses to memory, as PCI bus master: none while the function may not be one, and none into the
 * card's own registers, where a ring would answer itself (the class of CVE-2021-20255).
 */
import type { PciFunction } from '../../bus/pci-function.js'
import type { PhysicalMemory, Warn } from '../../device.js'

export class BusMaster {
  private active = false

  constructor(
    private readonly name: string,
    private readonly memory: PhysicalMemory,
    private readonly pci: Pick<PciFunction, 'busMaster'>,
    private readonly warn: Warn,
  ) {}

  /** The card may access memory. */
  get enabled(): boolean {
    return this.pci.busMaster
  }

  /** A register of the card's is being accessed by the card: it takes nothing, and reads ones. */
  get isSelf(): boolean {
    if (this.active) this.warn(`${this.name}: the card was told to access its own registers`)
    return this.active
  }

  read(address: number, into: Uint8Array): void {
    if (!this.enabled) into.fill(0xff)
    else this.access(() => this.memory.read(address, into))
  }

  write(address: number, from: Uint8Array): void {
    if (this.enabled) this.access(() => this.memory.write(address, from))
  }

  read32(address: number): number {
    const bytes = new Uint8Array(4)
    this.read(address, bytes)
    return (bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)) >>> 0
  }

  write32(address: number, value: number): void {
    this.write(address, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24))
  }

  private access(make: () => void): void {
    const outer = this.active
    this.active = true
    try {
      make()
    } finally {
      this.active = outer
    }
  }
}
