import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { Hpet } from '../../../../machine/devices/timer/hpet.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

function setup() {
  const clock = new ManualClock()
  /** `gsi` and ns of each rising edge. */
  const edges: [number, number][] = []
  const levels: boolean[] = []
  const legacy = vi.fn()
  const warn = vi.fn()
  const hpet = new Hpet({
    clock,
    legacy,
    warn,
    irq: (gsi) => (level) => {
      if (level && !levels[gsi]) edges.push([gsi, clock.now()])
      levels[gsi] = level
    },
  })
  const range = hpet.mmio[0]
  const read = (offset: number) => range.read(offset, 4)
  const write = (offset: number, value: number) => range.write(offset, value, 4)
  return { clock, hpet, edges, levels, legacy, warn, range, read, write }
}

test('capabilities as QEMU’s', () => {
  const { read } = setup()
  expect(read(0)).toBe(0x8086a201)
  expect(read(4)).toBe(10_000_000)
  expect(read(0x100)).toBe(0x30)
  expect(read(0x104)).toBe(0x4)
  expect(read(0x160)).toBe(0)
})

describe('main counter', () => {
  test('counts 100 MHz while enabled, is set while it stands', () => {
    const { clock, read, write } = setup()
    clock.advance(12345)
    expect(read(0xf0)).toBe(0)
    write(0xf0, 0xfffffff0)
    write(0xf4, 7)
    write(0x10, 1)
    clock.advance(159)
    expect([read(0xf0), read(0xf4)]).toEqual([0xffffffff, 7])
    clock.advance(1)
    expect([read(0xf0), read(0xf4)]).toEqual([0, 8])
    write(0x10, 0)
    clock.advance(1000)
    expect([read(0xf0), read(0xf4)]).toEqual([0, 8])
  })

  test('a write while it counts is ignored', () => {
    const { clock, read, write } = setup()
    write(0x10, 1)
    clock.advance(1000)
    write(0xf0, 5)
    expect(read(0xf0)).toBe(100)
  })
})

describe('comparators', () => {
  test('Linux one-shot: 32-bit, edge, legacy replacement', () => {
    const { clock, edges, legacy, read, write } = setup()
    write(0x10, 3)
    expect(legacy).toHaveBeenCalledWith(true)
    write(0x108, 50_000)
    write(0x100, 0x104)
    clock.advance(1e6)
    expect(edges).toEqual([[0, 500_000]])
    write(0x108, read(0xf0) + 1000)
    clock.advance(1e6)
    expect(edges[1]).toEqual([0, 1_010_000])
  })

  test('a comparator that has been passed fires at once', () => {
    const { clock, edges, write } = setup()
    write(0x10, 3)
    clock.advance(1e6)
    write(0x100, 0x100)
    write(0x108, 10)
    write(0x100, 0x104)
    clock.advance(100)
    expect(edges).toEqual([[0, 1_000_010]])
  })

  test('changing the mode of a comparator that has fired does not fire it again', () => {
    const { clock, edges, write } = setup()
    write(0x10, 3)
    write(0x108, 100)
    write(0x100, 0x104)
    clock.advance(2000)
    write(0x100, 0x10c)
    write(0x100, 0x104)
    clock.advance(1e9)
    expect(edges.length).toBe(1)
  })

  test('Linux periodic: value set, then the period', () => {
    const { clock, edges, read, write } = setup()
    write(0x10, 3)
    clock.advance(5000)
    write(0x100, 0x14c)
    expect(read(0x100) & 0x40).toBe(0x40)
    write(0x108, 1000)
    expect(read(0x100) & 0x40).toBe(0)
    write(0x108, 400)
    clock.advance(20_000)
    expect(edges.map(([, ns]) => ns)).toEqual([10_000, 14_000, 18_000, 22_000])
    expect(read(0x108)).toBe(2600)
  })

  test('a 64-bit comparator across the 32-bit boundary', () => {
    const { clock, edges, write } = setup()
    write(0xf0, 0xffffff00)
    write(0x10, 1)
    write(0x140, 0x404) // route 2
    write(0x148, 0x100)
    write(0x14c, 1)
    clock.advance(1e6)
    // Between the two halves of the write the comparator stood at a value not yet reached.
    expect(edges).toEqual([[2, 5120]])
  })

  test('level-triggered: status holds the line until it is cleared', () => {
    const { clock, levels, read, write } = setup()
    write(0x10, 1)
    write(0x128, 100)
    write(0x12c, 0)
    write(0x120, 0x406)
    clock.advance(2000)
    expect(read(0x20)).toBe(2)
    expect(levels[2]).toBe(true)
    write(0x20, 1)
    expect(levels[2]).toBe(true)
    write(0x20, 2)
    expect([levels[2], read(0x20)]).toEqual([false, 0])
  })

  test('VALUE_SET ends with a write of either half of a 32-bit comparator', () => {
    const { read, write } = setup()
    write(0x100, 0x148)
    write(0x10c, 0)
    expect(read(0x100) & 0x40).toBe(0)
  })

  test('a 32-bit period of 2^31 ticks and more lasts that long', () => {
    const { clock, edges, write } = setup()
    write(0x10, 3)
    write(0x100, 0x14c)
    write(0x108, 0xc0000000)
    write(0x108, 0xc0000000)
    clock.advance(2 ** 34 * 10)
    expect(edges.map(([, ns]) => ns)).toEqual([1, 2, 3, 4, 5].map((n) => n * 0xc0000000 * 10))
  })

  test('a 64-bit period of 2^63 ticks and more lasts that long', () => {
    const { clock, edges, write } = setup()
    write(0x10, 3)
    write(0x100, 0x04c)
    write(0x108, 0x100)
    write(0x10c, 0)
    write(0x108, 5)
    write(0x10c, 0xc0000000)
    clock.advance(1e12)
    expect(edges.map(([, ns]) => ns)).toEqual([2560])
  })

  test('a period of one tick does not stop time', () => {
    const { clock, edges, write } = setup()
    write(0x10, 3)
    write(0x100, 0x14c)
    write(0x108, 10)
    write(0x108, 1)
    clock.advance(1e6)
    expect(edges.length).toBeGreaterThan(900)
    expect(edges.length).toBeLessThan(1100)
  })
})

