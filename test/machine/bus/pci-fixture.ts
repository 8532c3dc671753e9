/** A bare PCI bus for tests, with configuration accesses through CF8h and CFCh as a guest makes them. */
import { MemoryMap } from '../../../machine/bus/memory-map.js'
import { PciBus } from '../../../machine/bus/pci.js'
import { PortBus } from '../../../machine/bus/port-bus.js'
import type { AccessSize } from '../../../machine/device.js'

export function pciFixture(arenaSize = 4 << 20) {
  const ports = new PortBus()
  const memory = new MemoryMap({ arena: { buffer: new ArrayBuffer(arenaSize) } })
  const pci = new PciBus(ports, memory)
  for (const range of pci.ports) ports.add(pci.name, range)
  const select = (device: number, fn: number, register: number) =>
    ports.write(0xcf8, (0x80000000 | (device << 11) | (fn << 8) | (register & 0xfc)) >>> 0, 4)
  return {
    ports,
    memory,
    pci,
    get(device: number, fn: number, register: number, size: AccessSize = 4) {
      select(device, fn, register)
      return ports.read(0xcfc + (register & 3), size)
    },
    set(device: number, fn: number, register: number, value: number, size: AccessSize = 4) {
      select(device, fn, register)
      ports.write(0xcfc + (register & 3), value, size)
    },
  }
}

/** The non-zero doublewords of a configuration space, as `register: value` in hexadecimal. */
export function dump(fixture: ReturnType<typeof pciFixture>, device: number, fn: number): string[] {
  const list: string[] = []
  for (let register = 0; register < 256; register += 4) {
    const value = fixture.get(device, fn, register)
    if (value !== 0) list.push(`${register.toString(16).padStart(2, '0')}: ${value.toString(16).padStart(8, '0')}`)
  }
  return list
}
