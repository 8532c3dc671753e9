import { describe, expect, test, vi } from 'vitest'
import { ApicBus } from '../../../machine/chipset/apic-bus.js'
import { I8259Pair } from '../../../machine/chipset/i8259.js'
import { LocalApic, type LocalApicOptions, localApicWindow } from '../../../machine/chipset/local-apic.js'
import { ManualClock } from '../../../machine/clock.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

function makeApic(clock: ManualClock, bus: ApicBus, options: Partial<LocalApicOptions> = {}) {
  let level = false
  const nmi = vi.fn()
  const smi = vi.fn()
  const init = vi.fn()
  const sipi = vi.fn()
  const warn = vi.fn()
  const intr = (next: boolean) => {
    level = next
  }
  const apic = new LocalApic({ id: 0, clock, bus, intr, nmi, smi, init, sipi, warn, ...options })
  const range = localApicWindow(() => apic)
  const read = (offset: number) => apic.readMmio(offset, 4)
  const write = (offset: number, value: number) => apic.writeMmio(offset, value, 4)
  return { apic, range, read, write, nmi, smi, init, sipi, warn, intr: () => level }
}

/** One APIC behind a pair of 8259s, enabled by software. */
function setup() {
  const clock = new ManualClock()
  const bus = new ApicBus()
  let lint0: (level: boolean) => void = () => {}
  const pic = new I8259Pair({ intr: (level) => lint0(level) })
  // 10 guest ns a tick of the TSC.
  const cpu = makeApic(clock, bus, { pic, tsc: { toNs: (tsc) => Number(tsc) * 10 } })
  lint0 = cpu.apic.lint0
  cpu.write(0xf0, 0x1ff)
  const ports = pic.ports[0]
  for (const [offset, value] of [
    [0, 0x11],
    [1, 0x08],
    [1, 0x04],
    [1, 0x01],
  ]) {
    ports.write(offset, value, 1)
  }
  return { clock, bus, pic, ports, ...cpu }
}

describe('priorities', () => {
  test('a higher class interrupts, a lower one waits for EOI', () => {
    const { apic, read, write, intr } = setup()
    apic.accept(0, 0x31, false)
    expect(intr()).toBe(true)
    expect(apic.acknowledge()).toBe(0x31)
    expect(intr()).toBe(false)
    apic.accept(0, 0x35, false) // same class
    expect(intr()).toBe(false)
    apic.accept(0, 0x41, false)
    expect(apic.acknowledge()).toBe(0x41)
    expect(read(0xa0)).toBe(0x40)
    write(0xb0, 0)
    expect(intr()).toBe(false)
    write(0xb0, 0)
    expect(apic.acknowledge()).toBe(0x35)
  })

  test('the task priority keeps interrupts out; CR8 is its upper half', () => {
    const { apic, read, write, intr } = setup()
    write(0x80, 0x30)
    expect(apic.cr8).toBe(3)
    apic.accept(0, 0x3f, false)
    expect(intr()).toBe(false)
    apic.cr8 = 2
    expect(read(0x80)).toBe(0x20)
    expect(intr()).toBe(true)
  })

  test('a request that the task priority overtakes gives the spurious vector, not in service', () => {
    const { apic, read, write } = setup()
    apic.accept(0, 0x40, false)
    write(0x80, 0xf0)
    expect(apic.acknowledge()).toBe(0xff)
    for (let i = 0; i < 8; i++) expect(read(0x100 + i * 16)).toBe(0)
    expect(read(0x220)).toBe(1)
  })

  test('software-disabled: interrupts are dropped, NMI and INIT are not, LVTs stay masked', () => {
    const { apic, read, write, nmi, intr } = setup()
    write(0x320, 0x40)
    write(0xf0, 0xff)
    expect(read(0x320)).toBe(0x10040)
    write(0x320, 0x40)
    expect(read(0x320)).toBe(0x10040)
    apic.accept(0, 0x40, false)
    apic.accept(4, 0, false)
    expect(intr()).toBe(false)
    expect(nmi).toHaveBeenCalledOnce()
  })

  test('EOI of a level-triggered interrupt is broadcast, of an edge not', () => {
    const { apic, bus, write } = setup()
    const eoi = vi.fn()
    bus.attachIoApic({ endOfInterrupt: eoi })
    for (const level of [true, false]) {
      apic.accept(0, 0x51, level)
      apic.acknowledge()
      write(0xb0, 0)
    }
    expect(eoi.mock.calls).toEqual([[0x51]])
  })
})

