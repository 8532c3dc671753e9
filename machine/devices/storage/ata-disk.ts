/**
 * An ATA hard disk: the command set of ATA/ATAPI-5 (T13 1321D) with the 48-bit address feature set of ATA/ATAPI-6
 * (T13 1410D), over a block device. What it claims in IDENTIFY DEVICE is what QEMU's disk claims, so that guests choose
 * the same drivers and modes.
 * The file is longer than others, because it has the whole command set of a disk.
 */

import type { StateTable } from '../../device.js'
import { type BlockDevice, MediumError } from '../../media/block-device.js'
import { count, flag, integer, lba, same, u8, u16 } from '../../state/fields.js'
import { choiceOption, integerOption, textOption } from '../device-option.js'
import { deviceType } from '../device-type.js'
import {
  CHECK_POWER_MODE,
  FLUSH_CACHE,
  FLUSH_CACHE_EXT,
  IDENTIFY_DEVICE,
  IDLE,
  IDLE_IMMEDIATE,
  INITIALIZE_DEVICE_PARAMETERS,
  NOP,
  OLD_CHECK_POWER_MODE,
  OLD_IDLE,
  OLD_IDLE_IMMEDIATE,
  OLD_SLEEP,
  OLD_STANDBY,
  OLD_STANDBY_IMMEDIATE,
  POWER_ACTIVE,
  POWER_IDLE,
  POWER_STANDBY,
  READ_DMA,
  READ_DMA_EXT,
  READ_DMA_NO_RETRY,
  READ_MULTIPLE,
  READ_MULTIPLE_EXT,
  READ_NATIVE_MAX,
  READ_NATIVE_MAX_EXT,
  READ_SECTORS,
  READ_SECTORS_EXT,
  READ_SECTORS_NO_RETRY,
  READ_VERIFY,
  READ_VERIFY_EXT,
  READ_VERIFY_NO_RETRY,
  RECALIBRATE,
  SEEK,
  SET_FEATURES,
  SET_MULTIPLE_MODE,
  SLEEP,
  SMART,
  SMART_AUTOSAVE,
  SMART_DISABLE,
  SMART_ENABLE,
  SMART_EXECUTE_OFFLINE,
  SMART_KEY_HIGH,
  SMART_KEY_MID,
  SMART_READ_DATA,
  SMART_READ_THRESHOLDS,
  SMART_RETURN_STATUS,
  STANDBY,
  STANDBY_IMMEDIATE,
  WRITE_DMA,
  WRITE_DMA_EXT,
  WRITE_DMA_NO_RETRY,
  WRITE_MULTIPLE,
  WRITE_MULTIPLE_EXT,
  WRITE_SECTORS,
  WRITE_SECTORS_EXT,
  WRITE_SECTORS_NO_RETRY,
  WRITE_VERIFY,
} from './ata-commands.js'
import { type DiskGeometry, guessGeometry } from './ata-geometry.js'
import { identifyDisk, LBA28_LIMIT, MAX_MULTIPLE } from './ata-identify.js'
import { diskNamed, serialOf } from './disk-named.js'
import {
  DEVICE_HEAD,
  DEVICE_LBA,
  driveState,
  ERROR_ABRT,
  ERROR_IDNF,
  ERROR_UNC,
  type IdeBus,
  IdeDrive,
  REG_DEVICE,
  REG_FEATURES,
  REG_LBA_HIGH,
  REG_LBA_LOW,
  REG_LBA_MID,
  REG_SECTOR_COUNT,
  STATUS_DF,
  STATUS_DRDY,
  STATUS_DSC,
  TASK_DRIVE,
} from './ide-drive.js'

// Tasks
const TASK_READ = TASK_DRIVE
const TASK_WRITE = TASK_DRIVE + 1
const TASK_READ_DMA = TASK_DRIVE + 2
const TASK_WRITE_DMA = TASK_DRIVE + 3

const PIO_DATA_OUT = new Set([
  ...[WRITE_SECTORS, WRITE_SECTORS_NO_RETRY, WRITE_SECTORS_EXT],
  ...[WRITE_MULTIPLE, WRITE_MULTIPLE_EXT, WRITE_VERIFY],
])

const SECTOR = 512
/** Sectors moved in one step of a DMA transfer. */
const DMA_SECTORS = 256
/** The time of a PIO block; of one sector by DMA (some 100 MB/s). */
const BLOCK_NS = 10_000
const DMA_SECTOR_NS = 5_000

