/**
 * An ATAPI CD/DVD-ROM drive: the PACKET protocol of ATA/ATAPI-5 (T13 1321D, section 9.8) and the packet commands of
 * Multi-Media Commands 3 (T10 1363D), over a block device of 2048-byte sectors (one data track). Details that a guest
 * sees follow QEMU's drive; reads of whole raw sectors come without their error-correction bytes (zeros).
 * The file is longer than others, because it has the whole command set of a CD drive.
 */

import type { StateTable } from '../../device.js'
import { type BlockDevice, MediumError } from '../../media/block-device.js'
import { bytes, count, flag, integer, lba, same, u8 } from '../../state/fields.js'
import { integerOption } from '../device-option.js'
import { deviceType } from '../device-type.js'
import {
  CD_SECTOR,
  getConfiguration,
  inquiry,
  mechanismStatus,
  modeSense,
  put16,
  put32,
  putMsf,
  readDiscInformation,
  readToc,
  requestSense,
  vitalProductData,
} from './atapi-replies.js'
import {
  driveState,
  ERROR_ABRT,
  type IdeBus,
  IdeDrive,
  identifyString,
  REG_FEATURES,
  REG_LBA_HIGH,
  REG_LBA_MID,
  REG_SECTOR_COUNT,
  TASK_DRIVE,
} from './ide-drive.js'

// ATA commands
const READ_SECTORS = 0x20
const PACKET = 0xa0
const IDENTIFY_PACKET_DEVICE = 0xa1
const IDENTIFY_DEVICE = 0xec
const SET_FEATURES = 0xef
const FLUSH_CACHE = 0xe7
const CHECK_POWER_MODE = 0xe5

// Packet commands
const TEST_UNIT_READY = 0x00
const REQUEST_SENSE = 0x03
const INQUIRY = 0x12
const MODE_SENSE_6 = 0x1a
const START_STOP_UNIT = 0x1b
const PREVENT_ALLOW = 0x1e
const READ_CAPACITY = 0x25
const READ_10 = 0x28
const SEEK_10 = 0x2b
const READ_SUBCHANNEL = 0x42
const READ_TOC = 0x43
const GET_CONFIGURATION = 0x46
const GET_EVENT_STATUS = 0x4a
const READ_DISC_INFORMATION = 0x51
const MODE_SENSE_10 = 0x5a
const READ_12 = 0xa8
const READ_CD_MSF = 0xb9
const SET_CD_SPEED = 0xbb
const MECHANISM_STATUS = 0xbd
const READ_CD = 0xbe

// Sense keys and additional sense codes
const NO_SENSE = 0
const NOT_READY = 2
const MEDIUM_ERROR = 3
const ILLEGAL_REQUEST = 5
const UNIT_ATTENTION = 6
const ASC_UNRECOVERED_READ = 0x11
const ASC_INVALID_OPCODE = 0x20
const ASC_LBA_OUT_OF_RANGE = 0x21
const ASC_INVALID_FIELD = 0x24
const ASC_MEDIUM_CHANGED = 0x28
const ASC_SAVING_NOT_SUPPORTED = 0x39
const ASC_MEDIUM_NOT_PRESENT = 0x3a
const ASC_REMOVAL_PREVENTED = 0x53

// Interrupt reason, in the sector count register
const REASON_COMMAND = 0x01
const REASON_TO_HOST = 0x02

/** Features register of PACKET: DMA, and overlap, which is not supported. */
const FEATURE_DMA = 0x01
const FEATURE_OVERLAP = 0x02

const RAW_SECTOR = 2352
const PACKET_BYTES = 12
/** The largest block the data register may announce. */
const MAX_BLOCK = 0xfffe
/** Bytes moved in one step of a DMA transfer. */
const DMA_BLOCK = 32 * CD_SECTOR

// Tasks
const TASK_PACKET = TASK_DRIVE
const TASK_BLOCK = TASK_DRIVE + 1
const TASK_DMA = TASK_DRIVE + 2
const TASK_STATUS = TASK_DRIVE + 3

const PACKET_NS = 100_000
const BLOCK_NS = 10_000
/** Some 100 MB/s. */
const DMA_BYTE_NS = 10