describe('8259s', () => {
  test('reach the CPU out of reset (virtual wire)', () => {
    const { apic, pic, intr } = setup()
    pic.line(1)(true)
    expect(intr()).toBe(true)
    expect(apic.acknowledge()).toBe(0x09)
    expect(intr()).toBe(false)
  })

  test('are stopped by a masked LINT0 and not by the task priority', () => {
    const { apic, pic, write, intr } = setup()
    write(0x350, 0x10700)
    pic.line(1)(true)
    expect(intr()).toBe(false)
    write(0x80, 0xff)
    write(0x350, 0x700)
    expect(intr()).toBe(true)
    expect(apic.acknowledge()).toBe(0x09)
  })

  test('an interrupt of the APIC goes first', () => {
    const { apic, pic } = setup()
    pic.line(0)(true)
    apic.accept(0, 0x40, false)
    expect([apic.acknowledge(), apic.acknowledge()]).toEqual([0x40, 0x08])
  })

  test('Linux’ virtual wire IRQ: LINT0 in fixed mode takes the edge', () => {
    const { apic, pic, write, intr } = setup()
    write(0x350, 0x30)
    pic.line(0)(true)
    expect(intr()).toBe(true)
    expect(apic.acknowledge()).toBe(0x30)
  })

  test('pass straight through when IA32_APIC_BASE switches the APIC off', () => {
    const { apic, pic, read, intr } = setup()
    expect(apic.readMsr(0x1b)).toBe(0xfee00900n)
    expect(apic.writeMsr(0x1b, 0xfee00100n)).toBe(true)
    expect(read(0x30)).toBe(0xffffffff)
    pic.line(1)(true)
    expect(intr()).toBe(true)
    expect(apic.acknowledge()).toBe(0x09)
  })

  test('LINT1 is NMI', () => {
    const { apic, write, nmi } = setup()
    apic.lint1(true)
    expect(nmi).not.toHaveBeenCalled()
    apic.lint1(false)
    write(0x360, 0x400)
    apic.lint1(true)
    expect(nmi).toHaveBeenCalledOnce()
  })
})

