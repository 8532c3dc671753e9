/**
 * What an ATA disk and an ATAPI CD drive have in common: the command block registers, the data register's window, the
 * busy time of a command, and resets. ATA/ATAPI-5 (T13 1321D), sections 7 (registers), 9 (protocols).
 */

import type { Clock, Timer } from '../../clock.js'
import type { Stateful, StateTable, Warn } from '../../device.js'
import { bytes, flag, integer, starts, timer, u8 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'

/** The two channels as drives are plugged into them: 0 primary master to 3 secondary slave. */
export interface IdeBus {
  /** Throws an Error where a drive is there already. */
  attach(unit: number, drive: IdeDrive): void
}

export const STATUS_BSY = 0x80
export const STATUS_DRDY = 0x40
export const STATUS_DF = 0x20
export const STATUS_DSC = 0x10
export const STATUS_DRQ = 0x08
export const STATUS_ERR = 0x01

export const ERROR_UNC = 0x40
export const ERROR_IDNF = 0x10
export const ERROR_ABRT = 0x04
/** In the error register after a reset: the self-test passed. */
const DIAGNOSTIC_PASSED = 0x01

// Command block registers 1 to 7 by their names for writing
export const REG_FEATURES = 1
export const REG_SECTOR_COUNT = 2
export const REG_LBA_LOW = 3
export const REG_LBA_MID = 4
export const REG_LBA_HIGH = 5
export const REG_DEVICE = 6

/** Bits 7 and 5 are obsolete and read as ones, as guests know them. */
export const DEVICE_ALWAYS = 0xa0
export const DEVICE_LBA = 0x40
export const DEVICE_DEV = 0x10
export const DEVICE_HEAD = 0x0f

/** DEVICE RESET: the only command taken while busy, by ATAPI devices. */
export const DEVICE_RESET = 0x08
export const EXECUTE_DEVICE_DIAGNOSTIC = 0x90

/** Tasks of the timer that every drive has; a drive's own count on from here. */
const TASK_NONE = 0
const TASK_COMMAND = 1
const TASK_RESET = 2
export const TASK_DRIVE = 3

const COMMAND_NS = 50_000
const RESET_NS = 500_000

/** What the channel does for its drives. */
export interface IdeHost {
  readonly clock: Clock
  readonly warn: Warn
  /** INTRQ of the selected drive: asserted by a drive, cleared by a command or by reading the status. */
  interrupt(level: boolean): void
  /** Whether the bus master was started. */
  dmaRunning(): boolean
  /** Moves `length` bytes of `buffer`; returns fewer when the descriptors have no more. */
  dmaTransfer(buffer: Uint8Array, length: number, toMemory: boolean): number
  /** All data is moved; or, with `short`, the descriptors had no room for it. */
  dmaEnd(short: boolean): void
  /** EXECUTE DEVICE DIAGNOSTIC is for both drives of a channel. */
  diagnose(): void
}

/** What every drive has, for its table; its own members come to it. `room`: bytes of its buffer. */
export function driveState(room: number): StateTable {
  // No room behind the window but that for the access that runs over its end.
  const inBuffer = integer(0, room - 4)
  return {
    ...{ status: u8, error: u8, windowToHost: flag, windowOpen: flag, opcode: u8, task: u8, dmaWaiting: flag },
    ...{ registers: starts(bytes(8), 0), previous: starts(bytes(8), 0) },
    ...{ position: inBuffer, end: inBuffer, data: bytes(0, room), timer },
  }
}

export abstract class IdeDrive implements Stateful {
  abstract readonly state: StateTable
  status = STATUS_DRDY | STATUS_DSC
  error = DIAGNOSTIC_PASSED
  /** Registers 1 to 6 as last written, and as written before that (the "HOB" values of the 48-bit address feature set). */
  readonly registers = new Uint8Array(8)
  readonly previous = new Uint8Array(8)
  /** Where the data register is in the buffer, and where its window ends. */
  position = 0
  end = 0
  /** The window is for reading; else for writing. Only one that was opened by `open` is for the data register. */
  windowToHost = false
  windowOpen = false
  protected opcode = 0
  protected task = TASK_NONE
  /** The drive has its data ready and the bus master is not started. */
  protected dmaWaiting = false
  protected host!: IdeHost
  private timer!: Timer

  /** What the data register reads and writes; with room for one access past the window's end. */
  abstract readonly buffer: Uint8Array
  /** Whether the drive takes PACKET. */
  abstract readonly packet: boolean
  /** Whether the host is to send data first: the drive is ready for it at once, and is busy after it. */
  protected abstract takesData(opcode: number): boolean
  /** The command's busy time is over: do what it says. */
  protected abstract execute(): void
  /** The data register's window was used up. */
  protected abstract windowDone(): void
  /** A task that the drive began with `after`. */
  protected abstract runTask(task: number): void
  /** Reset of the drive's own state. `hard`: RESET# or power-on; else SRST or DEVICE RESET. */
  protected abstract resetDrive(hard: boolean): void

  /** How much of the buffer still matters, for a snapshot. */
  protected pendingBytes(): number {
    return this.end
  }

  /** @internal Called once by the channel. */
  attach(host: IdeHost, name: string): void {
    this.host = host
    this.timer = host.clock.timer(name, () => this.run())
    this.hardReset()
  }

  /** Register 1 to 6; `previousValue` is the HOB bit of the device control register. */
  readRegister(index: number, previousValue: boolean): number {
    if (index === REG_FEATURES) return previousValue ? this.previous[index] : this.error
    if (index === REG_DEVICE) return this.registers[index] | DEVICE_ALWAYS
    return previousValue ? this.previous[index] : this.registers[index]
  }

  writeRegister(index: number, value: number): void {
    this.previous[index] = this.registers[index]
    this.registers[index] = value
  }

  get busy(): boolean {
    return (this.status & (STATUS_BSY | STATUS_DRQ)) !== 0
  }

  /** The command register. */
  command(opcode: number): void {
    if (this.busy && !(opcode === DEVICE_RESET && this.packet)) return
    this.host.interrupt(false)
    if (opcode === DEVICE_RESET && this.packet) {
      this.stop()
      this.resetDrive(false)
      this.diagnosed()
      return
    }
    if (opcode === EXECUTE_DEVICE_DIAGNOSTIC) {
      this.host.diagnose()
      return
    }
    this.opcode = opcode
    this.error = 0
    // Section 9.5: such a command goes on from BSY to DRQ without an interrupt, and there are guests that do not poll.
    if (this.takesData(opcode)) this.execute()
    else this.after(TASK_COMMAND, COMMAND_NS)
  }

  /** SRST was set: the drive is busy until it is cleared and the reset is done. */
  beginReset(): void {
    this.stop()
    this.opcode = 0
    this.status = STATUS_BSY
  }

  /** SRST was cleared, or a diagnostic was asked for: busy for a while, then the signature. */
  endReset(): void {
    this.after(TASK_RESET, RESET_NS)
    this.status = STATUS_BSY
  }

  hardReset(): void {
    this.stop()
    resetState(this)
    this.resetDrive(true)
    this.diagnosed()
  }

  /** The bus master was started. */
  dmaStarted(): void {
    if (!this.dmaWaiting) return
    this.dmaWaiting = false
    this.timer.at(this.host.clock.now() + COMMAND_NS)
  }

  /** The data register's window is used up; called by the channel in the middle of a port access. */
  dataDone(): void {
    this.windowOpen = false
    this.windowDone()
  }

  protected stop(): void {
    this.timer.cancel()
    this.task = TASK_NONE
    this.windowOpen = this.dmaWaiting = false
    this.position = this.end = 0
  }

  /** The signature by which a host tells a disk from a CD drive, section 9.12. */
  protected signature(): void {
    this.registers[REG_SECTOR_COUNT] = 1
    this.registers[REG_LBA_LOW] = 1
    this.registers[REG_LBA_MID] = this.packet ? 0x14 : 0
    this.registers[REG_LBA_HIGH] = this.packet ? 0xeb : 0
    this.registers[REG_DEVICE] &= DEVICE_DEV
  }

  private diagnosed(): void {
    this.signature()
    this.error = DIAGNOSTIC_PASSED
    this.status = this.packet ? 0 : STATUS_DRDY | STATUS_DSC
  }

  /** Busy for `delay` ns, then `task`. */
  protected after(task: number, delay: number): void {
    this.task = task
    this.status = STATUS_BSY | STATUS_DRDY
    this.timer.at(this.host.clock.now() + delay)
  }

  /** Lets the host take (or give) the bytes of the buffer from `start` to `end`. */
  protected open(start: number, end: number, toHost: boolean): void {
    this.position = start
    this.end = end
    this.windowToHost = toHost
    this.windowOpen = true
    // What stood there before is nobody's: a machine and its copy hold the same.
    if (!toHost) this.buffer.fill(0, start, end)
    this.status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ
  }

  /** The next `size` bytes of the window, zeros behind its end: the hot path of PIO. */
  take(size: number): number {
    const { buffer, end } = this
    const at = this.position
    this.position = at + size
    if (this.position < end) {
      const value = buffer[at] | (buffer[at + 1] << 8)
      return size === 4 ? (value | (buffer[at + 2] << 16) | (buffer[at + 3] << 24)) >>> 0 : value
    }
    let value = 0
    for (let i = Math.min(size, end - at) - 1; i >= 0; i--) value = (value << 8) | buffer[at + i]
    this.dataDone()
    return value >>> 0
  }

  /** For a DMA task: false when it has to wait for the bus master, which brings it here again. */
  protected dmaReady(): boolean {
    this.status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ
    this.dmaWaiting = !this.host.dmaRunning()
    return !this.dmaWaiting
  }

  /** The same DMA task again, after `delay` ns. */
  protected dmaAgain(delay: number): void {
    this.timer.at(this.host.clock.now() + delay)
  }

  protected succeed(): void {
    this.task = TASK_NONE
    this.status = STATUS_DRDY | STATUS_DSC
    this.host.interrupt(true)
  }

  protected fail(error: number, status = 0): void {
    this.task = TASK_NONE
    this.error = error
    this.status = STATUS_DRDY | STATUS_ERR | status
    this.host.interrupt(true)
  }

  private run(): void {
    const task = this.task
    if (task === TASK_COMMAND) {
      this.execute()
    } else if (task === TASK_RESET) {
      this.task = TASK_NONE
      this.resetDrive(false)
      this.diagnosed()
      if (this.opcode === EXECUTE_DEVICE_DIAGNOSTIC) this.host.interrupt(true)
      this.opcode = 0
    } else if (task !== TASK_NONE) {
      this.runTask(task)
    }
  }

  /** EXECUTE DEVICE DIAGNOSTIC, on both drives; the first one interrupts. */
  diagnose(interrupts: boolean): void {
    this.stop()
    this.opcode = interrupts ? EXECUTE_DEVICE_DIAGNOSTIC : 0
    this.endReset()
  }

  /** What of the buffer still matters, for the state. */
  get data(): Uint8Array {
    return this.buffer.subarray(0, this.pendingBytes())
  }

  set data(bytes: Uint8Array) {
    this.buffer.set(bytes)
  }
}

/** Writes `text` into IDENTIFY words from `word` on, `length` characters, the bytes of each word swapped. */
export function identifyString(words: DataView, word: number, text: string, length: number): void {
  const padded = text.padEnd(length).slice(0, length)
  for (let i = 0; i < length; i++) words.setUint8(word * 2 + (i ^ 1), padded.charCodeAt(i))
}
