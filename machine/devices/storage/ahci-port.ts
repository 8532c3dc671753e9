/**
 * A port of an AHCI controller (Serial ATA AHCI 1.3.1, 3.3, 4 and 5): its registers, and how a command goes from the list in
 * memory to the drive, its data to and from the regions of its table, and its end back into memory.
 */
import type { Clock } from '../../clock.js'
import type { StateTable, Warn } from '../../device.js'
import { flag, integer, starts, u32 } from '../../state/fields.js'
import { part, resetState } from '../../state/state-table.js'
import type { BusMaster } from '../bus-master.js'
import {
  type IdeDrive,
  type IdeHost,
  REG_DEVICE,
  REG_FEATURES,
  REG_LBA_HIGH,
  REG_LBA_LOW,
  REG_LBA_MID,
  REG_SECTOR_COUNT,
  STATUS_BSY,
  STATUS_DRQ,
} from './ide-drive.js'

export const SLOTS = 32

// Ports
const PXCLB = 0x00
const PXCLBU = 0x04
const PXFB = 0x08
const PXFBU = 0x0c
const PXIS = 0x10
const PXIE = 0x14
const PXCMD = 0x18
const PXTFD = 0x20
const PXSIG = 0x24
const PXSSTS = 0x28
const PXSCTL = 0x2c
const PXSERR = 0x30
const PXCI = 0x38

const IS_REGISTER = 1 << 0
const IS_PIO = 1 << 1
const IS_CONNECTED = 1 << 6
const IS_TASK_FILE_ERROR = 1 << 30

const CMD_START = 1 << 0
const CMD_OVERRIDE = 1 << 3
const CMD_RECEIVE = 1 << 4
const CMD_RECEIVING = 1 << 14
const CMD_RUNNING = 1 << 15
const CMD_ATAPI = 1 << 24
const CMD_WRITTEN = 0x0300_0017

const SIGNATURE_DISK = 0x0000_0101
const SIGNATURE_PACKET = 0xeb14_0101
/** A device at 1.5 Gbit/s, active. */
const CONNECTED = 0x113
const ERROR_EXCHANGED = 1 << 26

// Frame information structures (Serial ATA 2.6, 10.3), and where a port's are received
const FIS_TO_DEVICE = 0x27
const FIS_TO_HOST = 0x34
const FIS_PIO = 0x5f
const RECEIVED_PIO = 0x20
const RECEIVED_REGISTERS = 0x40
const FIS_COMMAND = 0x80
const CONTROL_RESET = 0x04

// The command header and table
const HEADER = 32
const HEADER_RESET = 1 << 8
const TABLE_PACKET = 0x40
const TABLE_REGIONS = 0x80
const REGION = 16
const PACKET_LENGTH = 12

interface PortHost {
  clock: Clock
  warn: Warn
  memory: BusMaster
  /** What its interrupt depends on. */
  changed: () => void
}

const PORT: StateTable = {
  ...{
    commandList: starts(u32, 0),
    commandListHigh: starts(u32, 0),
    received: starts(u32, 0),
    receivedHigh: starts(u32, 0),
  },
  ...{ interrupts: starts(u32, 0), enabled: starts(u32, 0), command: starts(u32, 0), control: starts(u32, 0) },
  ...{ errors: starts(u32, 0), issued: starts(u32, 0), slot: starts(integer(-1, SLOTS - 1), -1) },
  ...{ table: starts(integer(0, Number.MAX_SAFE_INTEGER), 0), regions: starts(integer(0, 0xffff), 0) },
  ...{ region: starts(integer(0, 0x10000), 0), within: starts(integer(0, 2 ** 22), 0), moved: starts(u32, 0) },
  ...{ packetSent: starts(flag, false), drive: part('drives') },
}

export class AhciPort implements IdeHost {
  readonly state = PORT
  readonly clock: Clock
  readonly warn: Warn
  private commandList = 0
  private commandListHigh = 0
  private received = 0
  private receivedHigh = 0
  private interrupts = 0
  private enabled = 0
  private command = 0
  private control = 0
  private errors = 0
  /** PxCI, and the slot whose command the drive has; -1: none. */
  private issued = 0
  private slot = -1
  /** That command's table, its regions, and how far in them its data is. */
  private table = 0
  private regions = 0
  private region = 0
  private within = 0
  private moved = 0
  private packetSent = false
  private isPumping = false
  /** A command has ended in an error: the others wait until the driver has stopped the port (6.2.2). */
  private isHeld = false

  constructor(
    private readonly host: PortHost,
    private readonly drive: IdeDrive | undefined,
    name: string,
  ) {
    this.clock = host.clock
    this.warn = host.warn
    drive?.attach(this, name)
  }

  reset(): void {
    resetState(this)
    this.connect()
  }

