/**
 * What an 8254x has in its EEPROM (Software Developer's Manual, 5.6), and EECD and EERD by which it is read (13.4.3,
 * 13.4.4). The 82573L has the words in flash memory, and has read them into memory of its own by the time that anybody asks:
 * they are read and written a word at a time, and its EECD has no pins.
 */
import type { Stateful, StateTable } from '../../../device.js'
import { u32 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import { EEPROM_WORDS, MicrowireEeprom } from '../microwire-eeprom.js'

/** The sum of all words. */
const CHECKSUM = 0xbaba
const CHECKSUM_WORD = 0x3f

// EECD
const SK = 0x001
const CS = 0x002
const DI = 0x004
const DO = 0x008
const REQ = 0x040
const GNT = 0x080
const PRES = 0x100
const WRITABLE = SK | CS | DI | 0x30 | REQ

/** Of a flash: it has been read, it is there, and it is one; who wants changes in it itself is done at once. */
const FLASH_READY = 0x1_8200 | PRES
const FLASH_WRITABLE = 0x0017_0030

// EERD, and EEWR
const START = 0x01
const DONE = 0x10
const FLASH_DONE = 0x02

const STATE: StateTable = { chip: part(), pins: u32, eerd: u32, eewr: u32 }

export interface EepromContents {
  mac: readonly number[]
  deviceId: number
  subsystemVendorId: number
  subsystemId: number
  /** Words of a flash memory. */
  isFlash: boolean
}

export class E1000Eeprom implements Stateful {
  readonly state = STATE
  private readonly chip = new MicrowireEeprom()
  private pins = 0
  private eerd = 0
  private eewr = 0
  private readonly isFlash: boolean

  constructor({ mac, deviceId, subsystemVendorId, subsystemId, isFlash }: EepromContents) {
    this.isFlash = isFlash
    const { words } = this.chip
    words.fill(0xffff)
    for (let i = 0; i < 3; i++) words[i] = mac[2 * i] | (mac[2 * i + 1] << 8)
    words.set([0x0000, 0xffff, 0xffff], 3)
    // Initialization control 1, the identifications, initialization control 2 (no pause by itself).
    words.set([0x4408, subsystemId, subsystemVendorId, deviceId, 0x8086, 0x3040], 0x0a)
    // The lamps as always, no deep power down, wake-up as the driver says.
    if (isFlash) words.set([0xf746], 4)
    if (isFlash) words.set([0x3041, 0x0010], 0x0f)
    if (isFlash) words.set([0x8000, 0x0000], 0x23)
    let sum = 0
    for (let i = 0; i < CHECKSUM_WORD; i++) sum += words[i]
    words[CHECKSUM_WORD] = CHECKSUM - sum
  }

  reset(): void {
    this.writeControl(0)
    this.eerd = 0
    this.eewr = FLASH_DONE
  }

  /** As the controller itself reads it; FFFFh where there is none. */
  word(at: number): number {
    return at < EEPROM_WORDS ? this.chip.words[at] : 0xffff
  }

  readControl(): number {
    if (this.isFlash) return (this.pins | FLASH_READY) >>> 0
    return this.pins | PRES | (this.chip.dataOut ? DO : 0) | (this.pins & REQ ? GNT : 0)
  }

  writeControl(value: number): void {
    if (this.isFlash) {
      this.pins = value & FLASH_WRITABLE
      return
    }
    this.pins = value & WRITABLE
    this.chip.set((value & CS) !== 0, (value & SK) !== 0, (value & DI) !== 0)
  }

  /** EERD: a word at a time. */
  readWord(): number {
    return this.eerd
  }

  startRead(value: number): void {
    const shift = this.isFlash ? 2 : 8
    const address = this.isFlash ? (value >>> 2) & 0x3fff : (value >>> 8) & 0xff
    this.eerd = (address << shift) >>> 0
    if (value & START) this.eerd = ((this.word(address) << 16) | this.eerd | (this.isFlash ? FLASH_DONE : DONE)) >>> 0
  }

  /** EEWR of a flash: it is always done. */
  get written(): number {
    return this.eewr
  }

  startWrite(value: number): void {
    const address = (value >>> 2) & 0x3fff
    if (value & START && address < EEPROM_WORDS) this.chip.words[address] = value >>> 16
    this.eewr = ((value & ~START) | FLASH_DONE) >>> 0
  }
}