// What the guest still has to hear of a new medium
const CHANGE_NONE = 0
/** First that there was none, then of the new one: drivers look for either. */
const CHANGE_REMOVED = 1
const CHANGE_NEW = 2

export interface AtapiCdOptions {
  medium?: BlockDevice
  /** Up to 40 characters; default `BOOTWRIGHT CD-ROM`. */
  model?: string
  /** Up to 20 characters; default `BW00002`. */
  serial?: string
  /** Up to 8 characters. */
  firmware?: string
}

const STATE: StateTable = {
  trayOpen: flag,
  locked: flag,
  senseKey: u8,
  asc: u8,
  ascq: u8,
  change: u8,
  newMediaEvent: flag,
  ejectRequestEvent: flag,
  useDma: flag,
  byteLimit: integer(1, 0xffff),
  total: integer(0, 2 ** 45),
  done: integer(0, 2 ** 45),
  fromMedium: flag,
  lba,
  sectorSize: integer(1, RAW_SECTOR),
  command12: bytes(PACKET_BYTES),
  mediumSize: same(
    count,
    (saved, here) =>
      `the snapshot's CD drive holds ${saved ? `a medium of ${saved} bytes` : 'no medium'}, ` +
      `this one ${here ? `one of ${here} bytes` : 'none'}: insert the same before loading`,
  ),
}

export class AtapiCd extends IdeDrive {
  readonly packet = true
  readonly buffer = new Uint8Array(DMA_BLOCK + RAW_SECTOR)
  readonly state = { ...driveState(this.buffer.length), ...STATE }
  medium: BlockDevice | undefined
  trayOpen = false
  /** The guest prevents the removal of the medium. */
  locked = false
  private senseKey = NO_SENSE
  private asc = 0
  private ascq = 0
  private change = CHANGE_NONE
  /** For GET EVENT STATUS. */
  private newMediaEvent = false
  private ejectRequestEvent = false
  /** The packet, kept while it is carried out. */
  private readonly command12 = new Uint8Array(PACKET_BYTES)
  private useDma = false
  private byteLimit = MAX_BLOCK
  /** The data of the command: bytes in all, and those that were handed over. */
  private total = 0
  private done = 0
  /** The data is sectors of the medium from `lba` on, of `sectorSize` bytes; else it stands in the buffer. */
  private fromMedium = false
  private lba = 0
  private sectorSize = CD_SECTOR
  private readonly sector = new Uint8Array(RAW_SECTOR)

  constructor(private readonly options: AtapiCdOptions = {}) {
    super()
    this.medium = options.medium
  }

  /** Puts a medium in and closes the tray. The guest is told of the change. */
  insert(medium: BlockDevice): void {
    this.medium = medium
    this.trayOpen = false
    this.change = CHANGE_REMOVED
    this.newMediaEvent = true
  }

  /** Opens the tray, locked or not, and returns what was in it. */
  eject(): BlockDevice | undefined {
    const medium = this.medium
    this.medium = undefined
    this.trayOpen = true
    this.locked = false
    return medium
  }

  /** The button on the drive: opens the tray, or asks the guest for it where the guest has locked it. */
  pressEject(): void {
    if (this.locked) this.ejectRequestEvent = true
    else this.trayOpen = true
  }

  private get present(): boolean {
    return this.medium !== undefined && !this.trayOpen
  }

  private get sectors(): number {
    return this.present && this.medium ? Math.floor(this.medium.size / CD_SECTOR) : 0
  }

  protected resetDrive(hard: boolean): void {
    this.total = this.done = 0
    this.fromMedium = this.useDma = false
    this.sense(NO_SENSE, 0, 0)
    if (!hard) return
    this.locked = false
    this.change = CHANGE_NONE
    this.newMediaEvent = this.ejectRequestEvent = false
  }

  protected takesData(opcode: number): boolean {
    return opcode === PACKET
  }

