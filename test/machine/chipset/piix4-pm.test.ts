import { describe, expect, test } from 'vitest'
import { Piix4Pm, type Piix4PmOptions, PWRBTN_STS } from '../../../machine/chipset/piix4-pm.js'
import { ManualClock } from '../../../machine/clock.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'
import { dump, pciFixture } from '../bus/pci-fixture.js'

const PM = 0x600
const SMB = 0x700
const TICK = 1e9 / 3_579_545

/** With firmware's set-up done: PM at 600h, SMBus at 700h. */
function setup(options: Partial<Piix4PmOptions> = {}, configured = true) {
  const fixture = pciFixture()
  const clock = new ManualClock()
  const log: string[] = []
  let level = false
  const { pci, ports } = fixture
  const pm = new Piix4Pm({
    pci,
    ports,
    clock,
    sci: (next) => {
      if (next !== level) log.push(next ? 'sci+' : 'sci-')
      level = next
    },
    smi: () => log.push('smi'),
    powerOff: () => log.push('off'),
    warn: (what) => log.push(what),
    ...options,
  })
  for (const range of pm.ports) ports.add(pm.name, range)
  if (configured) {
    fixture.set(1, 3, 0x40, PM | 1)
    fixture.set(1, 3, 0x80, 1, 1)
    fixture.set(1, 3, 0x90, SMB | 1)
    fixture.set(1, 3, 0xd2, 9, 1)
  }
  return { ...fixture, clock, log, pm }
}

test('registers after power-on are those of QEMU', () => {
  expect(dump(setup({}, false), 1, 3)).toEqual([
    '00: 71138086',
    '04: 02800000',
    '08: 06800003',
    '2c: 11001af4',
    '3c: 00000100',
    '40: 00000001',
    '5c: 10000000',
    '60: 60000000',
    '90: 0000b101',
    'd0: 00090000',
  ])
  const machine = setup({ smi: undefined, present: { parallel: true, serial1: true, serial2: true } }, false)
  expect([0x5b, 0x5f, 0x63, 0x67].map((r) => machine.get(1, 3, r, 1))).toEqual([0x02, 0x90, 0x60, 0x98])
})

test('the blocks appear where and when firmware says', () => {
  const { ports, set, pm } = setup({}, false)
  expect([ports.read(PM, 2), ports.read(0xb100, 1)]).toEqual([0xffff, 0])
  set(1, 3, 0x40, PM | 1)
  expect(ports.read(PM, 2)).toBe(0xffff)
  set(1, 3, 0x80, 1, 1)
  expect(ports.read(PM, 2)).toBe(0)
  set(1, 3, 0x40, 0xb001)
  expect([ports.read(PM, 2), ports.read(0xb000, 2)]).toEqual([0xffff, 0])
  set(1, 3, 0x90, SMB | 1)
  expect([ports.read(0xb100, 1), ports.read(SMB, 1)]).toEqual([0xff, 0])
  set(1, 3, 0xd2, 0, 1)
  expect(ports.read(SMB, 1)).toBe(0xff)
  pm.reset()
  expect([ports.read(0xb000, 2), ports.read(0xb100, 1)]).toEqual([0xffff, 0])
})

