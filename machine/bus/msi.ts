/**
 * MSI (PCI Local Bus Specification 3.0, 6.8.1): a function's one message, in place of its pin, as a capability with an
 * address of 64 bits.
 */

const MSI_CAPABILITY = 0x05
const SIZE = 14
const CONTROL = 2
const ADDRESS = 4
const DATA = 12
const ENABLE = 0x01
const CAN_64_BITS = 0x80

/** What it needs of its function. */
interface Configuration {
  readonly config: Uint8Array
  readonly writeMask: Uint8Array
  addCapability(id: number, size: number): number
  get16(offset: number): number
  get32(offset: number): number
}

export class Msi {
  private readonly at: number

  constructor(
    private readonly pci: Configuration,
    private readonly send: (address: number, data: number) => void,
  ) {
    this.at = pci.addCapability(MSI_CAPABILITY, SIZE)
    pci.config[this.at + CONTROL] = CAN_64_BITS
    pci.writeMask[this.at + CONTROL] = ENABLE
    pci.writeMask.fill(0xff, this.at + ADDRESS, this.at + SIZE)
    pci.writeMask[this.at + ADDRESS] = 0xfc
  }

  get enabled(): boolean {
    return (this.pci.config[this.at + CONTROL] & ENABLE) !== 0
  }

  raise(): void {
    const { pci, at } = this
    this.send(pci.get32(at + ADDRESS) + pci.get32(at + ADDRESS + 4) * 0x1_0000_0000, pci.get16(at + DATA))
  }
}