  protected execute(): void {
    switch (this.opcode) {
      case PACKET:
        this.startPacket()
        break
      case IDENTIFY_PACKET_DEVICE:
        this.identify()
        break
      case IDENTIFY_DEVICE:
      case READ_SECTORS:
        // How a host tells a packet device: an abort with its signature, section 9.12.
        this.signature()
        this.fail(ERROR_ABRT)
        break
      case SET_FEATURES:
        if (this.registers[REG_FEATURES] === 0x03) this.succeed()
        else this.fail(ERROR_ABRT)
        break
      case CHECK_POWER_MODE:
        this.registers[REG_SECTOR_COUNT] = 0xff
        this.succeed()
        break
      // Standby, idle and sleep, immediately or not.
      case 0xe0:
      case 0xe1:
      case 0xe2:
      case 0xe3:
      case 0xe6:
      case FLUSH_CACHE:
        this.succeed()
        break
      default:
        this.fail(ERROR_ABRT)
    }
  }

  protected runTask(task: number): void {
    if (task === TASK_PACKET) this.runPacket()
    else if (task === TASK_BLOCK) this.sendBlock()
    else if (task === TASK_STATUS) this.endPacket()
    else if (this.dmaReady()) this.dmaStep()
  }

  protected windowDone(): void {
    if (!this.windowToHost) {
      this.command12.set(this.buffer.subarray(0, PACKET_BYTES))
      this.after(TASK_PACKET, PACKET_NS)
    } else if (this.opcode !== PACKET) {
      // IDENTIFY PACKET DEVICE ends like any PIO data-in command.
      this.task = 0
      this.status = 0x50
    } else {
      this.after(this.done < this.total ? TASK_BLOCK : TASK_STATUS, BLOCK_NS)
    }
  }

  private startPacket(): void {
    const features = this.registers[REG_FEATURES]
    if (features & FEATURE_OVERLAP) {
      this.fail(ERROR_ABRT)
      return
    }
    this.useDma = (features & FEATURE_DMA) !== 0
    const limit = this.registers[REG_LBA_MID] | (this.registers[REG_LBA_HIGH] << 8)
    // Odd limits only count when all data fits in one block; 0 is taken as "any".
    this.byteLimit = limit === 0 || limit > MAX_BLOCK ? MAX_BLOCK : limit
    this.registers[REG_SECTOR_COUNT] = REASON_COMMAND
    this.open(0, PACKET_BYTES, false)
  }

  private runPacket(): void {
    const packet = this.command12
    const opcode = packet[0]
    this.total = this.done = 0
    this.fromMedium = false
    const always =
      opcode === INQUIRY || opcode === REQUEST_SENSE || opcode === GET_CONFIGURATION || opcode === GET_EVENT_STATUS
    if (!always && this.present && this.change !== CHANGE_NONE) {
      if (this.change === CHANGE_REMOVED) {
        this.change = CHANGE_NEW
        this.check(NOT_READY, ASC_MEDIUM_NOT_PRESENT)
      } else {
        this.change = CHANGE_NONE
        this.check(UNIT_ATTENTION, ASC_MEDIUM_CHANGED)
      }
      return
    }
    if (opcode !== REQUEST_SENSE) this.sense(NO_SENSE, 0, 0)
    switch (opcode) {
      case TEST_UNIT_READY:
      case SEEK_10:
        if (this.ready()) this.endPacket()
        break
      case REQUEST_SENSE:
        this.reply(requestSense(this.buffer, this.senseKey, this.asc, this.ascq), packet[4])
        this.sense(NO_SENSE, 0, 0)
        break
      case INQUIRY:
        this.runInquiry()
        break
      case MODE_SENSE_6:
        this.runModeSense(4, packet[4])
        break
      case MODE_SENSE_10:
        this.runModeSense(8, be16(packet, 7))
        break
      case START_STOP_UNIT:
        this.startStop(packet[4])
        break
      case PREVENT_ALLOW:
        this.locked = (packet[4] & 1) !== 0
        this.endPacket()
        break
      case READ_CAPACITY:
        if (!this.ready()) break
        put32(this.buffer, 0, this.sectors - 1)
        put32(this.buffer, 4, CD_SECTOR)
        this.reply(8, 8)
        break
      case READ_10:
        this.startRead(be32(packet, 2), be16(packet, 7), CD_SECTOR)
        break
      case READ_12:
        this.startRead(be32(packet, 2), be32(packet, 6), CD_SECTOR)
        break
      case READ_CD:
        this.readCd(be32(packet, 2), (packet[6] << 16) | be16(packet, 7))
        break
      case READ_CD_MSF: {
        const start = fromMsf(packet, 3)
        this.readCd(start, fromMsf(packet, 6) - start)
        break
      }
      case READ_TOC:
        this.runReadToc()
        break
      case READ_SUBCHANNEL:
        this.readSubchannel()
        break
      case GET_CONFIGURATION:
        this.reply(getConfiguration(this.buffer, packet[1] & 3, be16(packet, 2), this.sectors), be16(packet, 7))
        break
      case GET_EVENT_STATUS:
        this.getEventStatus()
        break
      case READ_DISC_INFORMATION:
        if (packet[1] & 7) this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
        else if (this.ready()) this.reply(readDiscInformation(this.buffer), be16(packet, 7))
        break
      case MECHANISM_STATUS:
        this.reply(mechanismStatus(this.buffer), be16(packet, 8))
        break
      case SET_CD_SPEED:
        this.endPacket()
        break
      default:
        this.host.warn('CD packet command that this drive does not have', opcode)
        this.check(ILLEGAL_REQUEST, ASC_INVALID_OPCODE)
    }
  }

