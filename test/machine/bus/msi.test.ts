import { expect, test } from 'vitest'
import { PciFunction } from '../../../machine/bus/pci.js'
import { pciFixture } from './pci-fixture.js'

test('a message in place of the pin, when it is on and the function is a bus master', () => {
  const { pci, get, set } = pciFixture()
  const sent: [number, number][] = []
  const levels: boolean[] = []
  pci.connectMessages((address, data) => sent.push([address, data]))
  const told: string[] = []
  pci.onMessage = (source, address, data) => told.push(`${source} ${address.toString(16)} ${data.toString(16)}`)
  const device = new PciFunction({ name: 'device', vendorId: 1, deviceId: 2, classCode: 0, interruptPin: 1 })
  device.addMsi()
  pci.add(3, 0, device)
  device.wire({ pirq: () => (level) => levels.push(level) })
  set(3, 0, 4, 4, 2)
  const capability = get(3, 0, 0x34, 1)
  expect(get(3, 0, capability)).toBe(0x0080_0005)
  set(3, 0, capability + 4, 0xfee0_1003)
  set(3, 0, capability + 12, 0x41, 2)
  levels.length = 0
  device.interrupt(true)
  expect([levels.at(-1), sent]).toEqual([true, []])
  set(3, 0, capability + 2, 1, 2)
  expect(levels.at(-1)).toBe(false)
  device.interrupt(false)
  device.interrupt(true)
  device.interrupt(true)
  expect([levels.at(-1), sent]).toEqual([false, [[0xfee0_1000, 0x41]]])
  device.interrupt(false)
  set(3, 0, 4, 0, 2)
  device.interrupt(true)
  expect(sent).toHaveLength(1)
  expect(told).toEqual(['device fee01000 41'])
})
