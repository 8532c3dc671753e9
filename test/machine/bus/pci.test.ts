import { describe, expect, test } from 'vitest'
import { PciFunction, type PciFunctionOptions } from '../../../machine/bus/pci.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'
import { pciFixture } from './pci-fixture.js'

const NIC: PciFunctionOptions = {
  name: 'nic',
  vendorId: 0x10ec,
  deviceId: 0x8139,
  revision: 0x20,
  classCode: 0x020000,
  interruptPin: 1,
}

function nic(options: Partial<PciFunctionOptions> = {}) {
  const fixture = pciFixture()
  const log: string[] = []
  const fn = new PciFunction({ ...NIC, ...options })
  fn.addIoBar(0, {
    name: 'nic io',
    count: 0x80,
    width: 4,
    read: (offset, size) => {
      log.push(`ior${size}@${offset}`)
      return 0x5a
    },
    write: (offset, value) => log.push(`iow@${offset}=${value}`),
  })
  fn.addMemoryBar(1, {
    name: 'nic mmio',
    size: 0x100,
    read: (offset) => {
      log.push(`memr@${offset}`)
      return 0xa5
    },
    write: () => {},
  })
  const ram = fixture.memory.allocate('vram', 0x10000)
  fn.addRamBar(2, { name: 'vram', size: 0x10000, offset: ram }, { prefetchable: true })
  const rom = fixture.memory.allocate('rom', 0x2000)
  fixture.memory.arenaBytes(rom, 2).set([0x55, 0xaa])
  fn.setRom({ name: 'nic rom', size: 0x2000, offset: rom })
  const lines: string[] = []
  fixture.pci.add(3, 0, fn)
  fixture.pci.connectInterrupts({
    pirq: (device, pin) => (level) => lines.push(`${device}/${pin}=${level}`),
  })
  lines.length = 0
  return { ...fixture, fn, log, lines, ram }
}

describe('configuration mechanism 1', () => {
  test('identifies a function and reads ones where there is none', () => {
    const { get } = nic()
    expect(get(3, 0, 0)).toBe(0x813910ec)
    expect(get(3, 0, 8)).toBe(0x02000020)
    expect(get(3, 0, 0x2c)).toBe(0x11001af4)
    expect(get(3, 0, 0x3c, 2)).toBe(0x0100)
    expect(get(3, 0, 0x0e, 1)).toBe(0)
    expect([get(3, 1, 0), get(4, 0, 0, 2), get(31, 7, 0, 1)]).toEqual([0xffffffff, 0xffff, 0xff])
  })

  test('reads and writes bytes, words and doublewords anywhere, crossing doublewords too', () => {
    const { ports, get, set } = nic()
    set(3, 0, 0x40, 0x44332211)
    set(3, 0, 0x45, 0x6655, 2)
    expect([get(3, 0, 0x41, 1), get(3, 0, 0x42, 2), get(3, 0, 0x44)]).toEqual([0x22, 0x4433, 0x00665500])
    set(3, 0, 0x3f, 0, 1)
    ports.write(0xcf8, 0x80001840, 4)
    expect(ports.read(0xcfd, 2)).toBe(0x3322)
    expect(ports.read(0xcfe, 4)).toBe(0xffff4433)
  })

  test('the address register takes doublewords only and reads back', () => {
    const { ports } = nic()
    ports.write(0xcf8, 0x80001800, 4)
    ports.write(0xcfb, 0x01, 1)
    ports.write(0xcf8, 0x1234, 2)
    expect(ports.read(0xcf8, 4)).toBe(0x80001800)
    expect([ports.read(0xcf8, 1), ports.read(0xcfa, 2), ports.read(0xcfb, 1)]).toEqual([0, 0x8000, 0x80])
  })

  test('nobody answers while it is disabled or names another bus', () => {
    const { ports } = nic()
    ports.write(0xcf8, 0x00001800, 4)
    expect(ports.read(0xcfc, 4)).toBe(0xffffffff)
    ports.write(0xcf8, 0x80011800, 4)
    ports.write(0xcfc, 0, 4)
    expect(ports.read(0xcfc, 4)).toBe(0xffffffff)
  })

  test('identity is read-only, command has its bits, status is cleared by ones', () => {
    const { fn, get, set } = nic()
    set(3, 0, 0, 0)
    set(3, 0, 8, 0)
    set(3, 0, 0x2c, 0)
    set(3, 0, 4, 0xffffffff)
    expect([get(3, 0, 0), get(3, 0, 8), get(3, 0, 0x2c)]).toEqual([0x813910ec, 0x02000020, 0x11001af4])
    expect(get(3, 0, 4)).toBe(0x00000507)
    fn.config[7] |= 0x20
    set(3, 0, 4, 0x0007)
    expect(get(3, 0, 6, 2)).toBe(0x2000)
    set(3, 0, 6, 0x2000, 2)
    expect(get(3, 0, 6, 2)).toBe(0)
  })

  test('two functions in one place are an error that names both', () => {
    const { pci } = nic()
    expect(() => pci.add(3, 0, new PciFunction({ ...NIC, name: 'other' }))).toThrow('PCI 3.0: other and nic')
    expect(pci.freeDevice(3)).toBe(4)
    expect(pci.functions().map((f) => f.pci.name)).toEqual(['nic'])
  })
})

