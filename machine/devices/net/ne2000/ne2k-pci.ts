/**
 * Realtek RTL8029(AS), QEMU's `ne2k_pci`: the NE2000 on the PCI bus (data sheet of July 1997). Its data port takes
 * doublewords too, and page 3 has registers of its own: identification, medium, full duplex.
 */
import type { StateTable, Warn } from '../../../device.js'
import { u8 } from '../../../state/fields.js'
import { networkCardType } from '../network-card.js'
import { NE2000_STATE, Ne2000, type Ne2000Options } from './ne2000.js'

/** Page 0, registers 0Ah and 0Bh: "PC". */
const ID = [0x50, 0x43] as const

// Page 3
const CR9346 = 0x1
const CONFIG0 = 0x3
const CONFIG2 = 0x5
const CONFIG3 = 0x6
const HLTCLK = 0x9
const ASID0 = 0xe
const ASID1 = 0xf

/** 9346CR: 3 of its two upper bits opens the configuration registers for writing. */
const EEM = 0xc0
const EEM_CONFIG = 0xc0
/** Chip select, clock and data of the EEPROM, which is not fitted: EEDO is pulled up. */
const EEPROM_PINS = 0x0e
const EEDO = 0x01

/** CONFIG2: 10BASE-T. Flow control and the medium can be written. */
const CONFIG2_DEFAULT = 0x40
const CONFIG2_BITS = 0xe0
/** CONFIG3: full duplex, LEDs; sleep and power-down. */
const CONFIG3_DEFAULT = 0x40
const CONFIG3_BITS = 0x76

const STATE: StateTable = { ...NE2000_STATE, cr9346: u8, config2: u8, config3: u8 }

export class Ne2kPci extends Ne2000 {
  override readonly state = STATE
  private readonly warn: Warn
  private cr9346 = 0
  private config2 = CONFIG2_DEFAULT
  private config3 = CONFIG3_DEFAULT

  constructor(options: Omit<Ne2000Options, 'base' | 'id' | 'page3'>) {
    super({
      ...options,
      id: ID,
      page3: {
        read: (register) => this.readPage3(register),
        write: (register, value) => this.writePage3(register, value),
      },
    })
    this.warn = options.warn
  }

  override reset(): void {
    super.reset()
    this.cr9346 = 0
    this.config2 = CONFIG2_DEFAULT
    this.config3 = CONFIG3_DEFAULT
  }

  private readPage3(register: number): number | undefined {
    switch (register) {
      case CR9346:
        return this.cr9346 | ((this.cr9346 & EEM) === 0x80 ? EEDO : 0)
      case CONFIG0: // no BNC
        return 0
      case CONFIG2:
        return this.config2
      case CONFIG3:
        return this.config3
      case ASID0:
        return 0x29
      case ASID1:
        return 0x80
      default:
        return undefined
    }
  }

  private writePage3(register: number, value: number): void {
    const open = (this.cr9346 & EEM) === EEM_CONFIG
    if (register === CR9346) this.cr9346 = value & (EEM | EEPROM_PINS)
    else if (register === CONFIG2 && open) this.config2 = value & CONFIG2_BITS
    else if (register === CONFIG3 && open) this.config3 = value & CONFIG3_BITS
    else if (register !== HLTCLK && register !== CONFIG2 && register !== CONFIG3)
      this.warn(`${this.name}: write of register ${register} of page 3`, register)
  }
}

export const ne2kPci = networkCardType({
  ...{ type: 'ne2k_pci', title: 'Realtek RTL8029, an NE2000 on the PCI bus', rom: 'efi-ne2k_pci.rom' },
  create(slot, given) {
    const pci = slot.pci({ vendorId: 0x10ec, deviceId: 0x8029, classCode: 0x020000, interruptPin: 1 })
    const card = new Ne2kPci({ ...given, irq: pci.interrupt })
    pci.addIoBar(0, card.window)
    return { card, pci }
  },
})
