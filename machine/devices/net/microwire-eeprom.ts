/**
 * A 93C46 in words of 16 bits, as Ethernet chips have one: 64 words by the Microwire protocol (start bit, two bits of
 * opcode, six of address), clocked bit by bit by the guest (data sheet of National's NM93C46). Programming takes no time.
 */
import type { Stateful, StateTable } from '../../device.js'
import { flag, integer, list, u16 } from '../../state/fields.js'

export const EEPROM_WORDS = 64

const READ = 2
const WRITE = 1
const ERASE = 3
/** Opcode 0: the two upper bits of the address say which. */
const WRITE_DISABLE = 0
const WRITE_ALL = 1
const ERASE_ALL = 2
const WRITE_ENABLE = 3
/** Start bit, opcode and address. */
const COMMAND_BITS = 9

const STATE: StateTable = {
  ...{ words: list(u16, EEPROM_WORDS), selected: flag, clocked: flag, writable: flag },
  ...{ bits: integer(0, COMMAND_BITS + 16), command: integer(0, 0x1ff), data: u16, output: flag },
}

export class MicrowireEeprom implements Stateful {
  readonly state = STATE
  readonly words = new Uint16Array(EEPROM_WORDS)
  private selected = false
  private clocked = false
  private writable = false
  /** Of the instruction so far; 0 waits for the start bit. */
  private bits = 0
  private command = 0
  private data = 0
  private output = true

  /** DO; pulled up while it does not drive. */
  get dataOut(): boolean {
    return this.output
  }

  /** The levels of CS, SK and DI. */
  set(select: boolean, clock: boolean, dataIn: boolean): void {
    if (!select || !this.selected) {
      if (this.selected) this.finish()
      this.bits = 0
      this.command = 0
      this.output = true
    } else if (clock && !this.clocked) this.shift(dataIn ? 1 : 0)
    this.selected = select
    this.clocked = clock
  }

  private get opcode(): number {
    return (this.command >>> 6) & 3
  }

  private get address(): number {
    return this.command & 0x3f
  }

  private shift(bit: number): void {
    if (this.bits === 0 && bit === 0) return
    if (this.bits < COMMAND_BITS) {
      this.command = ((this.command << 1) | bit) & 0x1ff
      this.bits++
      if (this.bits === COMMAND_BITS && this.opcode === READ) {
        this.data = this.words[this.address]
        // The dummy bit before the data.
        this.output = false
      }
      return
    }
    if (this.opcode === READ) {
      const at = this.bits - COMMAND_BITS
      this.output = (this.data & (0x8000 >>> at)) !== 0
      // On and on, the next word after the last bit of one.
      this.bits++
      if (at < 15) return
      this.bits = COMMAND_BITS
      this.command = (this.command & ~0x3f) | ((this.address + 1) & 0x3f)
      this.data = this.words[this.address]
    } else if (this.bits < COMMAND_BITS + 16) {
      this.data = ((this.data << 1) | bit) & 0xffff
      this.bits++
    }
  }

  /** CS falls: an instruction that is whole is carried out. */
  private finish(): void {
    if (this.bits < COMMAND_BITS || this.opcode === READ) return
    const whole = this.bits === COMMAND_BITS + 16
    if (this.opcode === 0) {
      const which = this.address >>> 4
      if (which === WRITE_ENABLE) this.writable = true
      else if (which === WRITE_DISABLE) this.writable = false
      else if (which === ERASE_ALL && this.writable) this.words.fill(0xffff)
      else if (which === WRITE_ALL && this.writable && whole) this.words.fill(this.data)
    } else if (this.writable && this.opcode === ERASE) this.words[this.address] = 0xffff
    else if (this.writable && this.opcode === WRITE && whole) this.words[this.address] = this.data
  }
}
