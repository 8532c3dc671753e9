/**
 * A card's own accesses to memory, as PCI bus master: none while the function may not be one, and none into the
 * card's own registers, where a ring would answer itself (the class of CVE-2021-20255).
 */
import type { PciFunction } from '../bus/pci-function.js'
import type { PhysicalMemory, Warn } from '../device.js'

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

  read16(address: number): number {
    return this.enabled ? this.access(() => this.memory.read16(address)) : 0xffff
  }

  read32(address: number): number {
    return this.enabled ? this.access(() => this.memory.read32(address)) : 0xffff_ffff
  }

  write16(address: number, value: number): void {
    if (this.enabled) this.access(() => this.memory.write16(address, value))
  }

  write32(address: number, value: number): void {
    if (this.enabled) this.access(() => this.memory.write32(address, value))
  }

  private access<T>(make: () => T): T {
    const outer = this.active
    this.active = true
    try {
      return make()
    } finally {
      this.active = outer
    }
  }
}
