import { expect, test } from 'vitest'
import { PciFunction } from '../../../machine/bus/pci.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'
import { pciFixture } from './pci-fixture.js'

const BAR = 0xe000_0000

function bench() {
  const fixture = pciFixture()
  const sent: [number, number][] = []
  fixture.pci.connectMessages((address, data) => sent.push([address, data]))
  const pci = new PciFunction({ name: 'device', vendorId: 1, deviceId: 2, classCode: 0 })
  const msix = pci.addMsix(1, 3)
  fixture.pci.add(3, 0, pci)
  fixture.set(3, 0, 0x14, BAR)
  fixture.set(3, 0, 4, 6)
  const capability = fixture.get(3, 0, 0x34, 1)
  const control = (bits: number) => fixture.set(3, 0, capability + 2, bits, 2)
  const entry = (vector: number, data: number, mask: number) => {
    const at = BAR + 16 * vector
    for (const [i, word] of [0xfee0_1000, 0, data, mask].entries()) fixture.memory.mmioWrite(at + 4 * i, word, 4)
  }
  return { ...fixture, pci: fixture.pci, function: pci, msix, sent, control, entry, capability }
}

test('messages go out by vector when they are on; what is masked waits, and shows as pending', () => {
  const { msix, sent, control, entry, get, capability, memory } = bench()
  expect(get(3, 0, capability) & 0x7ff00ff).toBe(0x0002_0011)
  entry(0, 0x41, 0)
  msix.raise(0)
  expect([sent, msix.enabled]).toEqual([[], false])
  control(0x8000)
  msix.raise(0)
  msix.raise(1)
  expect(sent).toEqual([[0xfee0_1000, 0x41]])
  expect(memory.mmioRead(BAR + 2048, 4)).toBe(2)
  entry(1, 0x42, 0)
  expect(sent).toEqual([
    [0xfee0_1000, 0x41],
    [0xfee0_1000, 0x42],
  ])
  control(0xc000)
  msix.raise(0)
  msix.raise(9)
  expect([sent.length, memory.mmioRead(BAR + 2048, 4)]).toEqual([2, 1])
  control(0x8000)
  expect([sent.length, memory.mmioRead(BAR + 2048, 4)]).toEqual([3, 0])
})

test('one that waits is saved, and a function that is no bus master sends none', () => {
  const original = bench()
  original.control(0xc000)
  original.entry(2, 0x55, 0)
  original.msix.raise(2)
  const copy = bench()
  loadState(copy.pci, structuredClone(saveState(original.pci)))
  copy.control(0x8000)
  expect(copy.sent).toEqual([[0xfee0_1000, 0x55]])
  copy.set(3, 0, 4, 2)
  copy.msix.raise(2)
  expect(copy.sent).toHaveLength(1)
})