export interface AtaDiskOptions {
  medium: BlockDevice
  /** Up to 40 characters; default `BOOTWRIGHT HARDDISK`. */
  model?: string
  /** Up to 20 characters; default `BW00001`. */
  serial?: string
  /** Up to 8 characters. */
  firmware?: string
  /** Default: guessed from the partition table and the size. */
  geometry?: DiskGeometry
}

const STATE: StateTable = {
  heads: integer(1, 16),
  sectorsPerTrack: integer(1, 255),
  multiple: u8,
  singleWordDma: u16,
  multiWordDma: u16,
  ultraDma: u16,
  writeCache: flag,
  smart: flag,
  power: u8,
  lba,
  left: integer(0, 65536),
  block: integer(0, DMA_SECTORS),
  blockSize: integer(1, DMA_SECTORS),
  ext: flag,
  sectors: same(
    count,
    (saved, here) => `the snapshot's disk has ${saved} sectors, this one ${here}: attach the same image`,
  ),
}

export class AtaDisk extends IdeDrive {
  readonly packet = false
  readonly buffer = new Uint8Array(DMA_SECTORS * SECTOR + 4)
  readonly state = { ...driveState(this.buffer.length), ...STATE }
  readonly geometry: DiskGeometry
  readonly medium: BlockDevice
  private readonly sectors: number
  /** The translation that INITIALIZE DEVICE PARAMETERS set. */
  private heads = 0
  private sectorsPerTrack = 0
  private multiple = 0
  /** IDENTIFY words 62, 63 and 88: DMA modes, with the selected one. */
  private singleWordDma = 0
  private multiWordDma = 0
  private ultraDma = 0
  private writeCache = true
  private smart = true
  private power = POWER_ACTIVE
  /** The transfer: next sector, sectors left, and sectors in the block that the host has in hand. */
  private lba = 0
  private left = 0
  private block = 0
  private blockSize = 1
  private ext = false

  constructor(private readonly options: AtaDiskOptions) {
    super()
    this.medium = options.medium
    this.sectors = Math.floor(options.medium.size / SECTOR)
    this.geometry = options.geometry ?? guessGeometry(options.medium)
  }

  protected resetDrive(hard: boolean): void {
    this.multiple = MAX_MULTIPLE
    this.power = POWER_ACTIVE
    this.left = this.block = 0
    if (!hard) return
    this.heads = this.geometry.heads
    this.sectorsPerTrack = this.geometry.sectors
    this.singleWordDma = this.multiWordDma = 0x07
    this.ultraDma = 0x3f | (1 << 13)
    this.writeCache = this.smart = true
  }

  protected takesData(opcode: number): boolean {
    return PIO_DATA_OUT.has(opcode)
  }

  protected execute(): void {
    const features = this.registers[REG_FEATURES]
    if (this.opcode >= RECALIBRATE && this.opcode < RECALIBRATE + 0x10) {
      this.succeed()
      return
    }
    if (this.opcode >= SEEK && this.opcode < SEEK + 0x10) {
      this.seek()
      return
    }
    switch (this.opcode) {
      case READ_SECTORS:
      case READ_SECTORS_NO_RETRY:
        this.startPio(false, false, 1)
        break
      case READ_SECTORS_EXT:
        this.startPio(false, true, 1)
        break
      case READ_MULTIPLE:
        this.startPio(false, false, this.multiple)
        break
      case READ_MULTIPLE_EXT:
        this.startPio(false, true, this.multiple)
        break
      case WRITE_SECTORS:
      case WRITE_SECTORS_NO_RETRY:
      case WRITE_VERIFY:
        this.startPio(true, false, 1)
        break
      case WRITE_SECTORS_EXT:
        this.startPio(true, true, 1)
        break
      case WRITE_MULTIPLE:
        this.startPio(true, false, this.multiple)
        break
      case WRITE_MULTIPLE_EXT:
        this.startPio(true, true, this.multiple)
        break
      case READ_DMA:
      case READ_DMA_NO_RETRY:
        this.startDma(TASK_READ_DMA, false)
        break
      case READ_DMA_EXT:
        this.startDma(TASK_READ_DMA, true)
        break
      case WRITE_DMA:
      case WRITE_DMA_NO_RETRY:
        this.startDma(TASK_WRITE_DMA, false)
        break
      case WRITE_DMA_EXT:
        this.startDma(TASK_WRITE_DMA, true)
        break
      case READ_VERIFY:
      case READ_VERIFY_NO_RETRY:
        this.verify(false)
        break
      case READ_VERIFY_EXT:
        this.verify(true)
        break
      case READ_NATIVE_MAX:
        this.readNativeMax(false)
        break
      case READ_NATIVE_MAX_EXT:
        this.readNativeMax(true)
        break
      case INITIALIZE_DEVICE_PARAMETERS:
        this.initializeParameters()
        break
      case SET_MULTIPLE_MODE:
        this.setMultiple()
        break
      case SET_FEATURES:
        this.setFeatures(features)
        break
      case IDENTIFY_DEVICE:
        this.identify()
        break
      case FLUSH_CACHE:
      case FLUSH_CACHE_EXT:
        this.flush()
        break
      case STANDBY_IMMEDIATE:
      case STANDBY:
      case SLEEP:
      case OLD_STANDBY_IMMEDIATE:
      case OLD_STANDBY:
      case OLD_SLEEP:
        this.power = POWER_STANDBY
        this.succeed()
        break
      case IDLE_IMMEDIATE:
      case IDLE:
      case OLD_IDLE_IMMEDIATE:
      case OLD_IDLE:
        this.power = POWER_IDLE
        this.succeed()
        break
      case CHECK_POWER_MODE:
      case OLD_CHECK_POWER_MODE:
        this.registers[REG_SECTOR_COUNT] = this.power
        this.succeed()
        break
      case SMART:
        this.executeSmart(features)
        break
      case NOP:
        this.fail(ERROR_ABRT)
        break
      default:
        // IDENTIFY PACKET DEVICE is how a guest asks whether this is a CD drive: no need to mention it.
        if (this.opcode !== 0xa1) this.host.warn('ATA command that this disk does not have', this.opcode)
        this.fail(ERROR_ABRT)
        break
    }
  }

