import { describe, expect, test } from 'vitest'
import { MemoryMap, Priority } from '../../../machine/bus/memory-map.js'
import type { MemoryRegion } from '../../../machine/cpu/engine.js'
import type { AccessSize, MmioRange } from '../../../machine/device.js'

const K = 1024

function setup(arenaSize = 1024 * K) {
  const changes: (readonly MemoryRegion[])[] = []
  const writes: [number, number][] = []
  const map = new MemoryMap({
    arena: { buffer: new ArrayBuffer(arenaSize) },
    base: 100,
    onChange: (regions) => changes.push(regions),
    onWrite: (offset, length) => writes.push([offset, length]),
  })
  return { map, changes, writes }
}

function registers(base: number, size: number, width?: 1 | 2 | 4): MmioRange & { log: string[] } {
  const log: string[] = []
  return {
    name: 'regs',
    base,
    size,
    width,
    log,
    read(offset: number, size: AccessSize) {
      log.push(`r${size}@${offset}`)
      return size === 4 ? -2 : offset + 1
    },
    write(offset: number, value: number, size: AccessSize) {
      log.push(`w${size}@${offset}=${value.toString(16)}`)
    },
  }
}

describe('the arena', () => {
  test('is given out in whole pages from the base on, and never twice', () => {
    const { map } = setup()
    const first = map.allocate('ram', 64 * K)
    const second = map.allocate('rom', 100, true)
    expect([first, second]).toEqual([4096, 4096 + 64 * K])
    expect(map.allocate('more', 1)).toBe(second + 4096)
    expect(map.allocations()[1]).toEqual({ name: 'rom', offset: second, size: 100, constant: true })
  })

  test('that is too small is an error that names the piece', () => {
    expect(() => setup(64 * K).map.allocate('pc.ram', 64 * K)).toThrow(/too small for pc.ram/)
  })

  test('may move', () => {
    const arena = { buffer: new ArrayBuffer(64 * K) }
    const map = new MemoryMap({ arena })
    map.addRam('ram', 0, 4 * K, map.allocate('ram', 4 * K))
    arena.buffer = new ArrayBuffer(128 * K)
    map.arenaMoved()
    map.write8(0, 7)
    expect(new Uint8Array(arena.buffer)[0]).toBe(7)
  })
})

describe('flattening', () => {
  test('RAM and ROM become regions, and a ROM over RAM hides it', () => {
    const { map } = setup()
    const ram = map.allocate('ram', 64 * K)
    const rom = map.allocate('rom', 8 * K, true)
    map.addRam('ram', 0, 64 * K, ram)
    map.addRom('rom', 16 * K, 8 * K, rom, { priority: Priority.shadow })
    expect(map.regions()).toEqual([
      { address: 0, size: 16 * K, offset: ram, kind: 'ram' },
      { address: 16 * K, size: 8 * K, offset: rom, kind: 'rom' },
      { address: 24 * K, size: 40 * K, offset: ram + 24 * K, kind: 'ram' },
    ])
  })

  test('neighbours in address and arena are one region', () => {
    const { map } = setup()
    const ram = map.allocate('ram', 64 * K)
    map.addRam('low', 0, 32 * K, ram)
    map.addRam('high', 32 * K, 32 * K, ram + 32 * K)
    expect(map.regions()).toEqual([{ address: 0, size: 64 * K, offset: ram, kind: 'ram' }])
  })

  test('a RAM layer that takes reads only is a ROM to the engine, and its writes go below', () => {
    const { map, writes } = setup()
    const ram = map.allocate('ram', 8 * K)
    const flash = registers(0, 8 * K)
    const rom = map.allocate('rom', 8 * K)
    map.addRom('rom', 0, 8 * K, rom, { window: flash })
    map.addRam('shadow', 0, 8 * K, ram, { priority: Priority.shadow, writes: false })
    expect(map.regions()).toEqual([{ address: 0, size: 8 * K, offset: ram, kind: 'rom' }])
    map.mmioWrite(0x10, 0xab, 1)
    expect(flash.log).toEqual(['w1@16=ab'])
    expect(writes).toEqual([])
  })

  test('a RAM layer that takes writes only shows the ROM and fills the RAM', () => {
    const { map, writes } = setup()
    const ram = map.allocate('ram', 4 * K)
    const rom = map.allocate('rom', 4 * K)
    map.arenaBytes(rom, 4 * K).fill(0x90)
    map.addRom('rom', 0, 4 * K, rom)
    const shadow = map.addRam('shadow', 0, 4 * K, ram, { priority: Priority.shadow, reads: false })
    expect(map.regions()).toEqual([{ address: 0, size: 4 * K, offset: rom, kind: 'rom' }])
    map.mmioWrite(0x20, 0x11223344, 4)
    expect(map.read32(0x20)).toBe(0x90909090)
    expect(writes).toEqual([[ram + 0x20, 4]])
    map.update(shadow, { reads: true, writes: false })
    expect(map.read32(0x20)).toBe(0x11223344)
  })

  test('pages that are only partly memory go the slow way, and read right', () => {
    const { map } = setup()
    const ram = map.allocate('ram', 8 * K)
    const regs = registers(0x1800, 0x100)
    map.addRam('ram', 0, 8 * K, ram)
    map.addMmio(regs, { priority: Priority.shadow })
    expect(map.regions()).toEqual([{ address: 0, size: 4 * K, offset: ram, kind: 'ram' }])
    map.mmioWrite(0x17fe, 0x44332211, 4)
    expect(regs.log).toEqual(['w2@0=4433'])
    expect(map.mmioRead(0x17fc, 4)).toBe(0x22110000)
    expect(map.mmioRead(0x1900, 1)).toBe(0)
  })

  test('a batch tells the engine once, and a change that changes nothing tells it nothing', () => {
    const { map, changes } = setup()
    const ram = map.allocate('ram', 64 * K)
    const layer = map.addRam('a', 0, 4 * K, ram)
    expect(changes).toHaveLength(1)
    map.batch(() => {
      map.addRam('b', 8 * K, 4 * K, ram + 8 * K)
      map.batch(() => map.update(layer, { base: 32 * K }))
    })
    expect(changes).toHaveLength(2)
    expect(changes[1].map((r) => r.address)).toEqual([8 * K, 32 * K])
    map.update(layer, { base: 32 * K })
    map.addMmio(registers(0xfee00000, 4096))
    expect(changes).toHaveLength(2)
  })

  test('of equal priorities the later layer wins until it is removed', () => {
    const { map } = setup()
    const a = registers(0x1000, 0x100)
    const b = registers(0x1000, 0x100)
    map.addMmio(a)
    const layer = map.addMmio(b)
    map.mmioRead(0x1000, 1)
    map.remove(layer)
    map.mmioRead(0x1001, 1)
    expect([a.log, b.log]).toEqual([['r1@1'], ['r1@0']])
    expect(() => map.remove(layer)).toThrow(/not in the map/)
  })
})

