import { describe, expect, test } from 'vitest'
import { MemoryMap } from '../../../../machine/bus/memory-map.js'
import { PciBus, PciFunction } from '../../../../machine/bus/pci.js'
import { PortBus } from '../../../../machine/bus/port-bus.js'
import { ManualClock } from '../../../../machine/clock.js'
import { CirrusVga } from '../../../../machine/devices/display/cirrus-vga.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

const SIZE = 4 << 20

class CirrusBench {
  readonly clock = new ManualClock()
  readonly warnings: string[] = []
  readonly vram = new Uint8Array(SIZE)
  plain = true
  readonly card = new CirrusVga({
    clock: this.clock,
    vram: this.vram,
    warn: (what) => this.warnings.push(what),
    plainMemory: (on) => {
      this.plain = on
    },
  })

  out(port: number, value: number): void {
    const range = this.card.ports.find(({ base, count }) => port >= base && port < base + count)
    range?.write(port - range.base, value, 1)
  }

  in(port: number): number {
    const range = this.card.ports.find(({ base, count }) => port >= base && port < base + count)
    return range?.read(port - range.base, 1) ?? 0xff
  }

  gr(index: number, value: number): void {
    this.out(0x3ce, index)
    this.out(0x3cf, value)
  }

  sr(index: number, value: number): void {
    this.out(0x3c4, index)
    this.out(0x3c5, value)
  }

  /** GR20 on: width, height, pitches, addresses, then mode, operation and start. */
  blt(registers: readonly number[], mode: number, rop = 0x0d, extension = 0): void {
    for (const [i, value] of registers.entries()) this.gr(0x20 + i, value)
    this.gr(0x30, mode)
    this.gr(0x32, rop)
    this.gr(0x33, extension)
    this.gr(0x31, 0x02)
  }
}

const extended = () => {
  const bench = new CirrusBench()
  bench.sr(7, 0x01)
  return bench
}
/** Everything as large as it goes, from the last byte of the memory on. */
const LARGEST = [0xff, 0x1f, 0xff, 0x00, 0xff, 0x1f, 0xff, 0x1f, 0xff, 0xff, 0x3f, 0, 0xff, 0xff, 0x3f, 0]

describe('the hidden DAC register', () => {
  test('lies behind four reads of the pel mask; any other access of the DAC leads back', () => {
    const bench = new CirrusBench()
    const four = () => Array.from({ length: 4 }, () => bench.in(0x3c6))
    expect(four()).toEqual([0xff, 0xff, 0xff, 0xff])
    bench.out(0x3c6, 0xc1)
    four()
    expect(bench.in(0x3c6)).toBe(0xc1)
    four()
    bench.in(0x3c8)
    bench.out(0x3c6, 0x0f)
    expect(bench.in(0x3c6)).toBe(0x0f)
  })
})

describe('what others’ blitters got wrong', () => {
  test.each([
    ['a copy', 0x00],
    ['a copy backwards (CVE-2014-8106)', 0x01],
    ['a transparent copy backwards', 0x19],
    ['colour expansion', 0x80],
    ['a pattern (CVE-2007-1320)', 0x40],
    ['a pattern of 24 bits', 0x60],
    ['an expanded pattern of 32 bits', 0xf0],
  ])('%s beyond the memory’s end goes on at its start', (_what, mode) => {
    const bench = extended()
    const backwards = (mode & 1) !== 0
    const registers = LARGEST.map((value, i) => (backwards && i >= 8 ? (i === 8 || i === 12 ? 16 : 0) : value))
    bench.blt(registers, mode, 0x0e)
    // Both sides of the end are ones, and the engine is done.
    expect([bench.vram[0], bench.vram[SIZE - 1], bench.in(0x3cf) & 0x01]).toEqual([0xff, 0xff, 0])
  })

  test('a backwards copy with a pitch of 0 and the least address (CVE-2017-2615) wraps, byte for byte', () => {
    const bench = extended()
    bench.vram.set([1, 2, 3, 4], SIZE - 4)
    // 6 bytes back from address 1: 1, 0, and four at the end.
    bench.blt([5, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0], 0x01)
    expect([...bench.vram.subarray(6, 12)]).toEqual([1, 2, 3, 4, 0, 0])
  })

  test('to the CPU and wide transparent copies are said to be missing, and change nothing', () => {
    const bench = extended()
    bench.blt([9, 0, 1, 0, 16, 0, 16, 0, 0, 1, 0, 0, 0, 0, 0, 0], 0x02)
    bench.blt([9, 0, 1, 0, 16, 0, 16, 0, 0, 1, 0, 0, 0, 0, 0, 0], 0x28)
    expect([bench.warnings.length, bench.vram.some((byte) => byte !== 0)]).toEqual([2, false])
  })

  test('what costs the host much costs the guest', () => {
    const bench = extended()
    let stalled = 0
    bench.clock.onStall = (ns) => {
      stalled += ns
    }
    bench.blt(LARGEST, 0x00)
    expect(stalled).toBe(8192 * 256 * 5)
  })
})

