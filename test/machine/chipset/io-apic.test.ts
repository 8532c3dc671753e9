import { describe, expect, test, vi } from 'vitest'
import { ApicBus } from '../../../machine/chipset/apic-bus.js'
import { I8259Pair } from '../../../machine/chipset/i8259.js'
import { IoApic } from '../../../machine/chipset/io-apic.js'
import { LocalApic } from '../../../machine/chipset/local-apic.js'
import { ManualClock } from '../../../machine/clock.js'
import { I8254 } from '../../../machine/devices/timer/i8254.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

/** I/O APIC, one local APIC, the 8259s and the PIT, wired as on a PC. */
function setup() {
  const clock = new ManualClock()
  const bus = new ApicBus()
  let lint0: (level: boolean) => void = () => {}
  const pic = new I8259Pair({ intr: (level) => lint0(level) })
  const apic = new LocalApic({ id: 0, clock, bus, intr: () => {}, nmi: () => {}, pic })
  lint0 = apic.lint0
  const warn = vi.fn()
  const io = new IoApic({ bus, clock, pic, warn })
  const pit = new I8254({
    clock,
    output0: (level) => {
      pic.line(0)(level)
      io.line(2)(level)
    },
  })
  const range = io.mmio[0]
  const read = (index: number) => {
    range.write(0, index, 4)
    return range.read(0x10, 4)
  }
  const write = (index: number, value: number) => {
    range.write(0, index, 4)
    range.write(0x10, value, 4)
  }
  const redirect = (pin: number, low: number, high = 0) => {
    write(0x11 + pin * 2, high)
    write(0x10 + pin * 2, low)
  }
  const lapicWrite = (offset: number, value: number) => apic.writeMmio(offset, value, 4)
  lapicWrite(0xf0, 0x1ff)
  const eoi = () => lapicWrite(0xb0, 0)
  return { clock, bus, apic, io, pic, pit, warn, range, read, write, redirect, eoi, lapicWrite }
}

test('version 20h with 24 entries, all masked', () => {
  const { read, write } = setup()
  expect(read(1)).toBe(0x170020)
  for (let pin = 0; pin < 24; pin++) expect(read(0x10 + 2 * pin)).toBe(0x10000)
  write(0, 0x0f000000)
  expect([read(0), read(2)]).toEqual([0x0f000000, 0x0f000000])
  expect(read(0x40)).toBe(0)
})

describe('edge-triggered', () => {
  test('one message an edge', () => {
    const { apic, io, redirect } = setup()
    redirect(4, 0x34)
    io.line(4)(true)
    io.line(4)(true)
    expect(apic.acknowledge()).toBe(0x34)
    expect(apic.hasInterrupt()).toBe(false)
  })

  test('an edge on a masked input is lost', () => {
    const { apic, io, redirect } = setup()
    io.line(4)(true)
    redirect(4, 0x34)
    expect(apic.hasInterrupt()).toBe(false)
  })

  test('logical destination', () => {
    const { apic, io, redirect, lapicWrite } = setup()
    lapicWrite(0xd0, 0x04000000)
    redirect(4, 0x834, 0x02000000)
    io.line(4)(true)
    expect(apic.hasInterrupt()).toBe(false)
    redirect(5, 0x935, 0x0f000000)
    io.line(5)(true)
    expect(apic.acknowledge()).toBe(0x35)
  })
})

describe('level-triggered', () => {
  test('remote IRR holds further messages until EOI, then the level counts', () => {
    const { apic, io, read, redirect, eoi } = setup()
    redirect(10, 0x803a & ~0x800)
    io.line(10)(true)
    expect(apic.acknowledge()).toBe(0x3a)
    expect(read(0x24)).toBe(0xc03a)
    io.line(10)(false)
    io.line(10)(true)
    expect(apic.hasInterrupt()).toBe(false)
    eoi()
    expect(apic.acknowledge()).toBe(0x3a)
    io.line(10)(false)
    eoi()
    expect(apic.hasInterrupt()).toBe(false)
    expect(read(0x24)).toBe(0x803a)
  })

  test('a level that nothing takes away lets what it interrupts go on after a while, in a copy as well', () => {
    const one = setup()
    one.redirect(10, 0x803a)
    one.io.line(10)(true)
    for (let i = 0; i < 101; i++) {
      expect(one.apic.acknowledge()).toBe(0x3a)
      one.eoi()
    }
    expect(one.apic.hasInterrupt()).toBe(false)
    one.clock.advance(50_000)
    const two = setup()
    two.clock.advance(50_000)
    loadState(two.apic, saveState(one.apic))
    loadState(two.io, saveState(one.io))
    for (const { apic, clock, io, eoi } of [one, two]) {
      clock.advance(49_999)
      expect(apic.hasInterrupt()).toBe(false)
      clock.advance(1)
      expect(apic.acknowledge()).toBe(0x3a)
      io.line(10)(false)
      io.line(10)(true)
      eoi()
      expect(apic.acknowledge()).toBe(0x3a)
    }
  })

  test('unmasking a level that is up interrupts', () => {
    const { apic, io, redirect } = setup()
    redirect(10, 0x1803a)
    io.line(10)(true)
    expect(apic.hasInterrupt()).toBe(false)
    redirect(10, 0x803a)
    expect(apic.acknowledge()).toBe(0x3a)
  })

  test('the EOI register and the switch to edge clear remote IRR', () => {
    const { apic, io, range, read, redirect } = setup()
    redirect(10, 0x803a)
    io.line(10)(true)
    apic.acknowledge()
    io.line(10)(false)
    range.write(0x40, 0x3a, 4)
    expect(read(0x24)).toBe(0x803a)
    io.line(10)(true)
    expect(read(0x24)).toBe(0xc03a)
    redirect(10, 0x1003a)
    redirect(10, 0x1803a)
    expect(read(0x24)).toBe(0x1803a)
  })

  test('read-only bits cannot be written', () => {
    const { read, redirect } = setup()
    redirect(3, 0xffffffff & ~0xf8ff, 0xffffffff)
    expect(read(0x16) & 0x5000).toBe(0)
    expect(read(0x17)).toBe(0xff000000)
  })
})