  loaded(): void {
    this.isHeld = this.slot < 0 && this.issued !== 0 && this.drive !== undefined
  }

  /** The drive says that it is there (COMRESET, 10.4.2). */
  private connect(): void {
    this.slot = -1
    this.issued = 0
    this.isHeld = false
    if (!this.drive) return
    this.drive.hardReset()
    this.errors |= ERROR_EXCHANGED
    this.interrupts |= IS_CONNECTED
  }

  get wantsInterrupt(): boolean {
    return (this.interrupts & this.enabled) !== 0
  }

  read(offset: number): number {
    const { drive } = this
    switch (offset) {
      case PXCLB:
        return this.commandList
      case PXCLBU:
        return this.commandListHigh
      case PXFB:
        return this.received
      case PXFBU:
        return this.receivedHigh
      case PXIS:
        return this.interrupts >>> 0
      case PXIE:
        return this.enabled
      case PXCMD:
        return this.commandRegister
      case PXTFD:
        return drive ? drive.status | (drive.error << 8) : 0x7f
      case PXSIG:
        return !drive ? 0xffff_ffff : drive.packet ? SIGNATURE_PACKET : SIGNATURE_DISK
      case PXSSTS:
        return drive && (this.control & 0xf) === 0 ? CONNECTED : 0
      case PXSCTL:
        return this.control
      case PXSERR:
        return this.errors >>> 0
      case PXCI:
        return this.issued
      default:
        return 0
    }
  }

  private get commandRegister(): number {
    const running = this.command & CMD_START ? CMD_RUNNING : 0
    const receiving = this.command & CMD_RECEIVE ? CMD_RECEIVING : 0
    const slot = this.slot < 0 ? 0 : this.slot << 8
    return (this.command | running | receiving | slot | (this.drive?.packet ? CMD_ATAPI : 0)) >>> 0
  }

  write(offset: number, value: number): void {
    switch (offset) {
      case PXCLB:
        this.commandList = (value & ~0x3ff) >>> 0
        return
      case PXCLBU:
        this.commandListHigh = value
        return
      case PXFB:
        this.received = (value & ~0xff) >>> 0
        return
      case PXFBU:
        this.receivedHigh = value
        return
      case PXIS:
        this.interrupts &= ~value
        return
      case PXIE:
        this.enabled = value
        return
      case PXCMD:
        this.writeCommand(value)
        return
      case PXSCTL: {
        const before = this.control & 0xf
        this.control = value
        if (before === 1 && (value & 0xf) === 0) this.connect()
        return
      }
      case PXSERR:
        this.errors &= ~value
        return
      case PXCI:
        if (!(this.command & CMD_START)) return
        this.issued = (this.issued | value) >>> 0
        this.next()
    }
  }

  private writeCommand(value: number): void {
    const before = this.command
    this.command = (value & CMD_WRITTEN & ~CMD_OVERRIDE) >>> 0
    if (before & CMD_START && !(value & CMD_START)) {
      // What the drive has in hand comes to nothing (3.3.7).
      this.issued = 0
      this.slot = -1
      this.isHeld = false
    }
    if (!(before & CMD_START) && value & CMD_START) this.next()
  }

  private next(): void {
    while (this.slot < 0 && this.issued !== 0 && !this.isHeld && this.drive) {
      // One after the other, the lowest first.
      this.begin(31 - Math.clz32(this.issued & -this.issued), this.drive)
    }
  }

  private begin(slot: number, drive: IdeDrive): void {
    const { memory } = this.host
    const header = new DataView(new ArrayBuffer(HEADER))
    memory.read(address(this.commandList, this.commandListHigh) + HEADER * slot, new Uint8Array(header.buffer))
    const flags = header.getUint32(0, true)
    this.table = address(header.getUint32(8, true) & ~0x7f, header.getUint32(12, true))
    this.regions = flags >>> 16
    this.region = this.within = this.moved = 0
    this.packetSent = false
    const fis = new Uint8Array(20)
    memory.read(this.table, fis)
    if (fis[0] !== FIS_TO_DEVICE) {
      this.warn('AHCI command without a frame for the device', fis[0])
      this.clear(slot)
      return
    }
    if (!(fis[1] & FIS_COMMAND)) {
      this.clear(slot)
      if (fis[15] & CONTROL_RESET) drive.beginReset()
      else drive.endReset()
      return
    }
    if (flags & HEADER_RESET) this.clear(slot)
    this.slot = slot
    for (const [register, low, high] of [
      [REG_FEATURES, fis[3], fis[11]],
      [REG_LBA_LOW, fis[4], fis[8]],
      [REG_LBA_MID, fis[5], fis[9]],
      [REG_LBA_HIGH, fis[6], fis[10]],
      [REG_DEVICE, fis[7], fis[7]],
      [REG_SECTOR_COUNT, fis[12], fis[13]],
    ]) {
      drive.writeRegister(register, high)
      drive.writeRegister(register, low)
    }
    drive.command(fis[2])
    this.pump()
  }

