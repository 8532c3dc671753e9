/**
 * The PIIX3's two IDE channels in compatibility mode: primary 1F0h-1F7h, 3F6h, IRQ 14; secondary 170h-177h, 376h,
 * IRQ 15; two drives each, and the bus-master registers behind BAR 4 of the PCI function (82371SB data sheet, section
 * 2.7). ATA/ATAPI-5 (T13 1321D), section 7, for the registers.
 *
 * Where no drive is: an empty channel reads 0, as QEMU's; the registers of a missing second drive can be written and
 * read, its status and error are 0.
 */

import type { Clock } from '../../clock.js'
import type { AccessSize, Device, IrqLine, PhysicalMemory, PortRange, StateTable, Warn } from '../../device.js'
import { bytes, flag, integer, list, starts, u8 } from '../../state/fields.js'
import { part, resetState } from '../../state/state-table.js'
import { BusMasterChannel } from './bus-master-ide.js'
import {
  DEVICE_ALWAYS,
  DEVICE_DEV,
  type IdeDrive,
  type IdeHost,
  REG_DEVICE,
  REG_FEATURES,
  REG_LBA_HIGH,
  REG_LBA_LOW,
  REG_LBA_MID,
  REG_SECTOR_COUNT,
} from './ide-drive.js'

const REG_DATA = 0
const REG_COMMAND_STATUS = 7

// Device control register
const CONTROL_HOB = 0x80
const CONTROL_SRST = 0x04
const CONTROL_NIEN = 0x02

const CHANNELS = [
  { name: 'primary', command: 0x1f0, control: 0x3f6 },
  { name: 'secondary', command: 0x170, control: 0x376 },
] as const

export interface IdeOptions {
  clock: Clock
  memory: PhysicalMemory
  /** IRQ 14 and 15. */
  irq: [IrqLine, IrqLine]
  warn: Warn
  /** Primary master, primary slave, secondary master, secondary slave. */
  drives: (IdeDrive | undefined)[]
}

/** The bus-master registers: 16 bytes of I/O space, for BAR 4 of the IDE function. */
export interface BusMasterRange {
  read(offset: number, size: AccessSize): number
  write(offset: number, value: number, size: AccessSize): void
  /** The function may be master of the PCI bus, or no longer. */
  setEnabled(enabled: boolean): void
}

const IDE: StateTable = { channels: list(part(), 2) }

export class Ide implements Device {
  readonly name = 'ide'
  readonly state = IDE
  readonly ports: readonly PortRange[]
  readonly busMaster: BusMasterRange
  readonly drives: readonly (IdeDrive | undefined)[]
  private readonly channels: readonly IdeChannel[]

  constructor(options: IdeOptions) {
    this.drives = [0, 1, 2, 3].map((index) => options.drives[index])
    this.channels = CHANNELS.map(
      ({ name }, i) => new IdeChannel(options, options.irq[i], [this.drives[2 * i], this.drives[2 * i + 1]], name),
    )
    this.ports = CHANNELS.flatMap(({ name, command, control }, i): PortRange[] => {
      const channel = this.channels[i]
      return [
        {
          name: `IDE ${name} command block`,
          base: command,
          count: 8,
          width: 4,
          read: (offset, size) => channel.read(offset, size),
          write: (offset, value, size) => channel.write(offset, value, size),
        },
        {
          name: `IDE ${name} control block`,
          base: control,
          count: 1,
          read: () => channel.status(),
          write: (_, value) => channel.writeControl(value),
        },
      ]
    })
    this.busMaster = {
      read: (offset, size) => {
        let value = 0
        for (let i = size - 1; i >= 0; i--) {
          value = (value << 8) | this.channels[((offset + i) >> 3) & 1].busMaster.readByte((offset + i) & 7)
        }
        return value >>> 0
      },
      write: (offset, value, size) => {
        for (let i = 0; i < size; i++) {
          const at = offset + i
          this.channels[(at >> 3) & 1].busMaster.writeByte(at & 7, (value >>> (8 * i)) & 0xff)
        }
      },
      setEnabled: (enabled) => {
        for (const { busMaster } of this.channels) busMaster.setEnabled(enabled)
      },
    }
  }

  /** RESET#: the drives too. */
  reset(): void {
    for (const channel of this.channels) channel.reset()
  }
}

const CHANNEL: StateTable = {
  selected: starts(integer(0, 1), 0),
  control: starts(u8, 0),
  pending: flag,
  line: flag,
  absent: bytes(8),
  busMaster: part(),
  drives: list(part('IDE drives'), 2),
}

class IdeChannel implements IdeHost {
  readonly state = CHANNEL
  readonly clock: Clock
  readonly warn: Warn
  readonly busMaster: BusMasterChannel
  private selected = 0
  private control = 0
  /** INTRQ, before nIEN. */
  private pending = false
  private line = false
  /**
   * The registers of a drive that is missing beside one that is there. They are not the other's: a CD drive's signature
   * with a status of 0, which is also what a CD drive itself shows, has guests wait for a second one.
   */
  private readonly absent = new Uint8Array(8)
  /** Registers where both drives are missing are not even that. */
  private readonly empty: boolean

