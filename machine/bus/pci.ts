/**
 * The PCI bus behind configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2): CONFIG_ADDRESS at CF8h,
 * CONFIG_DATA at CFCh, one bus, 32 devices of 8 functions. The functions themselves are in `pci-function.ts`.
 */
import type { AccessSize, Device, IrqLine, PortRange, StateTable } from '../device.js'
import { starts, u32 } from '../state/fields.js'
import { parts, resetState } from '../state/state-table.js'
import type { MemoryMap } from './memory-map.js'
import type { PciFunction } from './pci-function.js'
import type { PortBus } from './port-bus.js'

export { PciFunction, type PciFunctionOptions } from './pci-function.js'

export const CONFIG_ADDRESS = 0xcf8
export const CONFIG_DATA = 0xcfc

const ENABLE = 0x8000_0000

/** Who wires INTA# to INTD# to interrupt lines: the south bridge. */
export interface PciInterrupts {
  /** A new source on the line that pin 1 to 4 (INTA# to INTD#) of `device` is wired to. */
  pirq(device: number, pin: number, name: string): IrqLine
}

const STATE: StateTable = { address: starts(u32, 0), configurations: parts }

/**
 * Resets, saves and loads every function's configuration space along with its own register, so that a PCI device's
 * own `reset`, `save` and `load` need only see to what lies behind its BARs.
 */
export class PciBus implements Device {
  readonly name = 'pci.0'
  readonly state = STATE
  readonly ports: readonly PortRange[]
  private readonly slots: (PciFunction | undefined)[] = new Array(256).fill(undefined)
  private address = 0
  private router: PciInterrupts | undefined
  private messages: ((address: number, data: number) => void) | undefined
  /** Told of each message interrupt (MSI, MSI-X) and of the function that sends it. */
  onMessage: ((source: string, address: number, data: number) => void) | undefined

  constructor(
    readonly portBus: PortBus,
    readonly memory: MemoryMap,
  ) {
    this.ports = [
      {
        name: 'PCI configuration address',
        base: CONFIG_ADDRESS,
        count: 4,
        width: 4,
        read: (offset, size) => this.readAddress(offset, size),
        write: (offset, value, size) => this.writeAddress(offset, value, size),
      },
      {
        name: 'PCI configuration data',
        base: CONFIG_DATA,
        count: 4,
        width: 4,
        read: (offset, size) => this.readData(offset, size),
        write: (offset, value, size) => this.writeData(offset, value, size),
      },
    ]
  }

  /**
   * Puts `pciFunction` on the bus; its configuration space as it stands now is its reset state.
   * Throws an Error when the place is taken.
   */
  add(device: number, functionNumber: number, pciFunction: PciFunction): void {
    const place = (device << 3) | functionNumber
    const other = this.slots[place]
    if (other) throw new Error(`PCI ${device}.${functionNumber}: ${pciFunction.name} and ${other.name}`)
    this.slots[place] = pciFunction
    pciFunction.attach(this.portBus, this.memory, device, (address, data) => {
      this.onMessage?.(pciFunction.name, address, data)
      this.messages?.(address, data)
    })
    if (this.router) pciFunction.wire(this.router)
  }

  /** The lowest device number, from `first` on, whose functions are all free; -1 when the bus is full. */
  freeDevice(first = 2): number {
    for (let device = first; device < 32; device++) {
      if (this.slots.slice(device << 3, (device << 3) + 8).every((f) => f === undefined)) return device
    }
    return -1
  }

  /** The south bridge takes charge of the interrupt pins, of functions already there and of those to come. */
  connectInterrupts(router: PciInterrupts): void {
    this.router = router
    for (const pciFunction of this.slots) pciFunction?.wire(router)
  }

  /** The local APICs take the message interrupts. */
  connectMessages(messages: (address: number, data: number) => void): void {
    this.messages = messages
  }

  /** The function there, if any. */
  at(device: number, functionNumber: number): PciFunction | undefined {
    return this.slots[(device << 3) | functionNumber]
  }

  /** Everything on the bus, in order of its place. */
  functions(): { device: number; function: number; pci: PciFunction }[] {
    const list: { device: number; function: number; pci: PciFunction }[] = []
    this.slots.forEach((pci, place) => {
      if (pci) list.push({ device: place >> 3, function: place & 7, pci })
    })
    return list
  }

  reset(): void {
    resetState(this)
    this.memory.batch(() => {
      for (const pciFunction of this.slots) pciFunction?.reset()
    })
  }

  /** By place, for the state. */
  get configurations(): { [place: string]: PciFunction } {
    return Object.fromEntries(this.functions().map(({ device, function: number, pci }) => [`${device}.${number}`, pci]))
  }

  private readAddress(offset: number, size: AccessSize): number {
    const value = this.address >>> (offset * 8)
    return size === 4 ? value : size === 2 ? value & 0xffff : value & 0xff
  }

  /** Only a whole doubleword is CONFIG_ADDRESS; narrower writes are plain I/O that nobody takes. */
  private writeAddress(offset: number, value: number, size: AccessSize): void {
    if (offset === 0 && size === 4) this.address = value >>> 0
  }

  private addressed(): PciFunction | undefined {
    // Enabled, and bus 0: there are no bridges, so a type 1 cycle finds nobody.
    if ((this.address & ENABLE) === 0 || (this.address & 0x00ff0000) !== 0) return undefined
    return this.slots[(this.address >>> 8) & 0xff]
  }

  private readData(offset: number, size: AccessSize): number {
    const pciFunction = this.addressed()
    if (!pciFunction) return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff
    // The two low bits of the address are reserved, yet QEMU adds them in, and guests have come to rely on it.
    return pciFunction.readConfig((this.address & 0xff) | offset, size)
  }

  private writeData(offset: number, value: number, size: AccessSize): void {
    this.addressed()?.writeConfig((this.address & 0xff) | offset, value, size)
  }
}
