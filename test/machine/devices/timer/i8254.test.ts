import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { I8254, PIT_FREQUENCY, pitNanoseconds, pitTicks } from '../../../../machine/devices/timer/i8254.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

function setup() {
  const clock = new ManualClock()
  const edges: number[] = []
  let level = false
  const pit = new I8254({
    clock,
    output0: (next) => {
      if (next && !level) edges.push(clock.now())
      level = next
    },
  })
  const range = pit.ports[0]
  const out = (port: number, value: number) => range.write(port - 0x40, value, 1)
  const inp = (port: number) => range.read(port - 0x40, 1)
  const word = (port: number) => inp(port) | (inp(port) << 8)
  /** Control word for a 16-bit binary count, then the count. */
  const program = (counter: number, mode: number, count: number) => {
    out(0x43, (counter << 6) | 0x30 | (mode << 1))
    out(0x40 + counter, count & 0xff)
    out(0x40 + counter, count >> 8)
  }
  const latched = (counter: number) => {
    out(0x43, counter << 6)
    return word(0x40 + counter)
  }
  const status = (counter: number) => {
    out(0x43, 0xe0 | (2 << counter))
    return inp(0x40 + counter)
  }
  /** Lets `n` ticks of the PIT pass, rounded up to a whole ns. */
  const ticks = (n: number) => clock.advance(pitNanoseconds(n))
  return { clock, pit, edges, level: () => level, out, inp, word, program, latched, status, ticks }
}

test('ticks and nanoseconds convert exactly over a hundred days', () => {
  for (const ticks of [0, 1, 2, 1193181, 1193182, 1193183, PIT_FREQUENCY * 86400 * 100 + 7]) {
    expect(pitTicks(pitNanoseconds(ticks))).toBe(ticks)
    expect(pitTicks(pitNanoseconds(ticks + 1) - 1)).toBe(ticks)
  }
})

describe('counting', () => {
  test('mode 2 counts down by one from N to 1', () => {
    const { program, latched, ticks } = setup()
    program(0, 2, 4)
    const seen = [latched(0)]
    for (let i = 0; i < 5; i++) {
      ticks(1)
      seen.push(latched(0))
    }
    expect(seen).toEqual([4, 3, 2, 1, 4, 3])
  })

  test('mode 3 counts by two, twice a period', () => {
    const { program, latched, pit, ticks } = setup()
    program(2, 3, 6)
    pit.setGate(2, true)
    const seen: [number, boolean][] = []
    for (let i = 0; i < 7; i++) {
      seen.push([latched(2), pit.output(2)])
      ticks(1)
    }
    expect(seen.map(([value]) => value)).toEqual([6, 4, 2, 6, 4, 2, 6])
    expect(seen.map(([, output]) => output)).toEqual([true, true, true, false, false, false, true])
  })

  test('mode 3 with an odd count is high for one tick more', () => {
    const { program, latched, pit, ticks } = setup()
    program(2, 3, 5)
    pit.setGate(2, true)
    const values: number[] = []
    let high = 0
    for (let i = 0; i < 5; i++) {
      values.push(latched(2))
      if (pit.output(2)) high++
      ticks(1)
    }
    expect(values).toEqual([4, 2, 0, 4, 2])
    expect(high).toBe(3)
  })

  test('mode 0 goes on below zero after terminal count', () => {
    const { program, latched, pit, ticks } = setup()
    program(2, 0, 2)
    pit.setGate(2, true)
    expect(pit.output(2)).toBe(false)
    ticks(2)
    expect([latched(2), pit.output(2)]).toEqual([0, true])
    ticks(1)
    expect([latched(2), pit.output(2)]).toEqual([0xffff, true])
  })

  test('BCD counts in decimal', () => {
    const { out, word, ticks } = setup()
    out(0x43, 0x31)
    out(0x40, 0x00)
    out(0x40, 0x10)
    ticks(1)
    expect(word(0x40)).toBe(0x0999)
    ticks(1000)
    expect(word(0x40)).toBe(0x9999)
  })

  test('a count of 0 is 65536', () => {
    const { program, clock, edges } = setup()
    program(0, 2, 0)
    edges.length = 0
    clock.advance(100_000_000)
    expect(edges).toEqual([pitNanoseconds(65536)])
  })
})

