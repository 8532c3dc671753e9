import { describe, expect, test } from 'vitest'
import { I440fx } from '../../../machine/chipset/i440fx.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'
import { dump, pciFixture } from '../bus/pci-fixture.js'

const MIB = 1 << 20
const RAM = 16 * MIB

function setup() {
  const fixture = pciFixture(20 * MIB)
  const bios = new Uint8Array(256 * 1024)
  for (let i = 0; i < bios.length; i++) bios[i] = 0x80 | (i >> 14)
  const optionRom = Uint8Array.from([0x55, 0xaa])
  const { pci, memory } = fixture
  const host = new I440fx({ pci, memory, ramSize: RAM, bios, optionRom })
  return { ...fixture, host }
}

test('registers after power-on are those of QEMU', () => {
  expect(dump(setup(), 0, 0)).toEqual([
    '00: 12378086',
    '08: 06000002',
    '2c: 11001af4',
    '54: 02000000', // 57h: 16 MiB of RAM in 8 MiB units
    '70: 00020000',
  ])
})

test('RAM, ROM and holes lie where a PC has them', () => {
  const { memory, host } = setup()
  const bios = host.biosOffset
  expect(memory.regions()).toEqual([
    { address: 0, size: 0xa0000, offset: host.ramOffset, kind: 'ram' },
    { address: 0xc0000, size: 0x20000, offset: bios + 0x40000, kind: 'rom' },
    { address: 0xe0000, size: 0x20000, offset: bios + 0x20000, kind: 'rom' },
    { address: 0x100000, size: RAM - MIB, offset: host.ramOffset + MIB, kind: 'ram' },
    { address: 0xfffc0000, size: 0x40000, offset: bios, kind: 'rom' },
  ])
  expect([memory.read8(0xe0000), memory.read8(0xfffff), memory.read8(0xfffffff0)]).toEqual([0x88, 0x8f, 0x8f])
  expect([memory.read16(0xc0000), memory.read8(0xa0000), memory.read8(RAM)]).toEqual([0xaa55, 0xff, 0xff])
})

test('impossible sizes are errors', () => {
  const { pci, memory } = pciFixture()
  const bios = new Uint8Array(0x10000)
  for (const ramSize of [0, 1000, MIB + 1, 0xc0001000]) {
    expect(() => new I440fx({ pci, memory, ramSize, bios })).toThrow(/RAM of/)
  }
  expect(() => new I440fx({ pci, memory, ramSize: MIB, bios: new Uint8Array(100) })).toThrow(/BIOS image/)
  expect(new I440fx({ pci, memory, ramSize: MIB, bios }).pci.config[0x57]).toBe(0)
  expect(memory.read8(0xe0000)).toBe(0xff) // 64 KiB of BIOS fill the F segment only
})

