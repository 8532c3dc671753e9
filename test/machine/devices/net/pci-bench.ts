/** A PCI card on a bench, made by its row of the catalogue: its base addresses, its interrupt, RAM, a clock turned by hand. */

import { PciFunction } from '../../../../machine/bus/pci.js'
import { ManualClock } from '../../../../machine/clock.js'
import type { AccessSize, Device, State } from '../../../../machine/device.js'
import { parseDevice } from '../../../../machine/devices/catalogue.js'
import type { Slot } from '../../../../machine/devices/device-type.js'
import { LoopbackPort } from '../../../../machine/network/port.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'
import { pciFixture } from '../../bus/pci-fixture.js'

const SLOT = 3
const RAM = 1 << 20
export const IO = 0xc000
export const MMIO = 0xe000_0000

export class PciCard {
  readonly clock = new ManualClock()
  readonly warnings: string[] = []
  readonly device: Device
  level = false
  private readonly fixture = pciFixture()

  /** `memoryBar`: the base address register that leads to the same registers. */
  constructor(
    readonly type: string,
    readonly port = new LoopbackPort(),
    memoryBar?: number,
    given: { readonly [option: string]: unknown } = {},
    backend: (kind: string, name?: string) => unknown = (kind) => (kind === 'net' ? port : undefined),
    buses: { readonly [kind: string]: unknown } = {},
  ) {
    const { memory, pci } = this.fixture
    memory.addRam('RAM', 0, RAM, memory.allocate('RAM', RAM))
    let pciFunction: PciFunction | undefined
    const none = () => {
      throw new Error('not on this bench')
    }
    const slot: Slot = {
      ...{ name: type, clock: this.clock, memory, warn: (what: string) => this.warnings.push(what) },
      ...{ irq: none, dma: none, firmware: () => undefined },
      bus: <T>(kind: string) => (buses[kind] ?? none()) as T,
      pci: (options) => {
        pciFunction = new PciFunction({ ...options, name: type })
        return pciFunction
      },
      allocate: (name, size) => {
        const offset = memory.allocate(name, size)
        return { name, offset, size, bytes: memory.arenaBytes(offset, size) }
      },
      backend: <T>(kind: string, name?: string) => backend(kind, name) as T | undefined,
    }
    const { type: row, options } = parseDevice({ type, options: given })
    this.device = row.create(slot, options as never) as Device
    if (!pciFunction) throw new Error(`${type} is no PCI device`)
    pci.connectInterrupts({
      pirq: () => (level) => {
        this.level = level
      },
    })
    pci.add(SLOT, 0, pciFunction)
    this.config(0x10, IO)
    if (memoryBar !== undefined) this.config(0x10 + 4 * memoryBar, MMIO)
    this.config(4, 7)
  }

  config(register: number, value?: number): number {
    if (value !== undefined) this.fixture.set(SLOT, 0, register, value)
    return this.fixture.get(SLOT, 0, register)
  }

  in(offset: number, size: AccessSize = 1): number {
    return this.fixture.ports.read(IO + offset, size)
  }

  out(offset: number, value: number, size: AccessSize = 1): void {
    this.fixture.ports.write(IO + offset, value, size)
  }

  readMmio(offset: number, size: AccessSize): number {
    return this.fixture.memory.mmioRead(MMIO + offset, size)
  }

  writeMmio(offset: number, value: number, size: AccessSize): void {
    this.fixture.memory.mmioWrite(MMIO + offset, value, size)
  }

  peek(address: number, length: number): number[] {
    return [...this.bytes(address, length)]
  }

  bytes(address: number, length: number): Uint8Array {
    const into = new Uint8Array(length)
    this.fixture.memory.read(address, into)
    return into
  }

  poke(address: number, bytes: ArrayLike<number>): void {
    this.fixture.memory.write(address, Uint8Array.from(bytes))
  }

  peek32(address: number): number {
    return this.fixture.memory.read32(address)
  }

  poke32(address: number, ...values: number[]): void {
    for (const [i, value] of values.entries()) this.fixture.memory.write32(address + 4 * i, value >>> 0)
  }

  /** A frame comes in from outside. */
  arrive(frame: Uint8Array): void {
    this.port.receive?.(frame, this.clock.now())
    this.clock.advance(0)
  }

  /** Of the card, its configuration space and the clock. */
  save(): State {
    return structuredClone({
      device: saveState(this.device),
      pci: saveState(this.fixture.pci),
      clock: this.clock.save(),
    })
  }

  /** On a bench with the same RAM. */
  load(saved: State, from: PciCard): void {
    this.poke(0, from.bytes(0, RAM))
    this.level = from.level
    loadState(this.fixture.pci, saved.pci as State)
    loadState(this.device, saved.device as State)
    this.clock.load(saved.clock as State)
  }
}

/** A port that gives nothing back. */
export const deaf = () => new LoopbackPort(() => undefined)