  protected runTask(task: number): void {
    if (task === TASK_READ) this.readBlock()
    else if (task === TASK_WRITE) this.writeBlock()
    else if (this.dmaReady()) this.dmaStep(task === TASK_READ_DMA)
  }

  protected windowDone(): void {
    if (!this.windowToHost) {
      this.after(TASK_WRITE, BLOCK_NS)
    } else if (this.left > 0) {
      this.after(TASK_READ, BLOCK_NS)
    } else {
      this.task = 0
      this.status = STATUS_DRDY | STATUS_DSC
    }
  }

  /** Takes address and count from the registers. False when the first sector cannot be (no such CHS). */
  private takeAddress(ext: boolean): boolean {
    const { registers, previous } = this
    this.power = POWER_ACTIVE
    this.ext = ext
    const low = registers[REG_LBA_LOW]
    const cylinder = registers[REG_LBA_MID] | (registers[REG_LBA_HIGH] << 8)
    const head = registers[REG_DEVICE] & DEVICE_HEAD
    if ((registers[REG_DEVICE] & DEVICE_LBA) === 0) {
      // Sectors count from 1; what is no address leaves none behind.
      this.lba = Math.max(0, (cylinder * this.heads + head) * this.sectorsPerTrack + low - 1)
    } else {
      this.lba = low | (cylinder << 8)
      if (!ext) this.lba += head * 2 ** 24
      else
        this.lba += previous[REG_LBA_LOW] * 2 ** 24 + previous[REG_LBA_MID] * 2 ** 32 + previous[REG_LBA_HIGH] * 2 ** 40
    }
    const count = registers[REG_SECTOR_COUNT]
    if (ext) this.left = count | (previous[REG_SECTOR_COUNT] << 8) || 65536
    else this.left = count || 256
    return (registers[REG_DEVICE] & DEVICE_LBA) !== 0 || (low > 0 && low <= this.sectorsPerTrack && head < this.heads)
  }

  /** Counts `done` sectors on, in the registers too: after an error they name the failing one. */
  private progress(done: number): void {
    const { registers, previous } = this
    this.lba += done
    this.left -= done
    registers[REG_SECTOR_COUNT] = this.left
    if (this.ext) previous[REG_SECTOR_COUNT] = this.left >> 8
    if (registers[REG_DEVICE] & DEVICE_LBA) {
      registers[REG_LBA_LOW] = this.lba
      registers[REG_LBA_MID] = this.lba >>> 8
      registers[REG_LBA_HIGH] = this.lba >>> 16
      const high = Math.floor(this.lba / 2 ** 24)
      if (this.ext) {
        previous[REG_LBA_LOW] = high
        previous[REG_LBA_MID] = high >>> 8
        previous[REG_LBA_HIGH] = high >>> 16
      } else {
        registers[REG_DEVICE] = (registers[REG_DEVICE] & ~DEVICE_HEAD) | (high & DEVICE_HEAD)
      }
      return
    }
    const track = Math.floor(this.lba / this.sectorsPerTrack)
    const cylinder = Math.floor(track / this.heads)
    registers[REG_LBA_LOW] = (this.lba % this.sectorsPerTrack) + 1
    registers[REG_LBA_MID] = cylinder
    registers[REG_LBA_HIGH] = cylinder >> 8
    registers[REG_DEVICE] = (registers[REG_DEVICE] & ~DEVICE_HEAD) | (track % this.heads)
  }