describe('timer', () => {
  test('calibration: the masked count falls by one each 16 ns', () => {
    const { clock, read, write } = setup()
    write(0x320, 0x100ef)
    write(0x3e0, 0x03)
    write(0x380, 0xffffffff)
    clock.advance(10e6)
    expect(0xffffffff - read(0x390)).toBe(625_000)
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('one-shot', () => {
    const { clock, apic, read, write, intr } = setup()
    write(0x320, 0xef)
    write(0x3e0, 0x0b)
    write(0x380, 1000)
    clock.advance(999)
    expect([intr(), read(0x390)]).toEqual([false, 1])
    clock.advance(1)
    expect([intr(), read(0x390)]).toEqual([true, 0])
    expect(apic.acknowledge()).toBe(0xef)
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  })

  test('periodic, and unmasked in mid-period', () => {
    const { clock, apic, write, intr } = setup()
    write(0x320, 0x300ef)
    write(0x3e0, 0x0b)
    write(0x380, 10_000)
    clock.advance(25_000)
    expect(intr()).toBe(false)
    write(0x320, 0x200ef)
    for (const gap of [5000, 10_000, 10_000]) {
      clock.advance(gap - 1)
      expect(intr()).toBe(false)
      clock.advance(1)
      expect(apic.acknowledge()).toBe(0xef)
      write(0xb0, 0)
    }
    write(0x380, 0)
    clock.advance(1e6)
    expect(intr()).toBe(false)
  })

  test('a period of one tick does not stop time', () => {
    const { clock, write, read } = setup()
    write(0x320, 0x200ef)
    write(0x3e0, 0x0b)
    write(0x380, 1)
    const start = clock.nextDeadline()
    clock.advance(1e6)
    expect(clock.nextDeadline() - start).toBeGreaterThan(999_000)
    expect(read(0x390)).toBe(1)
  })

  test('TSC deadline fires once, reads 0 then, and 0 disarms', () => {
    const { clock, apic, write, intr } = setup()
    apic.writeMsr(0x6e0, 50n)
    expect(apic.readMsr(0x6e0)).toBe(0n)
    write(0x320, 0x400ef)
    apic.writeMsr(0x6e0, 100n)
    expect(apic.readMsr(0x6e0)).toBe(100n)
    clock.advance(999)
    expect(intr()).toBe(false)
    clock.advance(1)
    expect(apic.acknowledge()).toBe(0xef)
    expect(apic.readMsr(0x6e0)).toBe(0n)
    apic.writeMsr(0x6e0, 200n)
    apic.writeMsr(0x6e0, 0n)
    clock.advance(1e6)
    expect(intr()).toBe(false)
  })

  test('a deadline in the past fires at once', () => {
    const { clock, apic, write, intr } = setup()
    clock.advance(10_000)
    write(0x320, 0x400ef)
    apic.writeMsr(0x6e0, 1n)
    clock.advance(0)
    expect(intr()).toBe(true)
  })
})

describe('interprocessor interrupts', () => {
  function four() {
    const clock = new ManualClock()
    const bus = new ApicBus()
    const cpus = [0, 1, 2, 3].map((id) => makeApic(clock, bus, { id }))
    for (const { write } of cpus) write(0xf0, 0x1ff)
    const send = (from: number, high: number, low: number) => {
      cpus[from].write(0x310, high)
      cpus[from].write(0x300, low)
    }
    const interrupted = () => cpus.map(({ apic }) => (apic.hasInterrupt() ? apic.acknowledge() : 0))
    return { bus, cpus, send, interrupted }
  }

  test('physical destination and the shorthands', () => {
    const { send, interrupted } = four()
    send(0, 2 << 24, 0x40)
    expect(interrupted()).toEqual([0, 0, 0x40, 0])
    send(1, 0, 0x40051)
    expect(interrupted()).toEqual([0, 0x51, 0, 0])
    send(1, 0, 0x80061)
    expect(interrupted()).toEqual([0x61, 0x61, 0x61, 0x61])
    send(1, 0, 0xc0071)
    expect(interrupted()).toEqual([0x71, 0, 0x71, 0x71])
    send(0, 0xff000000, 0x81)
    expect(interrupted()).toEqual([0x81, 0x81, 0x81, 0x81])
  })

  test('logical flat and cluster destinations', () => {
    const { cpus, send, interrupted } = four()
    for (const [i, { write }] of cpus.entries()) write(0xd0, 0x01000000 << i)
    send(0, 0x06000000, 0x840)
    expect(interrupted()).toEqual([0, 0x40, 0x40, 0])
    for (const [i, { write }] of cpus.entries()) {
      write(0xe0, 0x0fffffff)
      write(0xd0, ((i >> 1) << 28) | (0x01000000 << (i & 1)))
    }
    send(0, 0x13000000, 0x850)
    expect(interrupted()).toEqual([0, 0, 0x50, 0x50])
  })

  test('lowest priority goes to the CPU that is least busy', () => {
    const { cpus, send, interrupted } = four()
    cpus[0].write(0x80, 0x20)
    cpus[1].write(0x80, 0x10)
    for (const [i, { write }] of cpus.entries()) write(0xd0, 0x01000000 << i)
    send(0, 0x03000000, 0x940)
    expect(interrupted()).toEqual([0, 0x40, 0, 0])
  })

  test('INIT, SIPI, SIPI as a boot processor sends them', () => {
    const { cpus, send } = four()
    cpus[1].write(0x80, 0x50)
    send(0, 1 << 24, 0xc500)
    send(0, 1 << 24, 0x8500) // level de-assert
    expect(cpus[1].init).toHaveBeenCalledOnce()
    expect(cpus[1].read(0x80)).toBe(0)
    expect(cpus[1].read(0x20)).toBe(0x01000000)
    send(0, 1 << 24, 0x469f)
    expect(cpus[1].sipi.mock.calls).toEqual([[0x9f]])
    expect(cpus[0].read(0x300) & 0x1000).toBe(0)
  })

  test('NMI to all but self, SMI to one', () => {
    const { cpus, send } = four()
    send(2, 0, 0xc0400)
    expect(cpus.map(({ nmi }) => nmi.mock.calls.length)).toEqual([1, 1, 0, 1])
    send(2, 3 << 24, 0x200)
    expect(cpus[3].smi).toHaveBeenCalledOnce()
  })

  test('MSI', () => {
    const { bus, interrupted } = four()
    bus.message(0xfee02000, 0x0066)
    expect(interrupted()).toEqual([0, 0, 0x66, 0])
  })

  test('only the bootstrap processor takes ExtINT out of reset', () => {
    const { cpus } = four()
    expect(cpus.map(({ read }) => read(0x350))).toEqual([0x700, 0x10000, 0x10000, 0x10000])
    expect(cpus.map(({ apic }) => apic.readMsr(0x1b))).toEqual([0xfee00900n, ...Array(3).fill(0xfee00800n)])
  })
})

describe('errors', () => {
  test('an illegal vector sets ESR and interrupts through the error entry', () => {
    const { apic, read, write } = setup()
    write(0x370, 0xfe)
    write(0x300, 0x40005)
    expect(apic.acknowledge()).toBe(0xfe)
    write(0x280, 0)
    expect(read(0x280)).toBe(0x20)
    write(0x280, 0)
    expect(read(0x280)).toBe(0)
  })

  test('a register that does not exist', () => {
    const { read, write, warn } = setup()
    expect(read(0x3d0)).toBe(0)
    write(0x2f0, 1)
    write(0x280, 0)
    expect(read(0x280)).toBe(0x80)
    expect(warn).toHaveBeenCalledTimes(2)
  })

  test('bytes between the registers, narrow reads, narrow writes', () => {
    const { range, read } = setup()
    expect(range.read(0x34, 4)).toBe(0)
    expect([range.read(0x30, 1), range.read(0x32, 1)]).toEqual([0x14, 0x05])
    range.write(0x80, 0x20, 1)
    range.write(0x84, 0x20, 4)
    expect(read(0x80)).toBe(0)
  })
})

describe('x2APIC', () => {
  test('is entered from the enabled state only, and left only by way of the disabled one', () => {
    const { apic } = setup()
    expect(apic.readMsr(0x802)).toBeUndefined()
    expect(apic.writeMsr(0x1b, 0xfee00500n)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee00d00n)).toBe(true)
    expect(apic.writeMsr(0x1b, 0xfee00900n)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee00100n)).toBe(true)
    expect(apic.writeMsr(0x1b, 0xfee00d00n)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee00900n)).toBe(true)
    expect(apic.writeMsr(0x1b, 0xfee00901n)).toBe(false)
  })

  test('registers as MSRs, destinations of 32 bits', () => {
    const clock = new ManualClock()
    const bus = new ApicBus()
    const [a, b] = [0, 0x21].map((id) => makeApic(clock, bus, { id }))
    for (const { apic } of [a, b]) {
      const base = apic.readMsr(0x1b) ?? 0n
      apic.writeMsr(0x1b, base | 0x400n)
      apic.writeMsr(0x80f, 0x1ffn)
    }
    expect(b.apic.readMsr(0x802)).toBe(0x21n)
    expect(b.apic.readMsr(0x80d)).toBe(0x20002n)
    expect(b.read(0x20)).toBe(0xffffffff)
    a.apic.writeMsr(0x830, (0x21n << 32n) | 0x40n)
    expect(b.apic.acknowledge()).toBe(0x40)
    a.apic.writeMsr(0x830, (0x20002n << 32n) | 0x851n)
    expect([a.apic.hasInterrupt(), b.apic.acknowledge()]).toEqual([false, 0x51])
    a.apic.writeMsr(0x830, (0xffffffffn << 32n) | 0x61n)
    expect([a.apic.acknowledge(), b.apic.acknowledge()]).toEqual([0x61, 0x61])
    expect(b.apic.readMsr(0x830)).toBe(0n)
    expect(a.apic.readMsr(0x830)).toBe(0xffffffff00000061n)
    expect(b.apic.writeMsr(0x83f, 0x77n)).toBe(true)
    expect(b.apic.acknowledge()).toBe(0x77)
  })

  test('accesses that fault', () => {
    const { apic } = setup()
    apic.writeMsr(0x1b, 0xfee00d00n)
    for (const index of [0x80b, 0x80e, 0x831, 0x83f, 0x82f, 0x800, 0x8ff]) expect(apic.readMsr(index)).toBeUndefined()
    for (const index of [0x802, 0x803, 0x80d, 0x80a, 0x839, 0x810]) expect(apic.writeMsr(index, 0n)).toBe(false)
    expect(apic.writeMsr(0x80b, 1n)).toBe(false)
    expect(apic.writeMsr(0x808, 0x100n)).toBe(false)
  })
})

