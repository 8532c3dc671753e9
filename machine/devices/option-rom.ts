/** Expansion ROMs (PCI Firmware Specification 3.0, 5.1): firmware's files behind a function's register. */

import type { PciFunction } from '../bus/pci-function.js'
import { textOption } from './device-option.js'
import { DeviceError, type Slot } from './device-type.js'

const SIGNATURE = 0xaa55
/** Where the PCI data structure is, from an image's start; the structure's identification; its code type and indicator. */
const PCI_DATA = 0x18
const VENDOR = 0x04
const DEVICE = 0x06
const IMAGE_LENGTH = 0x10
const CODE_TYPE = 0x14
const INDICATOR = 0x15
const PC_AT = 0
const LAST = 0x80
const UNIT = 512
/** A byte of a PC's image that nobody looks at, by which its sum is 0. */
const SUM = 0x06

/** Bytes of memory that a network card's ROM takes: iPXE's for PCs and for UEFI. */
export const CARD_ROM_SIZE = 256 << 10

export const romFileOption = () =>
  textOption(4096).optional().describe('its boot ROM, a file; empty for none; default iPXE’s, where the host has it')

/** Puts a firmware file behind a function's expansion ROM register, where there is one. */
export function setOptionRom(slot: Slot, pci: PciFunction, file: string): void {
  const image = slot.firmware(file)
  if (image) setRom(slot, pci, image)
}

/** The ROM of a network card: `named` by its user, or `usual` where the host has it. Throws a DeviceError. */
export function setCardRom(slot: Slot, pci: PciFunction, named: string | undefined, usual: string): void {
  if (named === '') return
  const image = slot.firmware(named ?? usual)
  if (!image) {
    if (named === undefined) return
    throw new DeviceError(`the device ${slot.name}: there is no boot ROM '${named}'; correct romfile, or leave it out`)
  }
  const isRom = image.length >= PCI_DATA + 2 && word(image, 0) === SIGNATURE && image.length <= CARD_ROM_SIZE
  if (!isRom) throw new DeviceError(`the device ${slot.name}: '${named ?? usual}' is no PCI boot ROM of up to 256 KiB`)
  setRom(slot, pci, ofFunction(image, word(pci.config, 0), word(pci.config, 2)))
}

function setRom(slot: Slot, pci: PciFunction, image: Uint8Array): void {
  const name = `${slot.name} BIOS`
  const rom = slot.allocate(name, Math.max(4096, 2 ** Math.ceil(Math.log2(image.length))), true)
  rom.bytes.set(image)
  pci.setRom({ name, offset: rom.offset, size: rom.size })
}

/** One ROM serves several chips; firmware runs it where its identification is the function's. */
function ofFunction(file: Uint8Array, vendor: number, device: number): Uint8Array {
  const rom = file.slice()
  for (let at = 0; at + PCI_DATA + 2 <= rom.length && word(rom, at) === SIGNATURE; ) {
    const data = at + word(rom, at + PCI_DATA)
    if (data + INDICATOR >= rom.length) break
    putWord(rom, data + VENDOR, vendor)
    putWord(rom, data + DEVICE, device)
    const length = word(rom, data + IMAGE_LENGTH) * UNIT
    if (rom[data + CODE_TYPE] === PC_AT) {
      rom[at + SUM] = 0
      rom[at + SUM] = -rom.subarray(at, at + rom[at + 2] * UNIT).reduce((sum, byte) => sum + byte, 0)
    }
    if (rom[data + INDICATOR] & LAST || length === 0) break
    at += length
  }
  return rom
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8)
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}
