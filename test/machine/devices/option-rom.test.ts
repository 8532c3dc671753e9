import { describe, expect, test } from 'vitest'
import { PciFunction } from '../../../machine/bus/pci.js'
import type { Slot } from '../../../machine/devices/device-type.js'
import { setCardRom } from '../../../machine/devices/option-rom.js'

/** Two images, a PC's and one for UEFI, of another chip. */
function rom(): Uint8Array {
  const bytes = new Uint8Array(2048)
  for (const [at, codeType, indicator] of [
    [0, 0, 0],
    [1024, 3, 0x80],
  ]) {
    bytes.set([0x55, 0xaa, 2], at)
    bytes[at + 0x18] = 0x20
    bytes.set([...Buffer.from('PCIR'), 0xec, 0x10, 0x39, 0x81], at + 0x20)
    bytes[at + 0x20 + 0x10] = 2
    bytes[at + 0x20 + 0x14] = codeType
    bytes[at + 0x20 + 0x15] = indicator
  }
  return bytes
}

function slot(files: { [name: string]: Uint8Array }) {
  const bytes: Uint8Array[] = []
  const one = {
    name: 'net0',
    firmware: (file: string) => files[file],
    allocate: (name: string, size: number) => {
      bytes.push(new Uint8Array(size))
      return { name, offset: 0, size, bytes: bytes[0] }
    },
  } as unknown as Slot
  return { one, bytes }
}

const card = () => new PciFunction({ name: 'card', vendorId: 0x8086, deviceId: 0x100f, classCode: 0x020000 })

describe('the boot ROM of a network card', () => {
  test('is the function’s in all of its images, and the PC’s sum is 0', () => {
    const { one, bytes } = slot({ usual: rom() })
    setCardRom(one, card(), undefined, 'usual')
    for (const at of [0, 1024]) expect([...bytes[0].subarray(at + 0x24, at + 0x28)]).toEqual([0x86, 0x80, 0x0f, 0x10])
    expect(bytes[0].subarray(0, 1024).reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0)
  })

  test('is none where the host has none or the user wants none; one that was named must be there and be a ROM', () => {
    const { one, bytes } = slot({ usual: rom(), text: Buffer.from('hello') })
    setCardRom(one, card(), undefined, 'missing')
    setCardRom(one, card(), '', 'usual')
    expect(bytes).toEqual([])
    expect(() => setCardRom(one, card(), 'missing', 'usual')).toThrow(/net0: there is no boot ROM 'missing'/)
    expect(() => setCardRom(one, card(), 'text', 'usual')).toThrow(/'text' is no PCI boot ROM/)
  })
})