describe('dispatch', () => {
  test('8 bytes arrive as two doublewords, low first', () => {
    const { map } = setup()
    const regs = registers(0xfed00000, 0x400)
    map.addMmio(regs)
    map.mmioWrite(0xfed00010, 0x1_0000_0002, 8)
    expect(map.mmioRead(0xfed00000, 8)).toBe(0xfffffffe * 2 ** 32 + 0xfffffffe)
    expect(regs.log).toEqual(['w4@16=2', 'w4@20=1', 'r4@0', 'r4@4'])
  })

  test('a narrow device sees narrow accesses', () => {
    const { map } = setup()
    const regs = registers(0xa0000, 0x20000, 1)
    map.addMmio(regs)
    expect(map.mmioRead(0xa0000, 4)).toBe(0x04030201)
    map.mmioWrite(0xbfffe, -1, 2)
    expect(regs.log.slice(4)).toEqual(['w1@131070=ff', 'w1@131071=ff'])
  })

  test('an access over the end reads ones there', () => {
    const { map } = setup()
    map.addMmio(registers(0x1000, 0x10))
    expect(map.mmioRead(0x100e, 4)).toBe(0xffff000f)
  })

  test('a mapping that goes away is not remembered by the lookup', () => {
    const { map } = setup()
    const regs = registers(0xe0000000, 0x10000)
    const layer = map.addMmio(regs)
    expect(map.mmioRead(0xe0000004, 1)).toBe(5)
    map.update(layer, { base: 0xf0000000 })
    expect(map.mmioRead(0xe0000004, 1)).toBe(0xff)
    expect(map.mmioRead(0xf0000004, 1)).toBe(5)
  })

  test('registers above 4 GiB do not alias those below', () => {
    const { map } = setup()
    map.addMmio(registers(0x1000, 0x1000))
    map.addWindow(0x8_0000_1000, { ...registers(0, 0x1000), read: () => 0x77 })
    expect(map.mmioRead(0x1000, 1)).toBe(1)
    expect(map.mmioRead(0x8_0000_1000, 1)).toBe(0x77)
    expect(map.mmioRead(0x1_0000_1000, 1)).toBe(0xff)
    expect(map.mmioRead(0x1000, 1)).toBe(1)
  })

  test('unassigned addresses read ones and are counted, up to a bound', () => {
    const { map } = setup()
    expect(map.mmioRead(0xd0000000, 4)).toBe(0xffffffff)
    map.mmioRead(0xd0000000, 2)
    map.mmioWrite(0xd0000000, 1, 1)
    expect(map.unhandled()).toEqual({ addresses: [{ address: 0xd0000000, reads: 2, writes: 1 }], others: 0 })
    for (let i = 0; i < 5000; i++) map.mmioRead(0xd0000000 + i * 4, 4)
    expect(map.unhandled().addresses).toHaveLength(1024)
    expect(map.unhandled().others).toBe(5000 - 1024)
    map.clearUnhandled()
    expect(map.unhandled()).toEqual({ addresses: [], others: 0 })
  })
})