describe('interrupts', () => {
  test('mode 2 at 100 Hz does not drift in an hour', () => {
    const { program, clock, edges } = setup()
    program(0, 2, 11932)
    edges.length = 0
    clock.advance(3600e9)
    expect(edges.length).toBe(Math.floor((PIT_FREQUENCY * 3600) / 11932))
    expect(edges.at(-1)).toBe(pitNanoseconds(edges.length * 11932))
  })

  test('mode 0 interrupts once and needs no timer afterwards', () => {
    const { program, clock, edges, level } = setup()
    program(0, 0, 1000)
    edges.length = 0
    expect(level()).toBe(false)
    clock.advance(1e9)
    expect(edges).toEqual([pitNanoseconds(1000)])
    expect(level()).toBe(true)
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('a new count in mode 2 waits for the end of the period', () => {
    const { program, out, clock, edges, status, ticks } = setup()
    program(0, 2, 1000)
    edges.length = 0
    ticks(300)
    out(0x40, 500 & 0xff)
    out(0x40, 500 >> 8)
    expect(status(0) & 0x40).toBe(0x40)
    clock.advance(pitNanoseconds(2001) - clock.now())
    expect(edges).toEqual([1000, 1500, 2000].map(pitNanoseconds))
    expect(status(0) & 0x40).toBe(0)
  })

  test('a new count in mode 3 waits for the end of the half', () => {
    const { program, out, clock, edges, ticks } = setup()
    program(0, 3, 1000)
    edges.length = 0
    ticks(300)
    out(0x40, 200)
    out(0x40, 0)
    clock.advance(pitNanoseconds(801) - clock.now())
    // High until 500, then halves of 100.
    expect(edges).toEqual([600, 800].map(pitNanoseconds))
  })

  test('the HPET can take the interrupt away and give it back', () => {
    const { pit, program, clock, edges, latched } = setup()
    program(0, 2, 1000)
    pit.setInterruptEnabled(false)
    edges.length = 0
    clock.advance(pitNanoseconds(2500))
    expect(edges).toEqual([])
    expect(latched(0)).toBe(500)
    pit.setInterruptEnabled(true)
    edges.length = 0
    clock.advance(pitNanoseconds(3001) - clock.now())
    expect(edges).toEqual([pitNanoseconds(3000)])
  })
})

describe('reading', () => {
  test('a latched count stands until both bytes are read', () => {
    const { program, out, inp, ticks } = setup()
    program(0, 2, 0x1234)
    out(0x43, 0x00)
    ticks(100)
    out(0x43, 0x00)
    expect(inp(0x40)).toBe(0x34)
    ticks(100)
    expect(inp(0x40)).toBe(0x12)
    out(0x43, 0x00)
    expect(inp(0x40)).toBe((0x1234 - 200) & 0xff)
  })

  test('read-back latches status before count', () => {
    const { program, out, inp, word, ticks } = setup()
    program(0, 2, 0x1000)
    ticks(1)
    out(0x43, 0xc2)
    expect(inp(0x40)).toBe(0x80 | 0x30 | 0x04)
    expect(word(0x40)).toBe(0x0fff)
  })

  test('NULL COUNT stands from the control word to the count', () => {
    const { out, status } = setup()
    out(0x43, 0x34)
    expect(status(0)).toBe(0xf4)
    out(0x40, 1)
    expect(status(0) & 0x40).toBe(0x40)
    out(0x40, 1)
    expect(status(0) & 0x40).toBe(0)
  })

  test('LSB-only and MSB-only access', () => {
    const { out, inp, ticks } = setup()
    out(0x43, 0x14)
    out(0x40, 10)
    ticks(3)
    expect([inp(0x40), inp(0x40)]).toEqual([7, 7])
    out(0x43, 0x24)
    out(0x40, 2)
    ticks(1)
    expect([inp(0x40), inp(0x40)]).toEqual([1, 1])
  })

  test('the control port reads 0', () => {
    expect(setup().inp(0x43)).toBe(0)
  })
})

describe('gate', () => {
  test('stops and resumes mode 0', () => {
    const { program, pit, latched, ticks } = setup()
    program(2, 0, 1000)
    ticks(50)
    expect(latched(2)).toBe(1000)
    pit.setGate(2, true)
    ticks(100)
    pit.setGate(2, false)
    ticks(500)
    expect(latched(2)).toBe(900)
    pit.setGate(2, true)
    ticks(899)
    expect(pit.output(2)).toBe(false)
    ticks(2)
    expect(pit.output(2)).toBe(true)
  })

  test('a rising edge starts the one-shot of mode 1 again', () => {
    const { program, pit, ticks } = setup()
    program(2, 1, 100)
    expect(pit.output(2)).toBe(true)
    pit.setGate(2, true)
    expect(pit.output(2)).toBe(false)
    ticks(60)
    pit.setGate(2, false)
    pit.setGate(2, true)
    ticks(60)
    expect(pit.output(2)).toBe(false)
    ticks(41)
    expect(pit.output(2)).toBe(true)
  })

  test('mode 3 is high while the gate is low, and starts over', () => {
    const { program, pit, latched, ticks } = setup()
    program(2, 3, 100)
    pit.setGate(2, true)
    ticks(60)
    expect(pit.output(2)).toBe(false)
    pit.setGate(2, false)
    expect(pit.output(2)).toBe(true)
    pit.setGate(2, true)
    expect(latched(2)).toBe(100)
  })

  test('modes 4 and 5 strobe low for one tick', () => {
    const { program, pit, ticks } = setup()
    for (const mode of [4, 5]) {
      program(2, mode, 3)
      pit.setGate(2, false)
      pit.setGate(2, true)
      const seen: boolean[] = []
      for (let i = 0; i < 5; i++) {
        seen.push(pit.output(2))
        ticks(1)
      }
      expect(seen, `mode ${mode}`).toEqual([true, true, true, false, true])
    }
  })
})

test('a restore in mid-period continues identically', () => {
  const a = setup()
  a.program(0, 3, 3000)
  a.ticks(1000)
  a.out(0x43, 0x00)
  a.inp(0x40)
  const saved = structuredClone(saveState(a.pit))
  const b = setup()
  b.clock.advance(a.clock.now())
  loadState(b.pit, saved)
  b.clock.load(a.clock.save())
  expect(saveState(b.pit)).toEqual(saveState(a.pit))
  expect(b.inp(0x40)).toBe(a.inp(0x40))
  a.edges.length = b.edges.length = 0
  a.clock.advance(10e6)
  b.clock.advance(10e6)
  expect(b.edges.at(-1)).toBe(a.edges.at(-1))
  expect(saveState(b.pit)).toEqual(saveState(a.pit))
})
