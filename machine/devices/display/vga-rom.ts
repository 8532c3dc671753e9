import type { PciFunction } from '../../bus/pci-function.js'
import type { Slot } from '../device-type.js'

/** Puts a firmware file behind a function's expansion ROM register, where there is one. */
export function setOptionRom(slot: Slot, pci: PciFunction, file: string): void {
  const image = slot.firmware(file)
  if (!image) return
  const name = `${slot.name} BIOS`
  const rom = slot.allocate(name, Math.max(4096, 2 ** Math.ceil(Math.log2(image.length))), true)
  rom.bytes.set(image)
  pci.setRom({ name, offset: rom.offset, size: rom.size })
}