describe('base addresses', () => {
  test('tell their size', () => {
    const { get, set } = nic()
    for (const register of [0x10, 0x14, 0x18, 0x1c]) set(3, 0, register, 0xffffffff)
    set(3, 0, 0x30, 0xfffffffe)
    expect([0x10, 0x14, 0x18, 0x1c, 0x30].map((r) => get(3, 0, r))).toEqual([
      0xffffff81, 0xffffff00, 0xffff0008, 0, 0xffffe000,
    ])
  })

  test('decode only while the command register says so', () => {
    const { ports, memory, fn, get, set, log } = nic()
    set(3, 0, 0x10, 0xc000)
    set(3, 0, 0x14, 0xfebf0000)
    expect(ports.read(0xc004, 2)).toBe(0xffff)
    set(3, 0, 4, 1, 2)
    expect(ports.read(0xc004, 2)).toBe(0x5a)
    expect(memory.mmioRead(0xfebf0008, 1)).toBe(0xff)
    set(3, 0, 4, 3, 2)
    expect(memory.mmioRead(0xfebf0008, 1)).toBe(0xa5)
    expect([fn.barAddress(0), fn.barAddress(1), fn.barAddress(2)]).toEqual([0xc000, 0xfebf0000, -1])
    expect(log).toEqual(['ior2@4', 'memr@8'])
    set(3, 0, 4, 0, 2)
    expect(ports.read(0xc004, 1)).toBe(0xff)
    expect(memory.mmioRead(0xfebf0008, 1)).toBe(0xff)
    expect(get(3, 0, 0x10)).toBe(0xc001)
  })

  test('move, also a byte at a time, and are nowhere while they are being sized', () => {
    const { ports, memory, set } = nic()
    set(3, 0, 4, 3, 2)
    set(3, 0, 0x10, 0xc000)
    set(3, 0, 0x11, 0xd0, 1)
    expect(ports.read(0xd000, 1)).toBe(0x5a)
    expect(ports.read(0xc000, 1)).toBe(0xff)
    set(3, 0, 0x10, 0xffffffff)
    set(3, 0, 0x14, 0xffffffff)
    expect(ports.ranges().filter((r) => r.overlay)).toEqual([])
    expect(memory.describe()).toEqual([])
    set(3, 0, 0x10, 0xff80)
    expect(ports.read(0xffff, 1)).toBe(0x5a)
  })

  test('may hide another device for as long as they lie there', () => {
    const { ports, set } = nic()
    ports.add('uart', { name: 'COM1', base: 0x3f8, count: 8, read: () => 0x11, write: () => {} })
    set(3, 0, 4, 1, 2)
    set(3, 0, 0x10, 0x380)
    expect(ports.read(0x3f8, 1)).toBe(0x5a)
    set(3, 0, 0x10, 0xc000)
    expect(ports.read(0x3f8, 1)).toBe(0x11)
  })

  test('that are memory are regions of the engine, the ROM read-only and with its own enable', () => {
    const { memory, set, ram } = nic()
    set(3, 0, 0x18, 0xe0000000)
    set(3, 0, 0x30, 0xfe000000)
    set(3, 0, 4, 2, 2)
    expect(memory.regions()).toEqual([{ address: 0xe0000000, size: 0x10000, offset: ram, kind: 'ram', shared: true }])
    set(3, 0, 0x30, 0xfe000001)
    expect(memory.regions()[1]).toMatchObject({ address: 0xfe000000, size: 0x2000, kind: 'rom' })
    memory.write16(0xfe000000, 0)
    expect(memory.read16(0xfe000000)).toBe(0xaa55)
    memory.write32(0xe0000000, 0x12345678)
    set(3, 0, 0x18, 0xd0000000)
    expect(memory.read32(0xd0000000)).toBe(0x12345678)
  })

  test('of 64 bits take two registers and reach above 4 GiB', () => {
    const { pci, memory, get, set } = pciFixture()
    const fn = new PciFunction(NIC)
    fn.addMemoryBar(0, { name: 'wide', size: 0x4000, read: () => 0x99, write: () => {} }, { wide: true })
    expect(() => fn.addIoBar(1, { name: 'x', count: 4, read: () => 0, write: () => {} })).toThrow(/two base addresses/)
    pci.add(5, 0, fn)
    set(5, 0, 0x10, 0xffffffff)
    set(5, 0, 0x14, 0xffffffff)
    expect([get(5, 0, 0x10), get(5, 0, 0x14)]).toEqual([0xffffc004, 0xffffffff])
    set(5, 0, 0x10, 0x4000)
    set(5, 0, 0x14, 0x1)
    set(5, 0, 4, 2, 2)
    expect(memory.mmioRead(0x1_0000_4000, 1)).toBe(0x99)
    expect(memory.mmioRead(0x4000, 1)).toBe(0xff)
  })
})

