import { describe, expect, test } from 'vitest'
import { PciFunction } from '../../../machine/bus/pci.js'
import { IrqRouter } from '../../../machine/chipset/irq-router.js'
import { Piix3 } from '../../../machine/chipset/piix3.js'
import { Piix3Ide } from '../../../machine/chipset/piix3-ide.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'
import { dump, pciFixture } from '../bus/pci-fixture.js'

function setup() {
  const fixture = pciFixture()
  const log: string[] = []
  const resets: string[] = []
  const interrupts = new IrqRouter({ pic: (irq, level) => log.push(`${irq}${level ? '+' : '-'}`) })
  const { pci, ports } = fixture
  const early = new PciFunction({ name: 'early', vendorId: 1, deviceId: 2, classCode: 0, interruptPin: 1 })
  pci.add(4, 0, early)
  const piix3 = new Piix3({ pci, ports, interrupts, reset: (kind) => resets.push(kind) })
  return { ...fixture, log, resets, interrupts, piix3, early }
}

test('registers after power-on are those of QEMU', () => {
  expect(dump(setup(), 1, 0)).toEqual([
    '00: 70008086',
    '04: 02000000',
    '08: 06010000',
    '0c: 00800000',
    '2c: 11001af4',
    '4c: 0003004d',
    '60: 80808080',
    '68: 00000200',
    '70: 00000080',
    '74: 0c0c0000',
    '78: 00000002',
    'a0: 00000008',
    'a8: 0000000f',
  ])
})

describe('interrupt steering', () => {
  test('rotates pins from slot to slot', () => {
    const { piix3, log, set } = setup()
    set(1, 0, 0x60, 0x0b0a0605)
    const toggle = (device: number, pin: number) => {
      const line = piix3.pirq(device, pin, `${device}.${pin}`)
      line(true)
      line(false)
      return log.splice(0)
    }
    expect(toggle(1, 1)).toEqual(['5+', '5-'])
    expect(toggle(2, 1)).toEqual(['6+', '6-'])
    expect(toggle(3, 2)).toEqual(['11+', '11-'])
    expect(toggle(5, 1)).toEqual(['5+', '5-'])
    expect(toggle(1, 4)).toEqual(['11+', '11-'])
  })

  test('is off in the reset state and while bit 7 is set', () => {
    const { piix3, log, set } = setup()
    const line = piix3.pirq(1, 1, 'a')
    line(true)
    expect([log, piix3.routeOf(0)]).toEqual([[], -1])
    set(1, 0, 0x60, 0x0a, 1)
    expect([log, piix3.routeOf(0)]).toEqual([['10+'], 10])
    set(1, 0, 0x60, 0x8a, 1)
    expect(log).toEqual(['10+', '10-'])
  })

  test('shares one PIRQ between devices and one IRQ between PIRQs', () => {
    const { piix3, log, set } = setup()
    set(1, 0, 0x60, 0x8080_0b0b)
    const a = piix3.pirq(1, 1, 'b')
    const b = piix3.pirq(5, 1, 'c')
    const c = piix3.pirq(2, 1, 'd')
    a(true)
    b(true)
    c(true)
    a(true)
    a(false)
    b(false)
    expect(log).toEqual(['11+'])
    c(false)
    expect(log).toEqual(['11+', '11-'])
  })

  test('moves an asserted interrupt when the route changes', () => {
    const { piix3, log, set } = setup()
    set(1, 0, 0x60, 10, 1)
    piix3.pirq(1, 1, 'e')(true)
    set(1, 0, 0x60, 0x80808005)
    expect(log).toEqual(['10+', '5+', '10-'])
  })

  test('wires functions that were on the bus before it', () => {
    const { early, log, set } = setup()
    set(1, 0, 0x63, 9, 1)
    early.interrupt(true)
    expect(log).toEqual(['9+'])
  })

  test('reset lowers the lines', () => {
    const { piix3, early, log, set } = setup()
    set(1, 0, 0x63, 9, 1)
    early.interrupt(true)
    piix3.reset()
    expect(log).toEqual(['9+', '9-'])
  })

  test('a restore with an interrupt pending goes on where it was, whatever the order', () => {
    const first = setup()
    first.set(1, 0, 0x63, 9, 1)
    first.early.interrupt(true)
    const saved = [saveState(first.pci), saveState(first.piix3), saveState(first.interrupts)]
    for (const order of [
      [0, 1, 2],
      [1, 0, 2],
    ]) {
      const second = setup()
      const targets = [second.pci, second.piix3, second.interrupts]
      for (const i of order) loadState(targets[i], saved[i])
      expect(second.log).toEqual([])
      second.early.interrupt(true)
      expect(second.log).toEqual([])
      second.early.interrupt(false)
      expect(second.log).toEqual(['9-'])
    }
  })
})