describe('legacy replacement', () => {
  test('takes over the PIT and the RTC and gives them back', () => {
    const { hpet, levels, legacy, write } = setup()
    hpet.pitInput(true)
    expect(levels[0]).toBe(true)
    hpet.rtcInput(true)
    write(0x10, 2)
    expect([levels[0], levels[8]]).toEqual([false, false])
    hpet.pitInput(false)
    hpet.pitInput(true)
    expect(levels[0]).toBe(false)
    write(0x10, 0)
    expect(legacy.mock.calls).toEqual([[true], [false]])
    expect(levels[8]).toBe(true)
  })

  test('reset ends it', () => {
    const { clock, hpet, legacy, read, write } = setup()
    write(0x10, 3)
    clock.advance(1000)
    hpet.reset()
    expect(legacy.mock.lastCall).toEqual([false])
    expect([read(0x10), read(0xf0)]).toEqual([0, 0])
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })
})

test('a comparator routed to an interrupt it may not use is reported', () => {
  const { clock, warn, write } = setup()
  write(0x10, 1)
  write(0x108, 100)
  write(0x100, 0x104 | (11 << 9))
  clock.advance(1e6)
  expect(warn).toHaveBeenCalledOnce()
})

test('accesses that are no aligned dwords', () => {
  const { range, read, warn } = setup()
  expect(range.read(6, 2)).toBe(0x0098)
  expect(range.read(1, 1)).toBe(0xa2)
  range.write(0x10, 1, 1)
  expect(warn).toHaveBeenCalled()
  expect(read(0x10)).toBe(0)
})

test('a restore with an armed periodic comparator continues identically', () => {
  const a = setup()
  a.write(0x10, 3)
  a.write(0x100, 0x14c)
  a.write(0x108, 1000)
  a.write(0x108, 700)
  a.clock.advance(12_345)
  const b = setup()
  b.clock.advance(12_345)
  loadState(b.hpet, structuredClone(saveState(a.hpet)))
  a.edges.length = 0
  a.clock.advance(50_000)
  b.clock.advance(50_000)
  expect(a.edges.length).toBeGreaterThan(5)
  expect(b.edges).toEqual(a.edges)
  expect(b.read(0xf0)).toBe(a.read(0xf0))
})