test('a restore with interrupts in service, pending and a timer armed continues identically', () => {
  const a = setup()
  a.write(0x320, 0x200ef)
  a.write(0x3e0, 0x0b)
  a.write(0x380, 10_000)
  a.clock.advance(3000)
  a.apic.accept(0, 0x31, true)
  a.apic.acknowledge()
  a.apic.accept(0, 0x41, false)
  const b = setup()
  b.clock.advance(3000)
  loadState(b.apic, structuredClone(saveState(a.apic)))
  b.clock.load(a.clock.save())
  expect(b.intr()).toBe(true)
  for (const { apic, clock, write, read, intr } of [a, b]) {
    expect(apic.acknowledge()).toBe(0x41)
    clock.advance(6999)
    expect(intr()).toBe(false)
    clock.advance(1)
    expect(apic.acknowledge()).toBe(0xef)
    for (let i = 0; i < 3; i++) write(0xb0, 0)
    expect(read(0x110)).toBe(0)
  }
  expect(saveState(b.apic)).toEqual(saveState(a.apic))
})

test('reset keeps the identity and ends everything else', () => {
  const { apic, write, read, clock, intr } = setup()
  write(0x320, 0x200ef)
  write(0x380, 1000)
  apic.accept(0, 0x41, false)
  apic.reset()
  expect(intr()).toBe(false)
  expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY)
  expect([read(0xf0), read(0xe0), read(0x320), read(0x350)]).toEqual([0xff, 0xffffffff, 0x10000, 0x700])
})
