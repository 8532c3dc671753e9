import { describe, expect, test } from 'vitest'
import { I8259Pair } from '../../../machine/chipset/i8259.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

function setup(initialize = true) {
  let intr = false
  const pic = new I8259Pair({
    intr: (level) => {
      intr = level
    },
  })
  const range = (port: number) => pic.ports.find((r) => port >= r.base && port < r.base + r.count)
  const out = (port: number, value: number) => {
    const r = range(port)
    r?.write(port - r.base, value, 1)
  }
  const inp = (port: number) => {
    const r = range(port)
    return r ? r.read(port - r.base, 1) : -1
  }
  const init = (icw4 = 0x01) => {
    for (const [port, base, icw3] of [
      [0x20, 0x08, 0x04],
      [0xa0, 0x70, 0x02],
    ]) {
      out(port, 0x11)
      out(port + 1, base)
      out(port + 1, icw3)
      out(port + 1, icw4)
    }
  }
  if (initialize) init()
  const pulse = (irq: number) => {
    pic.line(irq)(true)
    pic.line(irq)(false)
  }
  return { pic, out, inp, init, pulse, intr: () => intr }
}

describe('priorities', () => {
  test('an edge interrupts, and its level in service keeps out the same and lower ones', () => {
    const { pic, out, pulse, intr } = setup()
    pulse(3)
    expect(intr()).toBe(true)
    expect(pic.acknowledge()).toBe(0x0b)
    expect(intr()).toBe(false)
    pulse(3)
    pulse(5)
    expect(intr()).toBe(false)
    pulse(1)
    expect(intr()).toBe(true)
    expect(pic.acknowledge()).toBe(0x09)
    out(0x20, 0x20)
    expect(intr()).toBe(false)
    out(0x20, 0x20)
    expect(pic.acknowledge()).toBe(0x0b)
    out(0x20, 0x20)
    expect(pic.acknowledge()).toBe(0x0d)
  })

  test('the slave interrupts through IR2 and needs two EOIs', () => {
    const { pic, out, inp, pulse, intr } = setup()
    pulse(8)
    expect(pic.acknowledge()).toBe(0x70)
    out(0x20, 0x0b)
    out(0xa0, 0x0b)
    expect([inp(0x20), inp(0xa0)]).toEqual([0x04, 0x01])
    pulse(14)
    out(0xa0, 0x20)
    expect(intr()).toBe(false)
    out(0x20, 0x20)
    expect(intr()).toBe(true)
    expect(pic.acknowledge()).toBe(0x76)
  })

  test('two requests of the slave with automatic EOI come one after the other', () => {
    const { pic, init, pulse, intr } = setup()
    init(0x03)
    pulse(9)
    pulse(12)
    expect([pic.acknowledge(), pic.acknowledge()]).toEqual([0x71, 0x74])
    expect(intr()).toBe(false)
  })

  test('special fully nested mode lets the slave interrupt its own lower request', () => {
    const { pic, pulse, intr, init } = setup()
    pulse(14)
    pic.acknowledge()
    pulse(8)
    expect(intr()).toBe(false)
    init(0x11)
    pulse(14)
    pic.acknowledge()
    pulse(8)
    expect(intr()).toBe(true)
    expect(pic.acknowledge()).toBe(0x70)
  })

  test('rotation on non-specific EOI makes the served level the lowest', () => {
    const { pic, out, pulse } = setup()
    pulse(4)
    pic.acknowledge()
    out(0x20, 0xa0)
    pulse(4)
    pulse(0)
    pulse(5)
    expect(pic.acknowledge()).toBe(0x0d)
    out(0x20, 0x20)
    expect(pic.acknowledge()).toBe(0x08)
  })

  test('set priority, specific EOI, rotate on specific EOI', () => {
    const { pic, out, inp, pulse } = setup()
    out(0x20, 0xc3) // IR3 lowest, IR4 highest
    pulse(3)
    pulse(4)
    expect(pic.acknowledge()).toBe(0x0c)
    out(0x20, 0x64)
    expect(pic.acknowledge()).toBe(0x0b)
    out(0x20, 0xe3)
    out(0x20, 0x0b)
    expect(inp(0x20)).toBe(0)
  })

  test('rotation in automatic EOI mode', () => {
    const { pic, out, init, pulse } = setup()
    init(0x03)
    out(0x20, 0x80)
    pulse(0)
    pic.acknowledge()
    pulse(0)
    pulse(1)
    expect(pic.acknowledge()).toBe(0x09)
  })

  test('special mask mode lets lower levels through a masked one in service', () => {
    const { pic, out, inp, pulse, intr } = setup()
    pulse(1)
    pic.acknowledge()
    pulse(6)
    expect(intr()).toBe(false)
    out(0x21, 0x02)
    out(0x20, 0x68)
    expect(intr()).toBe(true)
    expect(pic.acknowledge()).toBe(0x0e)
    out(0x20, 0x20) // ends 6, not the masked 1
    out(0x20, 0x0b)
    expect(inp(0x20)).toBe(0x02)
  })
})