  /** True with a medium in the drive; else the command has ended. */
  private ready(): boolean {
    if (this.present) return true
    this.check(NOT_READY, ASC_MEDIUM_NOT_PRESENT)
    return false
  }

  private sense(key: number, asc: number, ascq: number): void {
    this.senseKey = key
    this.asc = asc
    this.ascq = ascq
  }

  /** Ends the packet with CHECK CONDITION. */
  private check(key: number, asc: number, ascq = 0): void {
    this.sense(key, asc, ascq)
    this.registers[REG_SECTOR_COUNT] = REASON_COMMAND | REASON_TO_HOST
    this.end = 0
    this.fail(key << 4)
  }

  private endPacket(): void {
    this.registers[REG_SECTOR_COUNT] = REASON_COMMAND | REASON_TO_HOST
    this.error = 0
    this.end = 0
    this.succeed()
  }

  /** Hands over `length` bytes that stand in the buffer, at most `allocated`. */
  private reply(length: number, allocated: number): void {
    this.total = Math.min(length, allocated)
    this.startData()
  }

  private startData(): void {
    if (this.total === 0) {
      this.endPacket()
    } else if (this.useDma) {
      this.task = TASK_DMA
      this.registers[REG_SECTOR_COUNT] = REASON_TO_HOST
      if (this.dmaReady()) this.dmaStep()
    } else {
      this.sendBlock()
    }
  }

  private startRead(lba: number, count: number, sectorSize: number): void {
    if (!this.ready()) return
    if (count <= 0) {
      this.endPacket()
    } else if (lba < 0 || lba + count > this.sectors) {
      this.check(ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE)
    } else {
      this.fromMedium = true
      this.lba = lba
      this.sectorSize = sectorSize
      this.total = count * sectorSize
      this.startData()
    }
  }

  /** READ CD: which parts of a sector are wanted, in byte 9. */
  private readCd(lba: number, count: number): void {
    const parts = this.command12[9] & 0xf8
    if (parts === 0x10) this.startRead(lba, count, CD_SECTOR)
    else if (parts === 0xf8) this.startRead(lba, count, RAW_SECTOR)
    else if (parts === 0) this.startRead(lba, 0, CD_SECTOR)
    else this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
  }

  /** Opens the data register for the next block, as large as the host allows. */
  private sendBlock(): void {
    const left = this.total - this.done
    const size = left <= this.byteLimit ? left : this.byteLimit & ~1
    if (size === 0 || !this.fill(size)) {
      if (size === 0) this.endPacket()
      return
    }
    this.registers[REG_SECTOR_COUNT] = REASON_TO_HOST
    this.registers[REG_LBA_MID] = size
    this.registers[REG_LBA_HIGH] = size >> 8
    const start = this.fromMedium ? 0 : this.done
    this.open(start, start + size, true)
    this.done += size
    this.host.interrupt(true)
  }

