/**
 * QEMU's `pcnet`: an Am79C970A on the PCI bus, 1022:2000. Its 32 bytes of registers are there in I/O and in memory space:
 *
 *   offset   word I/O   doubleword I/O
 *   00h      address PROM, 16 bytes
 *   10h      RDP        RDP
 *   12h      RAP
 *   14h      reset      RAP
 *   16h      BDP
 *   18h                 reset
 *   1Ch                 BDP
 */
import type { AccessSize, Device, StateTable } from '../../../device.js'
import { bytes, u16 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import { BusMaster } from '../../bus-master.js'
import { MicrowireEeprom } from '../microwire-eeprom.js'
import { addRegisterBars, networkCardType } from '../network-card.js'
import { Am79c970a, type Am79c970aOptions } from './am79c970a.js'

const REGISTERS = 0x20
const PROM_SIZE = 0x10
const RDP = 0x10
/** For AMD's drivers: "this is an AMD card", and "WW". */
const HARDWARE_ID = 0x11
const SIGNATURE = 0x57

// BCR19
const PVALID = 0x8000
const PREAD = 0x4000
const EEDET = 0x2000
const EEN = 0x0010
const ECS = 0x0004
const ESK = 0x0002
const EDI = 0x0001

const STATE: StateTable = { chip: part(), prom: bytes(PROM_SIZE), eeprom: part(), eecas: u16 }

export class Pcnet implements Device {
  readonly state = STATE
  readonly name: string
  private readonly prom = new Uint8Array(PROM_SIZE)
  private readonly eeprom = new MicrowireEeprom()
  private readonly chip: Am79c970a
  private eecas = 0

  constructor(private readonly options: Omit<Am79c970aOptions, 'eeprom'>) {
    this.name = options.name
    this.writeEeprom()
    this.chip = new Am79c970a({
      ...options,
      eeprom: { read: () => this.readEecas(), write: (value) => this.writeEecas(value) },
    })
    this.reset()
  }

  reset(): void {
    this.eecas = 0
    this.loadProm()
    this.chip.reset()
  }

  /** The first 16 bytes: address, identification, and at 0Ch the sum of the others. */
  private writeEeprom(): void {
    const image = new Uint8Array(PROM_SIZE)
    image.set(this.options.mac)
    image[0x09] = HARDWARE_ID
    image.fill(SIGNATURE, 0x0e)
    const sum = image.reduce((all, byte) => all + byte, 0)
    image[0x0c] = sum & 0xff
    image[0x0d] = sum >>> 8
    for (let i = 0; i < PROM_SIZE / 2; i++) this.eeprom.words[i] = image[2 * i] | (image[2 * i + 1] << 8)
  }

  private loadProm(): void {
    for (let i = 0; i < PROM_SIZE; i++) this.prom[i] = this.eeprom.words[i >>> 1] >>> (8 * (i & 1))
  }

  private readEecas(): number {
    return PVALID | EEDET | (this.eecas & (EEN | ECS | ESK)) | (this.eeprom.dataOut ? EDI : 0)
  }

  private writeEecas(value: number): void {
    if (value & PREAD) this.loadProm()
    this.eecas = value & (EEN | ECS | ESK | EDI)
    if (value & EEN) this.eeprom.set((value & ECS) !== 0, (value & ESK) !== 0, (value & EDI) !== 0)
  }

  read(offset: number, size: AccessSize): number {
    if (this.options.bus.isSelf) return 0xffff_ffff >>> (32 - 8 * size)
    if (offset < PROM_SIZE) {
      let value = 0
      for (let i = 0; i < size; i++) value |= this.prom[offset + i] << (8 * i)
      return value >>> 0
    }
    if (this.chip.dwordIo)
      return size === 4 ? this.readRegister((offset - RDP) >>> 2) : this.refuse('read', offset, size)
    // Drivers reset it by a byte's read, too.
    if (size === 2 || (size === 1 && offset === 0x14)) return this.readRegister((offset - RDP) >>> 1)
    return this.refuse('read', offset, size)
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (this.options.bus.isSelf) return
    if (offset < PROM_SIZE) {
      if (this.chip.promWritable) for (let i = 0; i < size; i++) this.prom[offset + i] = value >>> (8 * i)
    } else if (size === 4 && (this.chip.dwordIo || offset === RDP)) {
      // A doubleword for RDP sets the mode, until the next reset of the bus.
      this.chip.setDwordIo()
      this.writeRegister((offset - RDP) >>> 2, value & 0xffff)
    } else if (size === 2 && !this.chip.dwordIo) this.writeRegister((offset - RDP) >>> 1, value)
    else this.refuse('write', offset, size)
  }

  /** RDP, RAP, reset, BDP. */
  private readRegister(register: number): number {
    switch (register) {
      case 0:
        return this.chip.readCsr()
      case 1:
        return this.chip.address
      case 2:
        this.chip.softReset()
        return 0
      case 3:
        return this.chip.readBcr()
      default:
        return 0xffff
    }
  }

  private writeRegister(register: number, value: number): void {
    if (register === 0) this.chip.writeCsr(value)
    else if (register === 1) this.chip.address = value
    else if (register === 3) this.chip.writeBcr(value)
  }

  private refuse(direction: string, offset: number, size: AccessSize): number {
    const mode = this.chip.dwordIo ? 'doubleword' : 'word'
    this.options.warn(`${this.name}: ${direction} of ${size} bytes in ${mode} I/O mode`, offset)
    return 0xffff_ffff >>> (32 - 8 * size)
  }
}

export const pcnet = networkCardType({
  ...{ type: 'pcnet', title: 'AMD Am79C970A PCnet-PCI II', rom: 'efi-pcnet.rom' },
  create(slot, given) {
    const pci = slot.pci({
      ...{ vendorId: 0x1022, deviceId: 0x2000, revision: 0x10 },
      ...{ classCode: 0x020000, interruptPin: 1 },
    })
    const bus = new BusMaster(slot.name, slot.memory, pci, slot.warn)
    const card = new Pcnet({ ...given, irq: pci.interrupt, bus })
    addRegisterBars(pci, card, REGISTERS)
    return { card, pci }
  },
})
