/** Plugs devices in: makes each in a slot of its own, by its type's row in the catalogue. */
import { type PciBus, PciFunction } from '../bus/pci.js'
import type { I8237Pair } from '../chipset/i8237.js'
import type { IrqRouter } from '../chipset/irq-router.js'
import type { Device } from '../device.js'
import { DeviceError, type DeviceSpec, parseDevice } from '../devices/catalogue.js'
import type { MemoryPiece, PortClaim, Slot } from '../devices/device-type.js'
import type { Chassis } from './board.js'

/** Where a board's slots lead. */
export interface Wiring {
  readonly router: IrqRouter
  readonly dma: I8237Pair
  readonly pci: PciBus
  /** Buses other than these, by kind: `ide`, `floppy`, `machine` … */
  readonly buses: { readonly [kind: string]: unknown }
  /** What is connected to a device: by kind (`char`, `block`, `net` …) and the device's name. */
  backend(kind: string, device: string): unknown
  /** Of devices that are plugged in already. */
  readonly names: Set<string>
}

export interface PluggedDevice {
  readonly type: string
  readonly name: string
  /** undefined: it is reset and saved by what it is plugged into. */
  readonly device: Device | undefined
}

/** Throws a DeviceError for a type or an option that is none, or a name that is taken. */
export function plugIn(specs: readonly DeviceSpec[], chassis: Chassis, wiring: Wiring): PluggedDevice[] {
  const { names } = wiring
  return specs.map((spec) => {
    const { type, options } = parseDevice(spec)
    const name = spec.id ?? freeName(spec.type, names)
    if (names.has(name)) throw new DeviceError(`two devices have the id '${name}'; give one another`)
    names.add(name)
    const functions: { pci: PciFunction; device: number | undefined; number: number }[] = []
    const slot: Slot = {
      name,
      clock: chassis.clock,
      memory: chassis.memory,
      warn: chassis.warn,
      irq: (line, n) => wiring.router.source(n, `${name}.${line}`),
      dma: (channel) => wiring.dma.channel(channel),
      pci: (pciOptions, place = {}) => {
        const pci = new PciFunction({ ...pciOptions, name })
        functions.push({ pci, device: place.device, number: place.function ?? 0 })
        return pci
      },
      allocate: (piece, size, constant) => allocate(chassis, piece, size, constant),
      firmware: (file) =>
        file === 'vgabios' ? chassis.options.firmware.vgaBios : chassis.options.firmware.file?.(file),
      bus<T>(kind: string): T {
        const bus = kind === 'machine' ? chassis.control : wiring.buses[kind]
        if (bus === undefined)
          throw new DeviceError(`the device ${name} (${type.type}) finds no ${kind} bus on this board`)
        return bus as T
      },
      backend: <T>(kind: string, other = name) => wiring.backend(kind, other) as T | undefined,
    }
    const device = type.create(slot, options as never)
    // With the base addresses that it has now.
    for (const { pci, device: at, number } of functions) {
      const place = at ?? wiring.pci.freeDevice()
      if (place < 0) throw new DeviceError(`the PCI bus has no place left for the device ${name}; leave one out`)
      wiring.pci.add(place, number, pci)
    }
    return { type: spec.type, name, device }
  })
}

function freeName(type: string, taken: ReadonlySet<string>): string {
  let name = type
  for (let n = 2; taken.has(name); n++) name = `${type}.${n}`
  return name
}

function allocate({ memory, arena }: Chassis, name: string, size: number, constant?: boolean): MemoryPiece {
  const offset = memory.allocate(name, size, constant)
  return { name, offset, size, bytes: new Uint8Array(arena.buffer, offset, size) }
}

/** Bytes of the arena that these devices take beside RAM. Throws a DeviceError. */
export function arenaBytes(specs: readonly DeviceSpec[]): number {
  return specs.reduce((sum, spec) => {
    const { type, options } = parseDevice(spec)
    return sum + (type.memory?.(options as never) ?? 0)
  }, 0)
}

/** Where guests look for devices that are not plugged in. */
export function absentPorts(plugged: readonly Device[], claims: readonly PortClaim[]): PortClaim[] {
  const taken = plugged.flatMap(({ ports = [] }) => ports)
  const isTaken = ({ base, count }: PortClaim) =>
    taken.some((range) => range.base < base + count && base < range.base + range.count)
  return claims.filter((claim) => !isTaken(claim))
}