  private startPio(write: boolean, ext: boolean, blockSize: number): void {
    if (blockSize === 0) {
      this.fail(ERROR_ABRT)
      return
    }
    if (!this.takeAddress(ext)) {
      this.fail(ERROR_IDNF)
      return
    }
    this.blockSize = blockSize
    if (!write) {
      this.readBlock()
      return
    }
    this.block = Math.min(this.left, blockSize)
    this.open(0, this.block * SECTOR, false)
  }

  private readBlock(): void {
    const count = Math.min(this.left, this.blockSize)
    if (!this.access(count, false)) return
    this.progress(count)
    this.open(0, count * SECTOR, true)
    this.host.interrupt(true)
  }

  private writeBlock(): void {
    if (!this.access(this.block, true)) return
    this.progress(this.block)
    if (this.left === 0) {
      this.succeed()
      return
    }
    this.block = Math.min(this.left, this.blockSize)
    this.open(0, this.block * SECTOR, false)
    this.host.interrupt(true)
  }

  /** The medium to the buffer or back. On failure the command has ended. */
  private access(count: number, write: boolean): boolean {
    if (this.lba < 0 || this.lba + count > this.sectors) {
      this.fail(ERROR_IDNF)
      return false
    }
    try {
      const data = this.buffer.subarray(0, count * SECTOR)
      if (write) this.medium.write(this.lba * SECTOR, data)
      else this.medium.read(this.lba * SECTOR, data)
      return true
    } catch (error) {
      if (!(error instanceof MediumError)) throw error
      this.host.warn(`disk medium failed: ${error.message}`)
      if (write) this.fail(ERROR_ABRT, STATUS_DF)
      else this.fail(ERROR_UNC)
      return false
    }
  }

  private startDma(task: number, ext: boolean): void {
    if (!this.takeAddress(ext)) {
      this.fail(ERROR_IDNF)
      return
    }
    if (this.lba + this.left > this.sectors) {
      this.fail(ERROR_IDNF)
      return
    }
    this.task = task
    if (this.dmaReady()) this.dmaStep(task === TASK_READ_DMA)
  }

  private dmaStep(read: boolean): void {
    const count = Math.min(this.left, DMA_SECTORS)
    if (read && !this.access(count, false)) return
    const moved = this.host.dmaTransfer(this.buffer, count * SECTOR, read)
    if (moved < count * SECTOR) {
      // As QEMU: the bus master goes inactive, the drive is ready again, and no interrupt tells of it.
      this.task = 0
      this.status = STATUS_DRDY | STATUS_DSC
      this.host.dmaEnd(true)
      return
    }
    if (!read && !this.access(count, true)) return
    this.progress(count)
    if (this.left > 0) {
      this.dmaAgain(count * DMA_SECTOR_NS)
      return
    }
    this.host.dmaEnd(false)
    this.succeed()
  }

  private verify(ext: boolean): void {
    if (!this.takeAddress(ext) || this.lba + this.left > this.sectors) {
      this.fail(ERROR_IDNF)
      return
    }
    this.progress(this.left)
    this.succeed()
  }

  private seek(): void {
    if (!this.takeAddress(false) || this.lba >= this.sectors) {
      this.fail(ERROR_IDNF)
      return
    }
    this.succeed()
  }

  private readNativeMax(ext: boolean): void {
    // Without LBA there is no such address.
    if ((this.registers[REG_DEVICE] & DEVICE_LBA) === 0 || this.sectors === 0) {
      this.fail(ERROR_ABRT)
      return
    }
    this.ext = ext
    this.lba = 0
    const { registers, previous } = this
    const count = [registers[REG_SECTOR_COUNT], previous[REG_SECTOR_COUNT]]
    this.progress(ext ? this.sectors - 1 : Math.min(this.sectors - 1, LBA28_LIMIT))
    registers[REG_SECTOR_COUNT] = count[0]
    previous[REG_SECTOR_COUNT] = count[1]
    this.left = 0
    this.succeed()
  }

  private initializeParameters(): void {
    const sectors = this.registers[REG_SECTOR_COUNT]
    if (sectors === 0) {
      this.fail(ERROR_ABRT)
      return
    }
    this.heads = (this.registers[REG_DEVICE] & DEVICE_HEAD) + 1
    this.sectorsPerTrack = sectors
    this.succeed()
  }