describe('timer', () => {
  test('counts 24 bits at 3.579545 MHz', () => {
    const { ports, clock } = setup()
    clock.advance(1e9)
    expect(ports.read(PM + 8, 4)).toBe(3_579_545)
    expect([ports.read(PM + 8, 1), ports.read(PM + 9, 1), ports.read(PM + 10, 2)]).toEqual([0x99, 0x9e, 0x36])
    clock.advance(4e9)
    expect(ports.read(PM + 8, 4)).toBe((5 * 3_579_545) % 2 ** 24)
    ports.write(PM + 8, 0, 4)
    expect(ports.read(PM + 8, 4)).toBe((5 * 3_579_545) % 2 ** 24)
  })

  test('sets its status when bit 23 changes, and again after it was cleared', () => {
    const { ports, clock, log } = setup()
    const half = Math.ceil(0x800000 * TICK)
    clock.advance(half - 1)
    expect(ports.read(PM, 2)).toBe(0)
    clock.advance(1)
    expect(ports.read(PM, 2)).toBe(1)
    ports.write(PM, 1, 2)
    expect(ports.read(PM, 2)).toBe(0)
    clock.advance(half)
    expect(ports.read(PM, 2)).toBe(1)
    expect(log).toEqual([])
    expect(clock.armed()).toEqual([])
  })

  test('interrupts at the very tick, only where that was asked for', () => {
    const { ports, clock, log } = setup()
    ports.write(PM + 2, 1, 2)
    const half = Math.ceil(0x800000 * TICK)
    expect(clock.armed()).toEqual([{ name: 'acpi-pm', deadline: half }])
    clock.advance(half - 1)
    expect(log).toEqual([])
    clock.advance(1)
    expect(log).toEqual(['sci+'])
    expect(clock.armed()).toEqual([])
    ports.write(PM, 1, 2)
    expect(log).toEqual(['sci+', 'sci-'])
    expect(clock.nextDeadline()).toBe(Math.ceil(0x1000000 * TICK))
    ports.write(PM + 2, 0, 2)
    expect(clock.armed()).toEqual([])
  })

  test('goes on after a restore, to the same deadline', () => {
    const first = setup()
    first.ports.write(PM + 2, 0x101, 2)
    first.clock.advance(1e9)
    const second = setup()
    second.clock.advance(1e9)
    loadState(second.pci, saveState(first.pci))
    loadState(second.pm, saveState(first.pm))
    expect(second.clock.armed()).toEqual(first.clock.armed())
    second.clock.advance(2e9)
    expect(second.log).toEqual(['sci+'])
  })
})

describe('events', () => {
  test('the power button interrupts once enabled and is cleared by a one', () => {
    const { ports, pm, log } = setup()
    pm.powerButton()
    expect(log).toEqual([])
    expect(ports.read(PM, 2)).toBe(0x100)
    ports.write(PM + 3, 0x01, 1)
    expect(log).toEqual(['sci+'])
    ports.write(PM, 0xfe, 1)
    expect(ports.read(PM, 4)).toBe(0x01000100)
    ports.write(PM, 0x100, 2)
    expect(log).toEqual(['sci+', 'sci-'])
  })

  test('the alarm and waking show in the status', () => {
    const { ports, pm, log } = setup()
    pm.wake(PWRBTN_STS)
    pm.rtcAlarm()
    expect(ports.read(PM, 2)).toBe(0x8500)
    ports.write(PM, 0x04000000, 4)
    expect(log).toEqual(['sci+'])
  })

  test('general purpose events have status and enable at AFE0h', () => {
    const { ports, pm, log } = setup()
    pm.raiseGpe(9)
    expect(ports.read(0xafe0, 4)).toBe(0x0200)
    ports.write(0xafe2, 0x0200, 2)
    expect(log).toEqual(['sci+'])
    ports.write(0xafe1, 0x02, 1)
    expect(log).toEqual(['sci+', 'sci-'])
    expect(ports.read(0xafe0, 4)).toBe(0x02000000)
  })

  test('reset clears them and lowers the line', () => {
    const { ports, pm, log, set } = setup()
    ports.write(PM + 2, 0x100, 2)
    pm.powerButton()
    pm.reset()
    expect(log).toEqual(['sci+', 'sci-'])
    set(1, 3, 0x40, PM | 1)
    set(1, 3, 0x80, 1, 1)
    expect(ports.read(PM, 4)).toBe(0)
  })
})