  /** Moves what the drive has in its window, as the data register would, until the drive is busy or has done. */
  private pump(): void {
    const { drive } = this
    if (!drive || this.slot < 0 || this.isPumping) return
    this.isPumping = true
    while (drive.windowOpen && this.slot >= 0) {
      const window = drive.buffer.subarray(drive.position, drive.end)
      if (this.isPacketDue(drive)) {
        window.fill(0)
        this.host.memory.read(this.table + TABLE_PACKET, window.subarray(0, PACKET_LENGTH))
        this.packetSent = true
      } else {
        this.receivePioSetup(drive, window.length)
        this.dmaTransfer(window, window.length, drive.windowToHost)
      }
      drive.position = drive.end
      drive.dataDone()
    }
    this.isPumping = false
    if (this.slot >= 0 && (drive.status & (STATUS_BSY | STATUS_DRQ)) === 0) this.complete(drive)
  }

  private isPacketDue(drive: IdeDrive): boolean {
    return drive.packet && !drive.windowToHost && !this.packetSent
  }

  private complete(drive: IdeDrive): void {
    const { slot } = this
    this.host.memory.write32(address(this.commandList, this.commandListHigh) + HEADER * slot + 4, this.moved)
    this.receiveRegisters(drive)
    this.interrupts |= IS_REGISTER | (drive.status & 1 ? IS_TASK_FILE_ERROR : 0)
    this.slot = -1
    // After an error the driver looks at which it was, and begins anew.
    if (drive.status & 1) {
      this.isHeld = this.issued !== 0
      this.host.changed()
      return
    }
    this.clear(slot)
    this.host.changed()
    this.next()
  }

  private clear(slot: number): void {
    this.issued = (this.issued & ~(1 << slot)) >>> 0
  }

  private registers(drive: IdeDrive, type: number): Uint8Array {
    const fis = new Uint8Array(20)
    fis.set([type, 0x40, drive.status, drive.error])
    for (const [i, register] of [REG_LBA_LOW, REG_LBA_MID, REG_LBA_HIGH].entries()) {
      fis[4 + i] = drive.readRegister(register, false)
      fis[8 + i] = drive.readRegister(register, true)
    }
    fis[7] = drive.readRegister(REG_DEVICE, false)
    fis[12] = drive.readRegister(REG_SECTOR_COUNT, false)
    fis[13] = drive.readRegister(REG_SECTOR_COUNT, true)
    return fis
  }

  private receiveRegisters(drive: IdeDrive): void {
    this.receive(RECEIVED_REGISTERS, this.registers(drive, FIS_TO_HOST))
  }

  private receivePioSetup(drive: IdeDrive, length: number): void {
    const fis = this.registers(drive, FIS_PIO)
    fis[1] = drive.windowToHost ? 0x60 : 0x40
    fis[15] = drive.status
    fis[16] = length
    fis[17] = length >> 8
    this.receive(RECEIVED_PIO, fis)
    this.interrupts |= IS_PIO
  }

  private receive(at: number, fis: Uint8Array): void {
    if (this.command & CMD_RECEIVE) this.host.memory.write(address(this.received, this.receivedHigh) + at, fis)
  }

  // What the drive sees

  interrupt(level: boolean): void {
    if (level) this.pump()
    this.host.changed()
  }

  dmaRunning(): boolean {
    return this.slot >= 0
  }

  /** To or from the regions of the command's table, in their order. */
  dmaTransfer(buffer: Uint8Array, length: number, toMemory: boolean): number {
    const { memory } = this.host
    let done = 0
    while (done < length && this.region < this.regions) {
      const entry = new DataView(new ArrayBuffer(REGION))
      memory.read(this.table + TABLE_REGIONS + REGION * this.region, new Uint8Array(entry.buffer))
      const size = (entry.getUint32(12, true) & 0x3f_ffff) + 1
      const count = Math.min(size - this.within, length - done)
      const at = address(entry.getUint32(0, true), entry.getUint32(4, true)) + this.within
      const piece = buffer.subarray(done, done + count)
      if (toMemory) memory.write(at, piece)
      else memory.read(at, piece)
      done += count
      this.within += count
      if (this.within >= size) {
        this.region++
        this.within = 0
      }
    }
    this.moved = (this.moved + done) >>> 0
    return done
  }

  dmaEnd(short: boolean): void {
    if (short && this.drive && this.slot >= 0) this.complete(this.drive)
  }

  diagnose(): void {
    this.drive?.diagnose(true)
  }
}

function address(low: number, high: number): number {
  return (low >>> 0) + (high & 0xf_ffff) * 2 ** 32
}
