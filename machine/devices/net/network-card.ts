/** What the rows of PCI network cards share: an address, iPXE's ROM, the network behind them, registers in ports and in memory. */

import type { PciFunction } from '../../bus/pci-function.js'
import type { Clock } from '../../clock.js'
import type { AccessSize, Device, Warn } from '../../device.js'
import type { NetworkPort } from '../../network/port.js'
import type { Chosen, DeviceOptions } from '../device-option.js'
import { type DeviceType, deviceType, type Slot } from '../device-type.js'
import { CARD_ROM_SIZE, romFileOption, setCardRom } from '../option-rom.js'
import { macBytes, macOption } from './mac-option.js'

/** What every card is given. */
export interface CardParts {
  readonly name: string
  readonly clock: Clock
  readonly warn: Warn
  readonly port: NetworkPort | undefined
  /** Six bytes. */
  readonly mac: readonly number[]
}

/** A card's row in the catalogue: `export const pcnet = networkCardType({ … })`. */
export function networkCardType<O extends DeviceOptions>(description: {
  type: string
  title: string
  /** iPXE's for it. */
  rom: string
  /** Beside those of every card. */
  options?: () => O
  create(slot: Slot, given: CardParts, options: Chosen<O>): { card: Device; pci: PciFunction }
}): DeviceType {
  const { type, title, rom, options } = description
  return deviceType({
    ...{ type, title, category: 'Network', bus: 'pci', rom },
    options: (): DeviceOptions => ({ mac: macOption(), romfile: romFileOption(), ...options?.() }),
    memory: () => CARD_ROM_SIZE,
    create(slot, chosen) {
      const given = {
        ...{ name: slot.name, clock: slot.clock, warn: slot.warn },
        ...{ port: slot.backend<NetworkPort>('net'), mac: macBytes(chosen.mac as string) },
      }
      const { card, pci } = description.create(slot, given, chosen as Chosen<O>)
      setCardRom(slot, pci, chosen.romfile as string | undefined, rom)
      return card
    },
  })
}

/** The same registers, so many bytes of them, in ports by base address 0 and in memory by 1. */
export function addRegisterBars(
  pci: PciFunction,
  card: Device & {
    readonly name: string
    read(offset: number, size: AccessSize): number
    write(offset: number, value: number, size: AccessSize): void
  },
  bytes: number,
): void {
  const window = {
    name: card.name,
    width: 4,
    read: (offset: number, size: AccessSize) => card.read(offset, size),
    write: (offset: number, value: number, size: AccessSize) => card.write(offset, value, size),
  } as const
  pci.addIoBar(0, { ...window, count: bytes })
  pci.addMemoryBar(1, { ...window, size: bytes })
}