describe('reset control', () => {
  test('resets hard or soft and keeps only the kind', () => {
    const { ports, resets, piix3 } = setup()
    expect(ports.read(0xcf9, 1)).toBe(0)
    ports.write(0xcf9, 0x02, 1)
    expect([ports.read(0xcf9, 1), resets]).toEqual([2, []])
    ports.write(0xcf9, 0x06, 1)
    ports.write(0xcf9, 0x04, 1)
    expect(resets).toEqual(['hard', 'soft'])
    ports.write(0xcf9, 0xfb, 1)
    expect(ports.read(0xcf9, 1)).toBe(2)
    piix3.reset()
    expect(ports.read(0xcf9, 1)).toBe(0)
  })

  test('is not touched by doublewords to the configuration address', () => {
    const { ports, resets } = setup()
    ports.write(0xcf8, 0x80000600, 4)
    expect(ports.read(0xcf8, 4)).toBe(0x80000600)
    expect([ports.read(0xcf9, 1), resets]).toEqual([0, []])
  })
})

describe('IDE function', () => {
  function ide() {
    const fixture = setup()
    const log: string[] = []
    const device = new Piix3Ide({
      pci: fixture.pci,
      busMaster: {
        read: (offset, size) => {
          log.push(`r${size}@${offset}`)
          return 0x1234_5678
        },
        write: (offset, value, size) => log.push(`w${size}@${offset}=${value.toString(16)}`),
        setEnabled: (enabled) => {
          log.push(enabled ? 'on' : 'off')
        },
      },
    })
    return { ...fixture, device, busMasterLog: log }
  }

  test('registers after power-on are those of QEMU', () => {
    expect(dump(ide(), 1, 1)).toEqual(['00: 70108086', '04: 02800000', '08: 01018000', '20: 00000001', '2c: 11001af4'])
  })

  test('keeps timings and resets them', () => {
    const { device, get, set } = ide()
    set(1, 1, 0x40, 0x80008000)
    expect(get(1, 1, 0x40)).toBe(0x80008000)
    device.reset()
    expect(get(1, 1, 0x40)).toBe(0)
  })

  test('puts 16 bus master ports behind BAR 4', () => {
    const { ports, busMasterLog, get, set } = ide()
    set(1, 1, 0x20, 0xffffffff)
    expect(get(1, 1, 0x20)).toBe(0xfffffff1)
    set(1, 1, 0x20, 0xc040)
    set(1, 1, 4, 5, 2)
    expect(ports.read(0xc044, 4)).toBe(0x12345678)
    expect(ports.read(0xc04a, 1)).toBe(0x78)
    ports.write(0xc04c, 0xdeadbeef, 4)
    ports.write(0xc048, 1, 1)
    expect(busMasterLog.filter((entry) => entry !== 'off')).toEqual(['on', 'r4@4', 'r1@10', 'w4@12=deadbeef', 'w1@8=1'])
    expect(ports.read(0xc050, 1)).toBe(0xff)
  })
})