  constructor(
    options: IdeOptions,
    private readonly irq: IrqLine,
    private readonly drives: readonly (IdeDrive | undefined)[],
    name: string,
  ) {
    this.clock = options.clock
    this.warn = options.warn
    this.empty = !drives[0] && !drives[1]
    this.absentSignature()
    this.busMaster = new BusMasterChannel(options.memory, () => this.drives[this.selected]?.dmaStarted())
    drives.forEach((drive, i) => {
      drive?.attach(this, `ide-${name}${i}`)
    })
  }

  reset(): void {
    resetState(this)
    this.interrupt(false)
    this.absentSignature()
    this.busMaster.reset()
    for (const drive of this.drives) drive?.hardReset()
  }

  read(offset: number, size: AccessSize): number {
    if (offset === REG_DATA && size > 1) return this.readData(size)
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = (value << 8) | this.readRegister(offset + i)
    return value >>> 0
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (offset === REG_DATA && size > 1) {
      this.writeData(value, size)
      return
    }
    for (let i = 0; i < size; i++) this.writeRegister(offset + i, (value >>> (8 * i)) & 0xff)
  }

  /** The alternate status: reading it leaves the interrupt alone. */
  status(): number {
    return this.drives[this.selected]?.status ?? 0
  }

  writeControl(value: number): void {
    const before = this.control
    this.control = value
    if (value & CONTROL_SRST && (before & CONTROL_SRST) === 0) {
      this.pending = false
      for (const drive of this.drives) drive?.beginReset()
    } else if (before & CONTROL_SRST && (value & CONTROL_SRST) === 0) {
      this.absentSignature()
      this.select(0)
      for (const drive of this.drives) drive?.endReset()
    }
    this.updateLine()
  }

  interrupt(level: boolean): void {
    this.pending = level
    this.updateLine()
  }

  dmaRunning(): boolean {
    return this.busMaster.running
  }

  dmaTransfer(buffer: Uint8Array, length: number, toMemory: boolean): number {
    if (this.busMaster.toMemory !== toMemory) this.warn('bus-master IDE direction unlike that of the command')
    return this.busMaster.transfer(buffer, length, toMemory)
  }

  dmaEnd(short: boolean): void {
    if (short) this.busMaster.abort()
    else this.busMaster.end()
  }

  diagnose(): void {
    this.absentSignature()
    this.select(0)
    this.drives[0]?.diagnose(true)
    this.drives[1]?.diagnose(!this.drives[0])
  }

  private select(device: number): void {
    this.selected = device ? 1 : 0
    for (const drive of this.drives) drive?.writeRegister(REG_DEVICE, device)
    this.absent[REG_DEVICE] = device
  }

  private updateLine(): void {
    const level = this.pending && (this.control & CONTROL_NIEN) === 0
    if (level === this.line) return
    this.line = level
    if (level) this.busMaster.interrupt()
    this.irq(level)
  }

  private readRegister(offset: number): number {
    if (this.empty) return 0
    if (offset === REG_COMMAND_STATUS) {
      this.interrupt(false)
      return this.status()
    }
    if (offset === REG_DATA) return 0xff
    const drive = this.drives[this.selected]
    const hob = (this.control & CONTROL_HOB) !== 0
    if (drive) return drive.readRegister(offset, hob)
    // A missing drive has no error.
    if (offset === REG_FEATURES) return 0
    return offset === REG_DEVICE ? this.absent[offset] | DEVICE_ALWAYS : this.absent[offset]
  }

  /** A missing drive's registers as a reset leaves them: QEMU's address, which is neither a disk's nor a CD drive's. */
  private absentSignature(): void {
    this.absent.fill(0)
    this.absent[REG_SECTOR_COUNT] = this.absent[REG_LBA_LOW] = 1
    this.absent[REG_LBA_MID] = this.absent[REG_LBA_HIGH] = 0xff
  }

  private writeRegister(offset: number, value: number): void {
    this.control &= ~CONTROL_HOB
    const drive = this.drives[this.selected]
    if (offset === REG_COMMAND_STATUS) {
      drive?.command(value)
      return
    }
    if (drive?.busy) return
    if (offset === REG_DATA) {
      this.warn('8-bit write to the IDE data register')
      return
    }
    for (const each of this.drives) each?.writeRegister(offset, value)
    this.absent[offset] = value
    if (offset === REG_DEVICE) this.selected = (value & DEVICE_DEV) !== 0 ? 1 : 0
  }

  /** A word or two from the data register. */
  private readData(size: number): number {
    const drive = this.drives[this.selected]
    return drive?.windowOpen && drive.windowToHost ? drive.take(size) : 0
  }

  private writeData(value: number, size: number): void {
    const drive = this.drives[this.selected]
    if (!drive?.windowOpen || drive.windowToHost) return
    const { buffer } = drive
    const at = drive.position
    buffer[at] = value
    buffer[at + 1] = value >> 8
    if (size === 4) {
      buffer[at + 2] = value >> 16
      buffer[at + 3] = value >>> 24
    }
    drive.position = at + size
    if (drive.position >= drive.end) drive.dataDone()
  }

  /** Media are restored by their owner, before. */
  loaded(): void {
    this.irq(this.line)
  }
}