  private dmaStep(): void {
    const size = Math.min(this.total - this.done, DMA_BLOCK)
    if (!this.fill(size)) return
    if (this.host.dmaTransfer(this.buffer, size, true) < size) {
      this.task = 0
      this.status = 0x50
      this.host.dmaEnd(true)
      return
    }
    this.done += size
    if (this.done < this.total) {
      this.dmaAgain(size * DMA_BYTE_NS)
      return
    }
    this.host.dmaEnd(false)
    this.endPacket()
  }

  /** Brings the next `size` bytes of the medium to the start of the buffer. False: the command has failed. */
  private fill(size: number): boolean {
    if (!this.fromMedium) return true
    const medium = this.medium
    if (!medium || !this.present) {
      this.check(NOT_READY, ASC_MEDIUM_NOT_PRESENT)
      return false
    }
    try {
      if (this.sectorSize === CD_SECTOR) {
        medium.read(this.lba * CD_SECTOR + this.done, this.buffer.subarray(0, size))
        return true
      }
      for (let filled = 0; filled < size; ) {
        const from = (this.done + filled) % RAW_SECTOR
        const count = Math.min(RAW_SECTOR - from, size - filled)
        this.rawSector(medium, this.lba + Math.floor((this.done + filled) / RAW_SECTOR))
        this.buffer.set(this.sector.subarray(from, from + count), filled)
        filled += count
      }
      return true
    } catch (error) {
      if (!(error instanceof MediumError)) throw error
      this.host.warn(`CD medium failed: ${error.message}`)
      this.check(MEDIUM_ERROR, ASC_UNRECOVERED_READ)
      return false
    }
  }

  /** Sync pattern, header with the address in BCD, mode 1, and the data; ECMA-130, section 14. */
  private rawSector(medium: BlockDevice, lba: number): void {
    const { sector } = this
    sector.fill(0xff, 1, 11)
    sector[0] = sector[11] = 0
    putMsf(sector, 12, lba, true)
    sector[15] = 1
    medium.read(lba * CD_SECTOR, sector.subarray(16, 16 + CD_SECTOR))
  }

  private runInquiry(): void {
    const packet = this.command12
    if ((packet[1] & 1) === 0) {
      if (packet[2] !== 0) this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
      else this.reply(inquiry(this.buffer, 'CD-ROM', this.options.firmware ?? '1.0'), packet[4])
      return
    }
    const length = vitalProductData(this.buffer, packet[2], this.options.serial ?? 'BW00002')
    if (length === 0) this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
    else this.reply(length, be16(packet, 3))
  }

  private runModeSense(headerLength: 4 | 8, allocated: number): void {
    const [, , page] = this.command12
    if (page >> 6 === 3) {
      this.check(ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED)
      return
    }
    const length = modeSense(this.buffer, page & 0x3f, headerLength, this)
    if (length === 0) this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
    else this.reply(length, allocated)
  }

  /** LOEJ and START in byte 4. */
  private startStop(flags: number): void {
    const power = flags >> 4
    const eject = (flags & 3) === 2
    if (power === 0 && eject && this.locked && !this.trayOpen) {
      this.check(this.present ? NOT_READY : ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED, 2)
      return
    }
    // Without a power condition, LOEJ moves the tray to where START says.
    if (power === 0 && flags & 2) {
      if (!eject && this.trayOpen && this.medium) {
        this.change = CHANGE_NEW
        this.newMediaEvent = true
      }
      this.trayOpen = eject
    }
    this.endPacket()
  }

  private runReadToc(): void {
    const packet = this.command12
    if (!this.ready()) return
    // The format is in byte 2, or where SFF-8020i had it, in the top of byte 9.
    const format = packet[2] & 0x0f || packet[9] >> 6
    const length = readToc(this.buffer, format, (packet[1] & 2) !== 0, packet[6], this.sectors)
    if (length === 0) this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
    else this.reply(length, be16(packet, 7))
  }