describe('bus masters', () => {
  test('read and write through RAM, ROM, registers and nothing in one go', () => {
    const { map, writes } = setup()
    const ram = map.allocate('ram', 4 * K)
    const rom = map.allocate('rom', 4 * K)
    const regs = registers(0x2000, 8)
    map.addRam('ram', 0, 4 * K, ram)
    map.addRom('rom', 0x1000, 4 * K, rom)
    map.addMmio(regs)
    map.write(0xffe, Uint8Array.from([1, 2, 3, 4]))
    const back = new Uint8Array(4)
    map.read(0xffe, back)
    expect([...back]).toEqual([1, 2, 0, 0])
    expect(writes).toEqual([[ram + 0xffe, 2]])

    const tail = new Uint8Array(12)
    map.read(0x1ffe, tail)
    expect([...tail]).toEqual([0, 0, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff])
    map.write(0x1fff, Uint8Array.from([9, 1, 2, 3, 4, 5]))
    expect(regs.log).toEqual(['r4@0', 'r4@4', 'w4@0=4030201', 'w1@4=5'])
  })

  test('single values work at every boundary and are not counted as the guest CPU doing wrong', () => {
    const { map, writes } = setup()
    const ram = map.allocate('ram', 8 * K)
    map.addRam('a', 0, 4 * K, ram + 4 * K)
    map.addRam('b', 4 * K, 4 * K, ram)
    map.write32(0xffe, 0xdeadbeef)
    expect(map.read32(0xffe)).toBe(0xdeadbeef)
    expect(map.read16(0xfff)).toBe(0xadbe)
    expect(map.read8(0x1001)).toBe(0xde)
    expect(writes.reduce((sum, [, length]) => sum + length, 0)).toBe(4)
    map.write16(0x1fff, 0x55aa)
    expect(map.read16(0x1fff)).toBe(0xffaa)
    expect(map.read32(0x9000)).toBe(0xffffffff)
    map.write32(0x9000, 1)
    expect(map.unhandled().addresses).toEqual([])
  })

  test('know where a byte lies in the arena', () => {
    const { map } = setup()
    const ram = map.allocate('ram', 4 * K)
    map.addRam('ram', 0x4000, 4 * K, ram)
    map.addMmio(registers(0x8000, 16))
    expect([map.arenaOffset(0x4010), map.arenaOffset(0x8000), map.arenaOffset(0)]).toEqual([ram + 0x10, -1, -1])
  })

  test('are looked at and patched without a trace, and devices where they can be', () => {
    const { map } = setup()
    const ram = map.allocate('ram', 4 * K)
    map.addRam('ram', 0x4000, 4 * K, ram)
    map.addRom('rom', 0x5000, 4 * K, ram)
    const plain = registers(0x6000, 16)
    const seen = { ...registers(0x6010, 16), peek: (offset: number) => 0x03020100 + offset * 0x01010101 }
    map.addMmio(plain)
    map.addMmio(seen)
    expect(map.patch(0x4ffe, Uint8Array.of(1, 2, 3, 4))).toBe(2)
    expect([...map.look(0x4ffc, 8)]).toEqual([0, 0, 1, 2])
    expect(map.patch(0x5000, Uint8Array.of(9))).toBe(0)
    expect([...map.look(0x5ffe, 1)]).toEqual([1])
    expect([map.look(0x6000, 4).length, map.patch(0x6000, Uint8Array.of(1))]).toEqual([0, 0])
    expect([...map.look(0x6011, 64)]).toEqual(Array.from({ length: 15 }, (_, i) => i + 1))
    expect(map.patch(0x601f, Uint8Array.of(7, 8))).toBe(1)
    expect([map.look(0x9000, 4).length, map.patch(0x9000, Uint8Array.of(1))]).toEqual([0, 0])
    expect([plain.log, seen.log]).toEqual([[], ['w1@15=7']])
    expect(map.unhandled().addresses).toEqual([])
  })
})