describe('PAM', () => {
  test.each([
    [0x59, 0x30, 0xf0000, 0x10000],
    [0x5a, 0x03, 0xc0000, 0x4000],
    [0x5a, 0x30, 0xc4000, 0x4000],
    [0x5b, 0x03, 0xc8000, 0x4000],
    [0x5c, 0x30, 0xd4000, 0x4000],
    [0x5d, 0x03, 0xd8000, 0x4000],
    [0x5e, 0x03, 0xe0000, 0x4000],
    [0x5f, 0x30, 0xec000, 0x4000],
  ])('register %i value %i makes RAM of %i and its size alone', (register, value, base, size) => {
    const { memory, host, set } = setup()
    set(0, 0, register, value, 1)
    for (const [address, inside] of [
      [base - 1, false],
      [base, true],
      [base + size - 1, true],
      [base + size, false],
    ] as const) {
      if (address === 0xbffff || address === 0x100000) continue
      expect(memory.arenaOffset(address) === host.ramOffset + address).toBe(inside)
    }
  })

  test('writes to a segment in all four states', () => {
    const { memory, set } = setup()
    set(0, 0, 0x59, 0x00, 1)
    memory.mmioWrite(0xf0000, 0x11, 1)
    expect(memory.read8(0xf0000)).toBe(0x8c)
    set(0, 0, 0x59, 0x20, 1) // write only: copying the ROM onto itself fills the shadow
    memory.mmioWrite(0xf0000, memory.read8(0xf0000) + 1, 1)
    expect(memory.read8(0xf0000)).toBe(0x8c)
    set(0, 0, 0x59, 0x10, 1) // read only
    expect(memory.read8(0xf0000)).toBe(0x8d)
    memory.mmioWrite(0xf0000, 0x22, 1)
    expect(memory.read8(0xf0000)).toBe(0x8d)
    set(0, 0, 0x59, 0x30, 1)
    memory.write8(0xf0000, 0x33)
    expect(memory.read8(0xf0000)).toBe(0x33)
    expect(memory.regions()).toContainEqual(
      expect.objectContaining({ address: 0xf0000, size: RAM - 0xf0000, kind: 'ram' }),
    )
    set(0, 0, 0x59, 0x00, 1)
    expect(memory.read8(0xf0000)).toBe(0x8c)
  })

  test("SeaBIOS's unlocking of all segments in two doublewords tells the engine once each", () => {
    const { memory, set } = setup()
    let changes = 0
    memory.onChange = () => changes++
    set(0, 0, 0x58, 0x33333000)
    set(0, 0, 0x5c, 0x33333333)
    expect(changes).toBe(2)
    expect(memory.regions()[1]).toMatchObject({ address: 0xc0000, size: RAM - 0xc0000, kind: 'ram' })
  })

  test('reset shows the ROM again and keeps the RAM', () => {
    const { memory, pci, host, set } = setup()
    set(0, 0, 0x59, 0x30, 1)
    memory.write8(0xf0000, 0x33)
    pci.reset()
    host.reset()
    expect(memory.read8(0xf0000)).toBe(0x8c)
    set(0, 0, 0x59, 0x30, 1)
    expect(memory.read8(0xf0000)).toBe(0x33)
  })
})

describe('SMRAM', () => {
  test('shows while it is open, or to a CPU in SMM while it is enabled', () => {
    const { memory, host, set } = setup()
    memory.addMmio({ name: 'vga', base: 0xa0000, size: 0x20000, read: () => 0x76, write: () => {} })
    set(0, 0, 0x72, 0x4a, 1)
    memory.write8(0xa8000, 0x5e)
    expect(memory.read8(0xa8000)).toBe(0x5e)
    set(0, 0, 0x72, 0x0a, 1)
    expect(memory.read8(0xa8000)).toBe(0x76)
    host.setSmm(true)
    expect(memory.read8(0xa8000)).toBe(0x5e)
    set(0, 0, 0x72, 0x02, 1)
    expect(memory.read8(0xa8000)).toBe(0x76)
    set(0, 0, 0x72, 0x0a, 1)
    host.setSmm(false)
    expect(memory.read8(0xa8000)).toBe(0x76)
  })

  test('once locked cannot be opened until reset', () => {
    const { memory, host, get, set } = setup()
    set(0, 0, 0x72, 0x5a, 1)
    expect(get(0, 0, 0x72, 1)).toBe(0x1a)
    set(0, 0, 0x72, 0x4a, 1)
    expect(get(0, 0, 0x72, 1)).toBe(0x1a)
    expect(memory.read8(0xa0000)).toBe(0xff)
    host.reset()
    set(0, 0, 0x72, 0x4a, 1)
    expect(get(0, 0, 0x72, 1)).toBe(0x4a)
    expect(memory.read8(0xa0000)).toBe(0)
  })
})

test('a restore in SMM with segments half unlocked maps the same', () => {
  const first = setup()
  first.set(0, 0, 0x5a, 0x13, 1)
  first.set(0, 0, 0x72, 0x1a, 1)
  first.host.setSmm(true)
  const second = setup()
  loadState(second.pci, saveState(first.pci))
  loadState(second.host, saveState(first.host))
  expect(second.memory.regions()).toEqual(first.memory.regions())
  second.set(0, 0, 0x72, 0x4a, 1)
  expect(second.get(0, 0, 0x72, 1)).toBe(0x1a)
})