  /** No audio is ever playing: the header, and the current position where it is asked for. */
  private readSubchannel(): void {
    const packet = this.command12
    if (!this.ready()) return
    const wanted = (packet[2] & 0x40) !== 0
    if (wanted && packet[3] !== 1) {
      this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
      return
    }
    this.buffer.fill(0, 0, 16)
    // No audio status to return.
    this.buffer[1] = 0x15
    if (wanted) {
      this.buffer.set([12, 1, 0x14, 1, 1], 3)
      if (packet[1] & 2) putMsf(this.buffer, 9, 0)
    }
    this.reply(wanted ? 16 : 4, be16(packet, 7))
  }

  /** Polled only, of the media class. */
  private getEventStatus(): void {
    const packet = this.command12
    if ((packet[1] & 1) === 0) {
      this.check(ILLEGAL_REQUEST, ASC_INVALID_FIELD)
      return
    }
    this.buffer.fill(0, 0, 8)
    // Classes that are supported.
    this.buffer[3] = 0x10
    if ((packet[4] & 0x10) === 0) {
      // No event available, header only.
      put16(this.buffer, 0, 2)
      this.buffer[2] = 0x80
      this.reply(4, be16(packet, 7))
      return
    }
    put16(this.buffer, 0, 6)
    this.buffer[2] = 4
    this.buffer[4] = this.ejectRequestEvent ? 1 : this.newMediaEvent ? 2 : 0
    if (this.ejectRequestEvent) this.ejectRequestEvent = false
    else this.newMediaEvent = false
    this.buffer[5] = (this.trayOpen ? 1 : 0) | (this.present ? 2 : 0)
    this.reply(8, be16(packet, 7))
  }

  private identify(): void {
    this.buffer.fill(0, 0, 512)
    const view = new DataView(this.buffer.buffer, 0, 512)
    const word = (index: number, value: number) => view.setUint16(index * 2, value, true)
    // ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets.
    word(0, 0x85c0)
    identifyString(view, 10, this.options.serial ?? 'BW00002', 20)
    word(20, 3)
    word(21, 512)
    word(22, 4)
    identifyString(view, 23, this.options.firmware ?? '1.0', 8)
    identifyString(view, 27, this.options.model ?? 'BOOTWRIGHT CD-ROM', 40)
    word(48, 1)
    // LBA, DMA.
    word(49, 0x0300)
    word(53, 0x0007)
    word(62, 0x0007)
    word(63, 0x0007)
    word(64, 0x0003)
    word(65, 0xb4)
    word(66, 0xb4)
    word(67, 0x12c)
    word(68, 0xb4)
    word(71, 30)
    word(72, 30)
    // ATA-1 to ATA/ATAPI-4.
    word(80, 0x001e)
    word(88, 0x203f)
    // Drivers look at the interrupt reason, as at that of a packet's data (TEAC's; SFF-8020i, table 16).
    this.registers[REG_SECTOR_COUNT] = REASON_TO_HOST
    this.open(0, 512, true)
    this.host.interrupt(true)
  }

  /** A reply stands in the buffer as a whole, whatever part of it the host has in hand. */
  protected override pendingBytes(): number {
    return this.fromMedium ? this.end : Math.max(this.end, this.total)
  }

  /** 0 without a medium. */
  get mediumSize(): number {
    return this.medium?.size ?? 0
  }
}

function be16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

function be32(bytes: Uint8Array, at: number): number {
  return be16(bytes, at) * 65536 + be16(bytes, at + 2)
}

/** Sector of an address in minutes, seconds and frames. */
function fromMsf(bytes: Uint8Array, at: number): number {
  return (bytes[at] * 60 + bytes[at + 1]) * 75 + bytes[at + 2] - 150
}

export const ideCd = deviceType({
  type: 'ide-cd',
  title: 'IDE CD-ROM drive',
  category: 'Storage',
  bus: 'ide',
  options: () => ({
    unit: integerOption(0, 3).describe('0 primary master, 1 primary slave, 2 secondary master, 3 secondary slave'),
  }),
  create(slot, { unit }) {
    slot.bus<IdeBus>('ide').attach(unit, new AtapiCd({ medium: slot.backend<BlockDevice>('block') }))
    return undefined
  },
})
