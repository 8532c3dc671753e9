import type { PhysicalMemory } from '../../../machine/device.js'

/** Guest memory of a test: RAM from 0 on, nothing above. */
export class TestRam implements PhysicalMemory {
  readonly bytes: Uint8Array
  private readonly view: DataView

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }

  read(address: number, into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.bytes[address + i] ?? 0xff
  }

  write(address: number, from: Uint8Array): void {
    if (address < this.bytes.length) this.bytes.set(from.subarray(0, this.bytes.length - address), address)
  }

  read8(address: number): number {
    return this.view.getUint8(address)
  }

  read16(address: number): number {
    return this.view.getUint16(address, true)
  }

  read32(address: number): number {
    return this.view.getUint32(address, true)
  }

  write8(address: number, value: number): void {
    this.view.setUint8(address, value)
  }

  write16(address: number, value: number): void {
    this.view.setUint16(address, value, true)
  }

  write32(address: number, value: number): void {
    this.view.setUint32(address, value, true)
  }
}
