/**
 * QEMU's `ahci`, an Intel ICH9 controller (82801I data sheet, chapter 15) with six ports: Serial ATA AHCI 1.3.1. A port drives
 * the same disks and CD drives as an IDE channel does, by command lists in memory, without native command queuing.
 */
import type { PciFunction } from '../../bus/pci-function.js'
import type { AccessSize, Device, StateTable } from '../../device.js'
import { list, u32 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { BusMaster } from '../bus-master.js'
import { deviceType, type Slot } from '../device-type.js'
import { AhciPort, SLOTS } from './ahci-port.js'
import type { IdeDrive } from './ide-drive.js'

export const AHCI_PORTS = 6
const WINDOW = 0x1000

/** The drives by port, as they are plugged in. */
export interface SataBus {
  readonly drives: readonly (IdeDrive | undefined)[]
  /** Throws an Error where a drive is there already. */
  attach(port: number, drive: IdeDrive): void
}

// Generic host control
const CAP = 0x00
const GHC = 0x04
const IS = 0x08
const PI = 0x0c
const VS = 0x10
/** 64-bit addresses, AHCI alone, 1.5 Gbit/s, 32 slots, six ports. */
const CAPABILITIES = 0x8000_0000 + (1 << 20) + (1 << 18) + ((SLOTS - 1) << 8) + (AHCI_PORTS - 1)
const VERSION_1_3 = 0x0001_0300
const GHC_RESET = 1
const GHC_INTERRUPTS = 2
const GHC_ENABLED = 0x8000_0000

const PORTS = 0x100
const PORT_SIZE = 0x80

const HBA: StateTable = { ghc: u32, status: u32, sata: list(part(), AHCI_PORTS) }

export class Ahci implements Device {
  readonly state = HBA
  readonly name: string
  readonly pci: PciFunction
  private readonly sata: readonly AhciPort[]
  private readonly memory: BusMaster
  private ghc = GHC_ENABLED
  private status = 0

  constructor(slot: Slot, bus: SataBus) {
    this.name = slot.name
    this.pci = slot.pci({
      ...{ name: slot.name, vendorId: 0x8086, deviceId: 0x2922, revision: 2, classCode: 0x010601, interruptPin: 1 },
    })
    this.pci.addMemoryBar(5, {
      ...{ name: `${slot.name} registers`, size: WINDOW, width: 4 },
      read: (offset, size) => this.read(offset, size),
      write: (offset, value) => this.write(offset & ~3, value),
    })
    this.memory = new BusMaster(slot.name, slot.memory, this.pci, slot.warn)
    const { memory } = this
    this.sata = Array.from({ length: AHCI_PORTS }, (_, i) => {
      const changed = () => this.update()
      return new AhciPort(
        { clock: slot.clock, warn: slot.warn, memory, changed },
        bus.drives[i],
        `${slot.name} port ${i}`,
      )
    })
  }

  reset(): void {
    this.ghc = GHC_ENABLED
    this.status = 0
    for (const port of this.sata) port.reset()
    this.update()
  }

  private update(): void {
    for (const [i, port] of this.sata.entries()) if (port.wantsInterrupt) this.status |= 1 << i
    this.pci.interrupt((this.ghc & GHC_INTERRUPTS) !== 0 && this.status !== 0)
  }

  private read(offset: number, size: AccessSize): number {
    if (this.memory.isSelf) return 0xffff_ffff
    const word = this.readWord(offset & ~3)
    return size === 4 ? word : (word >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff)
  }

  private readWord(offset: number): number {
    if (offset >= PORTS) return this.portAt(offset)?.read((offset - PORTS) % PORT_SIZE) ?? 0
    switch (offset) {
      case CAP:
        return CAPABILITIES
      case GHC:
        return this.ghc >>> 0
      case IS:
        return this.status >>> 0
      case PI:
        return 2 ** AHCI_PORTS - 1
      case VS:
        return VERSION_1_3
      default:
        return 0
    }
  }

  private write(offset: number, value: number): void {
    if (this.memory.isSelf) return
    if (offset >= PORTS) this.portAt(offset)?.write((offset - PORTS) % PORT_SIZE, value)
    else if (offset === IS) this.status &= ~value
    else if (offset === GHC) {
      if (value & GHC_RESET) {
        this.reset()
        return
      }
      this.ghc = (GHC_ENABLED | (value & GHC_INTERRUPTS)) >>> 0
    }
    this.update()
  }

  private portAt(offset: number): AhciPort | undefined {
    return this.sata[Math.floor((offset - PORTS) / PORT_SIZE)]
  }

  loaded(): void {
    this.update()
  }
}

export const ahci = deviceType({
  type: 'ahci',
  title: 'AHCI controller with six ports, Intel ICH9',
  category: 'Storage',
  bus: 'pci',
  options: () => ({}),
  create: (slot) => new Ahci(slot, slot.bus<SataBus>('sata')),
})