describe('data from the CPU', () => {
  test('comes through the frame buffer, which is memory again at the end', () => {
    const bench = extended()
    bench.blt([3, 0, 1, 0, 16, 0, 0, 0, 0, 1, 0, 0], 0x04)
    expect(bench.plain).toBe(false)
    bench.card.frameBuffer.write(0x20, 0x04030201, 4)
    // The aperture takes it as well.
    bench.card.frameBuffer.write(0x1000000, 0x08070605, 4)
    expect(bench.plain).toBe(true)
    expect([...bench.vram.subarray(256, 260), ...bench.vram.subarray(272, 276)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(bench.vram[0x20]).toBe(0)
  })

  test('lines of bits are padded to bytes, or to double words when GR33 asks for it', () => {
    for (const [extension, line] of [
      [0, 1],
      [1, 4],
    ]) {
      const bench = extended()
      bench.gr(1, 0xff)
      bench.blt([7, 0, 1, 0, 16, 0, 0, 0, 0, 1, 0, 0], 0x84, 0x0d, extension)
      const bytes = Array.from({ length: 2 * line }, (_, i) => (i % line === 0 ? 0xa5 : 0))
      for (const byte of bytes) {
        expect(bench.plain).toBe(false)
        bench.card.frameBuffer.write(0, byte, 1)
      }
      const row = [0xff, 0, 0xff, 0, 0, 0xff, 0, 0xff]
      expect([bench.plain, ...bench.vram.subarray(256, 264), ...bench.vram.subarray(272, 280)]).toEqual([
        true,
        ...row,
        ...row,
      ])
    }
  })

  test('a reset of the engine ends it', () => {
    const bench = extended()
    bench.blt([3, 0, 1, 0, 16, 0, 0, 0, 0, 1, 0, 0], 0x04)
    bench.gr(0x31, 0x04)
    bench.gr(0x31, 0x00)
    expect([bench.plain, bench.in(0x3cf)]).toEqual([true, 0])
  })

  test('save and load in the middle of a line, whatever the registers say by then', () => {
    const [one, two] = [extended(), new CirrusBench()]
    one.blt([3, 0, 1, 0, 16, 0, 0, 0, 0, 1, 0, 0], 0x04)
    one.card.frameBuffer.write(0, 0x0201, 2)
    one.gr(0x20, 100)
    loadState(two.card, structuredClone(saveState(one.card)))
    two.vram.set(one.vram)
    expect([two.plain, saveState(two.card)]).toEqual([false, saveState(one.card)])
    for (const bench of [one, two]) {
      bench.card.frameBuffer.write(0, 0x0403, 2)
      bench.card.frameBuffer.write(0, 0x08070605, 4)
    }
    expect([...two.vram.subarray(256, 276)]).toEqual([...one.vram.subarray(256, 276)])
    expect([two.plain, two.vram[275]]).toEqual([true, 8])
  })

  test.each([
    ['more of a line than there can be', { have: 8193 }],
    ['registers that are too few', { latched: new Uint8Array(3) }],
  ])('%s is refused', (_what, change) => {
    const { card } = new CirrusBench()
    const state = saveState(card) as { extension: { blitter: object } }
    const extension = { ...state.extension, blitter: { ...state.extension.blitter, ...change } }
    expect(() => loadState(card, { ...state, extension } as never)).toThrow(/damaged/)
  })
})

test('memory of a BAR gives way to the registers beneath it, and they have what lies behind it', () => {
  const arena = { buffer: new ArrayBuffer(1 << 16) }
  const memory = new MemoryMap({ arena })
  const pci = new PciBus(new PortBus(), memory)
  const card = new PciFunction({ name: 'card', vendorId: 1, deviceId: 2, classCode: 0x030000 })
  const seen: number[] = []
  const offset = memory.allocate('memory', 0x1000)
  card.addRamBar(
    0,
    { name: 'memory', offset, size: 0x1000 },
    { beneath: { name: 'registers', size: 0x4000, read: () => 0x77, write: (at) => seen.push(at) } },
  )
  pci.add(3, 0, card)
  card.writeConfig(0x10, 0xffffffff, 4)
  expect(card.readConfig(0x10, 4)).toBe(0xffffc000)
  card.writeConfig(0x10, 0xf0000000, 4)
  card.writeConfig(4, 2, 2)
  memory.write8(0xf0000010, 5)
  expect([memory.read8(0xf0000010), memory.read8(0xf0002000), seen]).toEqual([5, 0x77, []])
  card.setRam(0, false)
  memory.write8(0xf0000010, 6)
  expect([memory.read8(0xf0000010), seen]).toEqual([0x77, [0x10]])
  card.writeConfig(0x10, 0xf0100000, 4)
  card.setRam(0, true)
  expect([memory.read8(0xf0100010), memory.read8(0xf0103fff)]).toEqual([5, 0x77])
})
