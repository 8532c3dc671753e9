/**
 * Intel 82371SB (PIIX3), function 1: the PCI side of the IDE controller. Datasheet: Intel 290550-002, section 2.3.
 *
 * The channels and their legacy ports are devices of their own; here are the configuration registers, timings as
 * storage, and the bus master ports behind BMIBA.
 */

import { type PciBus, PciFunction } from '../bus/pci.js'
import { COMMAND, COMMAND_MASTER } from '../bus/pci-function.js'
import type { AccessSize, Device, StateTable } from '../device.js'

const BMIBA_INDEX = 4
const BUS_MASTER_PORTS = 16

/** The bus master registers of both channels: 8 ports each, primary first. Offsets 0 to 15, sizes 1, 2 and 4. */
export interface BusMasterPorts {
  read(offset: number, size: AccessSize): number
  write(offset: number, value: number, size: AccessSize): void
  /** PCICMD bit 2, BME: what is started may move data, or has to wait. */
  setEnabled(enabled: boolean): void
}

export interface Piix3IdeOptions {
  pci: PciBus
  busMaster: BusMasterPorts
  /** PCI device number; default 1. */
  device?: number
}

const STATE: StateTable = {}

export class Piix3Ide implements Device {
  readonly name = 'piix3-ide'
  readonly state = STATE
  readonly pci: PciFunction

  constructor(options: Piix3IdeOptions) {
    const { busMaster } = options
    this.pci = new PciFunction({
      name: this.name,
      vendorId: 0x8086,
      deviceId: 0x7010,
      // Both channels in compatibility mode, bus master capable.
      classCode: 0x010180,
      changed: (offset) => {
        if (offset <= COMMAND) busMaster.setEnabled((this.pci.config[COMMAND] & COMMAND_MASTER) !== 0)
      },
    })
    this.pci.config[0x06] = 0x80 // fast back-to-back
    this.pci.config[0x07] = 0x02 // DEVSEL# medium
    this.pci.addIoBar(BMIBA_INDEX, {
      name: 'IDE bus master',
      count: BUS_MASTER_PORTS,
      width: 4,
      read: (offset, size) => busMaster.read(offset, size),
      write: (offset, value, size) => busMaster.write(offset, value, size),
    })
    options.pci.add(options.device ?? 1, 1, this.pci)
  }

  reset(): void {
    this.pci.reset()
  }
}