  private setMultiple(): void {
    const count = this.registers[REG_SECTOR_COUNT]
    if (count > MAX_MULTIPLE || count & (count - 1)) {
      this.fail(ERROR_ABRT)
      return
    }
    this.multiple = count
    this.succeed()
  }

  private flush(): void {
    try {
      this.medium.flush()
      this.succeed()
    } catch (error) {
      if (!(error instanceof MediumError)) throw error
      this.host.warn(`disk medium failed: ${error.message}`)
      this.fail(ERROR_ABRT, STATUS_DF)
    }
  }

  private setFeatures(subcommand: number): void {
    switch (subcommand) {
      case 0x03:
        this.setTransferMode(this.registers[REG_SECTOR_COUNT])
        break
      case 0x02:
        this.writeCache = true
        this.succeed()
        break
      case 0x82:
        this.writeCache = false
        this.flush()
        break
      // Look-ahead, power-on defaults, power and acoustic management, ECC: nothing here depends on them.
      case 0x05:
      case 0x42:
      case 0x55:
      case 0x66:
      case 0x67:
      case 0x69:
      case 0x85:
      case 0x96:
      case 0x9a:
      case 0xaa:
      case 0xc2:
      case 0xcc:
        this.succeed()
        break
      default:
        this.fail(ERROR_ABRT)
        break
    }
  }

  private setTransferMode(mode: number): void {
    const bit = 1 << ((mode & 7) + 8)
    const kind = mode >> 3
    if (kind !== 0 && kind !== 1 && kind !== 2 && kind !== 4 && kind !== 8) {
      this.fail(ERROR_ABRT)
      return
    }
    this.singleWordDma = 0x07 | (kind === 2 ? bit : 0)
    this.multiWordDma = 0x07 | (kind === 4 ? bit : 0)
    this.ultraDma = 0x3f | (kind === 8 ? bit : 0)
    this.succeed()
  }

  private executeSmart(subcommand: number): void {
    const { registers } = this
    const key = registers[REG_LBA_MID] === SMART_KEY_MID && registers[REG_LBA_HIGH] === SMART_KEY_HIGH
    if (!key || (!this.smart && subcommand !== SMART_ENABLE)) {
      this.fail(ERROR_ABRT)
      return
    }
    switch (subcommand) {
      case SMART_ENABLE:
      case SMART_DISABLE:
        this.smart = subcommand === SMART_ENABLE
        this.succeed()
        break
      case SMART_AUTOSAVE:
      case SMART_EXECUTE_OFFLINE:
        this.succeed()
        break
      case SMART_RETURN_STATUS:
        // The key unchanged: no threshold exceeded.
        this.succeed()
        break
      case SMART_READ_DATA:
      case SMART_READ_THRESHOLDS: {
        // Structure revision 1, no attributes, and the checksum.
        this.buffer.fill(0, 0, SECTOR)
        this.buffer[0] = 1
        this.buffer[511] = 0xff
        this.reply()
        break
      }
      default:
        this.fail(ERROR_ABRT)
        break
    }
  }

  /** One sector of the buffer for the host. */
  private reply(): void {
    this.left = 0
    this.open(0, SECTOR, true)
    this.host.interrupt(true)
  }

  private identify(): void {
    const { options, sectors, heads, sectorsPerTrack, multiple, singleWordDma, multiWordDma, ultraDma } = this
    identifyDisk(this.buffer, {
      ...{ model: options.model ?? 'BOOTWRIGHT HARDDISK', serial: options.serial ?? 'BW00001' },
      ...{ firmware: options.firmware ?? '1.0', geometry: this.geometry, sectors, heads, sectorsPerTrack },
      ...{ multiple, singleWordDma, multiWordDma, ultraDma, writeCache: this.writeCache, smart: this.smart },
    })
    this.reply()
  }
}

export const ideHd = deviceType({
  type: 'ide-hd',
  title: 'IDE disk',
  category: 'Storage',
  bus: 'ide',
  options: () => ({
    unit: integerOption(0, 5).describe(
      '0 primary master, 1 primary slave, 2 secondary master, 3 secondary slave; on a sata bus the port, 0 to 5',
    ),
    bus: choiceOption(['ide', 'sata']).default('ide').describe('ide, or sata for a port of ahci'),
    drive: textOption(64).describe('the disk in it: disk0 is the first one'),
    serial: textOption(20).optional().describe('serial number'),
  }),
  create(slot, { unit, bus, drive, serial }) {
    const medium = diskNamed(slot, drive)
    slot.bus<IdeBus>(bus).attach(unit, new AtaDisk({ medium, serial: serial ?? serialOf(drive) }))
    return undefined
  },
})