describe('sleep', () => {
  test('type 0 turns the machine off, once SLP_EN is written', () => {
    const { ports, log } = setup()
    ports.write(PM + 4, 0x0001, 2)
    expect(log).toEqual([])
    ports.write(PM + 4, 0x2001, 2)
    expect(log).toEqual(['off'])
    expect(ports.read(PM + 4, 2)).toBe(1)
  })

  test('a byte is enough', () => {
    const { ports, log } = setup()
    ports.write(PM + 5, 0x20, 1)
    expect(log).toEqual(['off'])
  })

  test('S3 goes to the board or warns, S4 turns off, other types warn', () => {
    const plain = setup()
    plain.ports.write(PM + 4, 0x2400, 2)
    plain.ports.write(PM + 4, 0x3400, 2)
    plain.ports.write(PM + 4, 0x2800, 2)
    expect(plain.log).toEqual(['ACPI S3 is not supported', 'ACPI sleep type 5 is not supported', 'off'])
    let suspended = 0
    const able = setup({ suspend: () => suspended++ })
    able.ports.write(PM + 4, 0x2400, 2)
    expect([suspended, able.log]).toEqual([1, []])
  })
})

describe('APM ports', () => {
  test('switch ACPI mode on and off without an SMI', () => {
    const { ports, pm, log, set } = setup()
    set(1, 3, 0x58, 0x02000000)
    ports.write(0xb2, 0xf1, 1)
    expect([ports.read(PM + 4, 2), ports.read(0xb2, 1), pm.acpiMode]).toEqual([1, 0xf1, true])
    ports.write(0xb2, 0xf0, 1)
    expect([ports.read(PM + 4, 2), pm.acpiMode]).toEqual([0, false])
    expect(log).toEqual([])
  })

  test('raise an SMI for other commands once APMC_EN is set; the status port is memory', () => {
    const { ports, log, set } = setup()
    ports.write(0xb2, 0, 1)
    set(1, 3, 0x58, 0x02000000)
    ports.write(0xb3, 0x5a, 1)
    expect(log).toEqual([])
    ports.write(0xb2, 0, 1)
    expect(log).toEqual(['smi'])
    expect(ports.read(0xb3, 1)).toBe(0x5a)
    ports.write(0xb2, 0x0134, 2)
    expect([ports.read(0xb2, 2), log]).toEqual([0x0134, ['smi', 'smi']])
  })
})

test('other power management registers are storage, reserved ones read 0', () => {
  const { ports } = setup()
  ports.write(PM + 0x28, 0x12345678, 4)
  ports.write(PM + 6, 0xffff, 2)
  expect([ports.read(PM + 0x28, 4), ports.read(PM + 4, 4), ports.read(PM + 0x3e, 4)]).toEqual([
    0x12345678, 0, 0xffff0000,
  ])
})

describe('SMBus', () => {
  test('a transaction is seen busy once and ends in a device error', () => {
    const { ports, log } = setup()
    ports.write(SMB + 4, 0xa1, 1)
    ports.write(SMB + 2, 0x48, 1)
    expect([ports.read(SMB, 1), ports.read(SMB, 1), ports.read(SMB + 2, 1)]).toEqual([0x01, 0x04, 0x08])
    expect([ports.read(SMB + 4, 1), ports.read(SMB + 5, 1)]).toEqual([0xa1, 0])
    ports.write(SMB, 0x1f, 1)
    expect(ports.read(SMB, 1)).toBe(0)
    expect(log).toEqual([])
  })

  test('with interrupts it ends at once and raises IRQ 9 until it is acknowledged', () => {
    const { ports, log } = setup()
    ports.write(SMB + 2, 0x49, 1)
    expect(log).toEqual(['sci+'])
    ports.write(SMB, 0x04, 1)
    expect(log).toEqual(['sci+', 'sci-'])
  })

  test('can be killed, and restored while busy', () => {
    const first = setup()
    first.ports.write(SMB + 2, 0x48, 1)
    const second = setup()
    loadState(second.pci, saveState(first.pci))
    loadState(second.pm, saveState(first.pm))
    expect([second.ports.read(SMB, 1), second.ports.read(SMB, 1)]).toEqual([1, 4])
    first.ports.write(SMB + 2, 0x02, 1)
    expect([first.ports.read(SMB, 1), first.ports.read(SMB, 1)]).toEqual([0x10, 0x10])
  })
})