describe('Linux’ timer check', () => {
  const HZ100 = 11932
  function ticks(machine: ReturnType<typeof setup>) {
    let count = 0
    for (let i = 0; i < 100; i++) {
      machine.clock.advance(1e6)
      while (machine.apic.hasInterrupt()) {
        machine.apic.acknowledge()
        machine.eoi()
        count++
      }
    }
    return count
  }
  const start = (machine: ReturnType<typeof setup>) => {
    const port = machine.pit.ports[0]
    port.write(3, 0x34, 1)
    port.write(0, HZ100 & 0xff, 1)
    port.write(0, HZ100 >> 8, 1)
    machine.pic.ports[0].write(1, 0xff, 1)
  }

  test('works through pin 2', () => {
    const machine = setup()
    start(machine)
    machine.redirect(2, 0x30)
    expect(ticks(machine)).toBe(9)
  })

  test('does not work through pin 0', () => {
    const machine = setup()
    start(machine)
    machine.redirect(0, 0x30)
    expect(ticks(machine)).toBe(0)
  })

  test('works through LINT0 in fixed mode with the 8259 in automatic EOI', () => {
    const machine = setup()
    start(machine)
    machine.lapicWrite(0x350, 0x30)
    const port = machine.pic.ports[0]
    for (const [offset, value] of [
      [0, 0x11],
      [1, 0x30],
      [1, 0x04],
      [1, 0x03],
      [1, 0xfe],
    ]) {
      port.write(offset, value, 1)
    }
    // Nothing acknowledges the 8259 in this mode: its INTR stays up after the first tick.
    expect(ticks(machine)).toBe(1)
  })
})

test('an ExtINT entry asks the 8259s', () => {
  const { apic, io, pic, redirect } = setup()
  const port = pic.ports[0]
  for (const [offset, value] of [
    [0, 0x11],
    [1, 0x20],
    [1, 0x04],
    [1, 0x01],
  ]) {
    port.write(offset, value, 1)
  }
  redirect(0, 0x700)
  pic.line(3)(true)
  io.line(0)(true)
  expect(apic.acknowledge()).toBe(0x23)
})

test('entries of NMI and INIT reach the CPU', () => {
  const clock = new ManualClock()
  const bus = new ApicBus()
  const nmi = vi.fn()
  const init = vi.fn()
  new LocalApic({ id: 0, clock, bus, intr: () => {}, nmi, init })
  const io = new IoApic({ bus, clock })
  const range = io.mmio[0]
  for (const [index, low] of [
    [0x10, 0x400],
    [0x12, 0x500],
  ]) {
    range.write(0, index, 4)
    range.write(0x10, low, 4)
  }
  io.line(0)(true)
  io.line(1)(true)
  expect([nmi.mock.calls.length, init.mock.calls.length]).toEqual([1, 1])
})

test('accesses that mean nothing', () => {
  const { range, warn, read } = setup()
  range.write(0x10, 0xff, 1)
  range.write(0x30, 1, 4)
  expect(warn).toHaveBeenCalledTimes(2)
  expect(range.read(0x20, 4)).toBe(0)
  expect(read(0xff)).toBe(0)
})

test('a restore with a remote IRR set continues', () => {
  const a = setup()
  a.redirect(10, 0x803a)
  a.io.line(10)(true)
  a.apic.acknowledge()
  const b = setup()
  loadState(b.io, structuredClone(saveState(a.io)))
  loadState(b.apic, structuredClone(saveState(a.apic)))
  b.eoi()
  expect(b.apic.acknowledge()).toBe(0x3a)
  b.io.line(10)(false)
  b.eoi()
  expect(b.apic.hasInterrupt()).toBe(false)
})