describe('interrupts', () => {
  test('show in status and on the line, unless they are disabled', () => {
    const { fn, lines, get, set } = nic()
    fn.interrupt(true)
    expect(get(3, 0, 6, 2) & 8).toBe(8)
    expect(lines).toEqual(['3/1=true'])
    set(3, 0, 4, 0x400, 2)
    expect(lines.at(-1)).toBe('3/1=false')
    expect(get(3, 0, 6, 2) & 8).toBe(8)
    set(3, 0, 4, 0, 2)
    expect(lines.at(-1)).toBe('3/1=true')
    fn.reset()
    expect(lines.at(-1)).toBe('3/1=false')
    expect(get(3, 0, 6, 2) & 8).toBe(0)
  })
})

describe('capabilities', () => {
  test('form a list that ends, read-only but for what the device opens', () => {
    const { pci, get, set } = pciFixture()
    const fn = new PciFunction(NIC)
    const pm = fn.addCapability(0x01, 8)
    const msi = fn.addCapability(0x05, 10, 0x90)
    fn.writeMask[msi + 2] = 0x01
    expect(() => fn.addCapability(0x11, 16, 0xf8)).toThrow(/no room/)
    pci.add(5, 0, fn)
    expect(get(5, 0, 6, 2) & 0x10).toBe(0x10)
    expect(get(5, 0, 0x34, 1)).toBe(0x90)
    set(5, 0, 0x90, 0xffffffff)
    expect(get(5, 0, 0x90)).toBe(0x00010005 | (pm << 8))
    expect(get(5, 0, pm, 2)).toBe(0x0001)
  })
})

test('hooks: the device fills in what is read and hears what is written, reset and loaded', () => {
  const heard: number[][] = []
  let reads = 0
  const { pci, fn, get, set } = nic({
    changed: (offset, size) => heard.push([offset, size]),
    beforeRead: () => {
      reads++
      fn.config[0x60] = reads
    },
  })
  set(3, 0, 0x41, 0x1234, 2)
  expect(get(3, 0, 0x60, 1)).toBe(1)
  expect(get(3, 0, 0x60, 1)).toBe(2)
  fn.reset()
  loadState(pci, saveState(pci))
  expect(heard).toEqual([
    [0x41, 2],
    [0, 256],
    [0, 256],
  ])
})

test('reset brings back the registers as the function was added, and unmaps', () => {
  const { pci, ports, get, set } = nic()
  set(3, 0, 0x10, 0xc000)
  set(3, 0, 4, 7, 2)
  set(3, 0, 0x40, 0x99, 1)
  set(3, 0, 0x3c, 11, 1)
  pci.reset()
  expect([get(3, 0, 4), get(3, 0, 0x10), get(3, 0, 0x40), get(3, 0, 0x3c, 1)]).toEqual([0, 1, 0, 0])
  expect(ports.read(0xc000, 1)).toBe(0xff)
})

test('a restore between address and data, with BARs mapped and an interrupt pending, goes on', () => {
  const first = nic()
  first.set(3, 0, 0x10, 0xc000)
  first.set(3, 0, 0x18, 0xe0000000)
  first.set(3, 0, 4, 7, 2)
  first.fn.interrupt(true)
  first.ports.write(0xcf8, 0x80001810, 4)
  const saved = saveState(first.pci)

  const second = nic()
  second.set(3, 0, 0x10, 0x9000)
  second.set(3, 0, 4, 1, 2)
  second.lines.length = 0
  loadState(second.pci, saved)
  expect(second.lines).toEqual([])
  expect(second.ports.read(0xcfc, 4)).toBe(0xc001)
  expect(second.ports.read(0xc000, 1)).toBe(0x5a)
  expect(second.ports.read(0x9000, 1)).toBe(0xff)
  expect(second.memory.regions()).toHaveLength(1)
  expect(second.fn.busMaster).toBe(true)
  second.fn.interrupt(false)
  expect(second.lines).toEqual(['3/1=false'])
})
