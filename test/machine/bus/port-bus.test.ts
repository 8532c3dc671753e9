import { describe, expect, test } from 'vitest'
import { PortBus } from '../../../machine/bus/port-bus.js'
import type { AccessSize, PortRange } from '../../../machine/device.js'

/** A range that logs what arrives and reads back `offset + 0x10` in every byte. */
function range(base: number, count: number, width?: 1 | 2 | 4, name = 'dev') {
  const log: string[] = []
  const result: PortRange & { log: string[] } = {
    name,
    base,
    count,
    width,
    log,
    read(offset: number, size: AccessSize) {
      log.push(`r${size}@${offset}`)
      let value = 0
      for (let i = size - 1; i >= 0; i--) value = value * 256 + offset + i + 0x10
      return value
    },
    write(offset: number, value: number, size: AccessSize) {
      log.push(`w${size}@${offset}=${value.toString(16)}`)
    },
  }
  return result
}

describe('splitting', () => {
  test('a byte-wide device sees a doubleword as four bytes, low first', () => {
    const bus = new PortBus()
    const dev = range(0x100, 8)
    bus.add('a', dev)
    expect(bus.read(0x102, 4)).toBe(0x15141312)
    bus.write(0x102, 0xaabbccdd, 4)
    expect(dev.log).toEqual(['r1@2', 'r1@3', 'r1@4', 'r1@5', 'w1@2=dd', 'w1@3=cc', 'w1@4=bb', 'w1@5=aa'])
  })

  test('a device as wide as the access sees it whole', () => {
    const bus = new PortBus()
    const dev = range(0x100, 8, 4)
    bus.add('a', dev)
    bus.write(0x104, -1, 4)
    bus.write(0x104, 0x12345, 2)
    expect(bus.read(0x100, 4)).toBe(0x13121110)
    expect(dev.log).toEqual(['w4@4=ffffffff', 'w2@4=2345', 'r4@0'])
  })

  test('an access over the end goes on in the neighbour', () => {
    const bus = new PortBus()
    const low = range(0x100, 2, 2)
    const high = range(0x102, 2, 1)
    bus.add('a', low)
    bus.add('b', high)
    expect(bus.read(0x100, 4)).toBe(0x11101110)
    bus.write(0x101, 0xbeef, 2)
    expect(low.log).toEqual(['r2@0', 'w1@1=ef'])
    expect(high.log).toEqual(['r1@0', 'r1@1', 'w1@0=be'])
  })

  test('an access over the end into nothing reads ones there', () => {
    const bus = new PortBus()
    bus.add('a', range(0x100, 2, 2))
    expect(bus.read(0x101, 4)).toBe(0xffffff11)
    expect(bus.read(0xff, 2)).toBe(0x10ff)
    expect(bus.unhandled()).toEqual([
      { port: 0xff, reads: 1, writes: 0 },
      { port: 0x102, reads: 1, writes: 0 },
      { port: 0x103, reads: 1, writes: 0 },
    ])
  })

  test('an access at the last port wraps to the first', () => {
    const bus = new PortBus()
    bus.add('a', range(0, 1))
    bus.add('z', range(0xffff, 1))
    expect(bus.read(0xffff, 2)).toBe(0x1010)
  })

  test('handlers that return too much are cut to the size', () => {
    const bus = new PortBus()
    bus.add('a', { name: 'x', base: 0, count: 4, width: 4, read: () => -2, write: () => {} })
    expect([bus.read(0, 1), bus.read(0, 2), bus.read(0, 4)]).toEqual([0xfe, 0xfffe, 0xfffffffe])
  })
})

describe('ownership', () => {
  test('overlapping fixed ranges are an error that names both owners', () => {
    const bus = new PortBus()
    bus.add('isa-serial', range(0x3f8, 8, 1, 'COM1'))
    expect(() => bus.add('ne2000', range(0x3e0, 32, 1, 'NE2000'))).toThrow(/ne2000: NE2000.*isa-serial: COM1/)
    expect(bus.read(0x3e0, 1)).toBe(0xff)
  })

  test('a removed range answers no more and its ports are free', () => {
    const bus = new PortBus()
    const dev = range(0x100, 4)
    bus.add('a', dev)
    bus.remove(dev)
    expect(bus.read(0x100, 1)).toBe(0xff)
    bus.add('b', range(0x102, 4))
    expect(() => bus.remove(dev)).toThrow(/not on the bus/)
  })

  test('a range outside the 64 Ki is an error', () => {
    expect(() => new PortBus().add('a', range(0xfffe, 4))).toThrow(/outside/)
  })

  test('an overlay hides what lies under it, the latest wins, and unmapping brings it back', () => {
    const bus = new PortBus()
    const below = range(0x100, 8)
    const first = range(0, 4)
    const second = range(0, 4)
    bus.add('a', below)
    const one = bus.overlay('b', 0x102, first)
    const two = bus.overlay('c', 0x104, second)
    bus.read(0x105, 1)
    expect(second.log).toEqual(['r1@1'])
    bus.unmap(two)
    bus.read(0x105, 1)
    expect(first.log).toEqual(['r1@3'])
    bus.unmap(one)
    bus.read(0x105, 1)
    expect(below.log).toEqual(['r1@5'])
  })

  test('a fixed range that comes later stays under an overlay', () => {
    const bus = new PortBus()
    const over = range(0, 4)
    bus.overlay('bar', 0x100, over)
    bus.add('late', range(0x100, 8))
    bus.read(0x100, 1)
    expect(over.log).toEqual(['r1@0'])
  })

  test('an overlay past the last port is cut off', () => {
    const bus = new PortBus()
    const mapping = bus.overlay('bar', 0xfffe, range(0, 16))
    expect(mapping.count).toBe(2)
    expect(bus.read(0xffff, 1)).toBe(0x11)
    expect(bus.read(0, 1)).toBe(0xff)
  })

  test('a doubleword goes whole to its owner although another has a byte inside it, as at CF8h', () => {
    const bus = new PortBus()
    const outer = range(0xcf8, 4, 4)
    const inner = range(0, 1)
    bus.add('host', outer)
    bus.overlay('piix3', 0xcf9, inner)
    bus.write(0xcf8, 0x80000000, 4)
    bus.write(0xcf9, 6, 1)
    bus.write(0xcf8, 0x1234, 2)
    expect(outer.log).toEqual(['w4@0=80000000', 'w1@0=34'])
    expect(inner.log).toEqual(['w1@0=6', 'w1@0=12'])
  })
})

test('unassigned ports read ones and are counted by direction, with the name of what is absent', () => {
  const bus = new PortBus()
  bus.declareAbsent('COM3', 0x3e8, 8)
  expect([bus.read(0x3e8, 1), bus.read(0x3e8, 2), bus.read(0x5000, 4)]).toEqual([0xff, 0xffff, 0xffffffff])
  bus.write(0x3e9, 1, 1)
  bus.write(0x3e9, 1, 1)
  expect(bus.unhandled()).toEqual([
    { port: 0x3e8, reads: 2, writes: 0, name: 'COM3' },
    { port: 0x3e9, reads: 0, writes: 2, name: 'COM3' },
    { port: 0x5000, reads: 1, writes: 0 },
  ])
  bus.clearUnhandled()
  expect(bus.unhandled()).toEqual([])
})
