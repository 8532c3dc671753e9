/**
 * One channel of the PIIX3's bus-master IDE function: eight registers and the walk over the physical region
 * descriptors. Intel 82371FB/82371SB data sheet (290550), section 2.7, and "Programming Interface for Bus Master IDE
 * Controller", revision 1.0.
 */

import type { PhysicalMemory, StateTable } from '../../device.js'
import { flag, integer, starts, u8, u32 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'

// Registers, offsets in the channel's half of BAR 4
const BMICX = 0
const BMISX = 2
const BMIDTPX = 4

const COMMAND_START = 0x01
const COMMAND_TO_MEMORY = 0x08

const STATUS_ACTIVE = 0x01
const STATUS_ERROR = 0x02
const STATUS_INTERRUPT = 0x04
/** Drive 0 and 1 DMA capable: written by the BIOS, for the OS to read. */
const STATUS_CAPABLE = 0x60

const PRD_END = 0x80000000
/** A table does not cross a 64 KiB boundary. */
const TABLE_BYTES = 0x10000

const STATE: StateTable = {
  command: starts(u8, 0),
  status: starts(u8, 0),
  table: starts(u32, 0),
  next: starts(integer(0, 2 ** 32 + TABLE_BYTES), 0),
  tableRead: starts(integer(0, TABLE_BYTES), 0),
  address: starts(integer(0, 2 ** 32 + 0x10000), 0),
  left: starts(integer(0, 0x10000), 0),
  last: starts(flag, false),
}

export class BusMasterChannel {
  readonly state = STATE
  private command = 0
  private status = 0
  private table = 0
  /** Address of the next descriptor, how far the table was read, and what is left of the present region. */
  private next = 0
  private tableRead = 0
  private address = 0
  private left = 0
  private last = false
  /** The function may be master of the PCI bus: bit 2 of its command register, which saves it. */
  private enabled = true

  /** `onStart`: the guest set the start bit; a drive that waits with its data may go on. */
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly onStart: () => void,
  ) {}

  reset(): void {
    resetState(this)
  }

  /** One byte of a register. */
  readByte(offset: number): number {
    if (offset === BMICX) return this.command
    if (offset === BMISX) return this.status
    if (offset >= BMIDTPX) return (this.table >>> (8 * (offset - BMIDTPX))) & 0xff
    return 0
  }

  writeByte(offset: number, value: number): void {
    if (offset === BMICX) {
      this.writeCommand(value)
    } else if (offset === BMISX) {
      const cleared = value & (STATUS_ERROR | STATUS_INTERRUPT)
      this.status = (this.status & ~(STATUS_CAPABLE | cleared)) | (value & STATUS_CAPABLE)
    } else if (offset >= BMIDTPX) {
      const shift = 8 * (offset - BMIDTPX)
      this.table = (((this.table & ~(0xff << shift)) | (value << shift)) & ~3) >>> 0
    }
  }

  /** Started, and master of the bus: without it nothing is moved, and the drive waits with its data. */
  get running(): boolean {
    return this.enabled && this.started
  }

  private get started(): boolean {
    return (this.command & COMMAND_START) !== 0 && (this.status & STATUS_ACTIVE) !== 0
  }

  setEnabled(enabled: boolean): void {
    if (enabled === this.enabled) return
    this.enabled = enabled
    if (this.running) this.onStart()
  }

  /** Whether the guest programmed the direction device to memory. */
  get toMemory(): boolean {
    return (this.command & COMMAND_TO_MEMORY) !== 0
  }

  /** The drive's interrupt passed through. */
  interrupt(): void {
    this.status |= STATUS_INTERRUPT
  }

  /** Moves up to `length` bytes of `buffer` to (or from) the regions. Returns fewer when the table has no more. */
  transfer(buffer: Uint8Array, length: number, toMemory: boolean): number {
    let done = 0
    while (done < length) {
      if (this.left === 0 && !this.nextRegion()) break
      const count = Math.min(this.left, length - done)
      const piece = buffer.subarray(done, done + count)
      if (toMemory) this.memory.write(this.address, piece)
      else this.memory.read(this.address, piece)
      this.address += count
      this.left -= count
      done += count
    }
    return done
  }

  /** The drive has moved all it has: the channel stays active when the table describes more. */
  end(): void {
    if (this.left === 0 && this.last) this.status &= ~STATUS_ACTIVE
  }

  /** The table was too short for the drive's transfer. */
  abort(): void {
    this.status &= ~STATUS_ACTIVE
  }

  private writeCommand(value: number): void {
    const started = (value & COMMAND_START) !== 0
    const before = (this.command & COMMAND_START) !== 0
    this.command = value & (COMMAND_START | COMMAND_TO_MEMORY)
    if (started && !before) {
      this.status |= STATUS_ACTIVE
      this.next = this.table
      this.tableRead = this.left = 0
      this.last = false
      if (this.running) this.onStart()
    } else if (!started) {
      this.status &= ~STATUS_ACTIVE
    }
  }

  private nextRegion(): boolean {
    if (this.last || this.tableRead >= TABLE_BYTES) return false
    const count = this.memory.read32(this.next + 4)
    this.address = (this.memory.read32(this.next) & ~1) >>> 0
    this.left = count & 0xfffe || 0x10000
    this.last = (count & PRD_END) !== 0
    this.next += 8
    this.tableRead += 8
    return true
  }
}