describe('spurious interrupts', () => {
  test('IRQ 7 when the request is masked between INTR and INTA', () => {
    const { pic, out, inp, pulse } = setup()
    pulse(4)
    out(0x21, 0xff)
    expect(pic.acknowledge()).toBe(0x0f)
    out(0x20, 0x0b)
    expect(inp(0x20)).toBe(0)
  })

  test('IRQ 15 when a level-triggered line of the slave falls too early', () => {
    const { pic, out, inp } = setup()
    out(0x4d1, 0x08)
    pic.line(11)(true)
    pic.line(11)(false)
    expect(pic.acknowledge()).toBe(0x77)
    out(0x20, 0x0b)
    out(0xa0, 0x0b)
    // The master saw a real request from the slave: it needs its EOI.
    expect([inp(0x20), inp(0xa0)]).toEqual([0x04, 0x00])
  })
})

describe('level-triggered inputs', () => {
  test('interrupt again after EOI while the line is up', () => {
    const { pic, out, intr } = setup()
    out(0x4d0, 0x20)
    pic.line(5)(true)
    expect(pic.acknowledge()).toBe(0x0d)
    out(0x20, 0x20)
    expect(intr()).toBe(true)
    pic.acknowledge()
    pic.line(5)(false)
    out(0x20, 0x20)
    expect(intr()).toBe(false)
  })

  test('ELCR keeps the system’s own inputs edge-triggered', () => {
    const { out, inp } = setup()
    out(0x4d0, 0xff)
    out(0x4d1, 0xff)
    expect([inp(0x4d0), inp(0x4d1)]).toEqual([0xf8, 0xde])
  })
})

describe('initialization', () => {
  test('ICW1 forgets edges; a line that stays up does not interrupt again', () => {
    const { pic, init, inp, intr } = setup()
    pic.line(4)(true)
    expect(inp(0x20)).toBe(0x10)
    init()
    expect(inp(0x20)).toBe(0)
    expect(intr()).toBe(false)
    pic.line(4)(false)
    pic.line(4)(true)
    expect(intr()).toBe(true)
  })

  test('without ICW4 the third word is the last', () => {
    const { out, inp } = setup(false)
    out(0x20, 0x10)
    out(0x21, 0x08)
    out(0x21, 0x04)
    out(0x21, 0xaa)
    expect(inp(0x21)).toBe(0xaa)
  })

  test('the mask reads back, as probes for a PIC expect', () => {
    const { out, inp } = setup()
    out(0xa1, 0xff)
    out(0x21, 0xfb)
    expect([inp(0x21), inp(0xa1)]).toEqual([0xfb, 0xff])
  })
})

test('poll mode acknowledges by a read', () => {
  const { out, inp, pulse, intr } = setup()
  pulse(6)
  out(0x20, 0x0c)
  expect(inp(0x20)).toBe(0x86)
  expect(intr()).toBe(false)
  out(0x20, 0x0c)
  expect(inp(0x20)).toBe(0)
})

test('a restore with one interrupt in service and one pending continues', () => {
  const a = setup()
  a.pulse(3)
  a.pic.acknowledge()
  a.pulse(12)
  a.out(0x20, 0x11) // half-way through initialization is kept, too
  const half = setup(false)
  loadState(half.pic, structuredClone(saveState(a.pic)))
  expect(saveState(half.pic)).toEqual(saveState(a.pic))

  const b = setup()
  b.pulse(3)
  b.pic.acknowledge()
  b.pulse(1)
  const c = setup(false)
  loadState(c.pic, structuredClone(saveState(b.pic)))
  expect(c.intr()).toBe(true)
  expect(c.pic.acknowledge()).toBe(0x09)
})
