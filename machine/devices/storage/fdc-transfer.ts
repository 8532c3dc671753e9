/**
 * The execution phase of the 82077AA's data commands: READ, WRITE, their deleted variants, READ TRACK, VERIFY, SCAN and
 * FORMAT TRACK, one sector a step. Data sheet Intel 290166, section 5.1 ("Data Transfer Commands").
 *
 * Departures, shared with QEMU: the command's H selects the side and C is sought whether or not implied seeks are
 * configured (both are warned about), FM is taken as MFM, and in non-DMA mode the end of the last sector (EOT) counts
 * as the terminal count, which nothing drives there. A multi-track command whose EOT lies beyond the track goes on with
 * the next track, on the next cylinder at last, where a real controller looks for a sector that is not there: SeaBIOS
 * gives the last of all sectors wanted as EOT, and boot code counts on INT 13h reading on. An image holds no deleted-data
 * marks: sectors written with WRITE DELETED DATA read as normal ones.
 */

import type { DmaChannel } from '../../chipset/i8237.js'
import type { StateTable, Warn } from '../../device.js'
import { MediumError } from '../../media/block-device.js'
import { FLOPPY_SECTOR_SIZE, type FloppyGeometry } from '../../media/floppy-geometry.js'
import { bytes, flag, integer, u8, u16 } from '../../state/fields.js'
import type { FloppyDrive } from './floppy-drive.js'

/** Low five bits of the opcode. */
export const READ_TRACK = 0x02
export const WRITE_DATA = 0x05
export const READ_DATA = 0x06
export const WRITE_DELETED = 0x09
export const READ_DELETED = 0x0c
export const FORMAT_TRACK = 0x0d
export const SCAN_EQUAL = 0x11
export const VERIFY = 0x16
export const SCAN_LOW_OR_EQUAL = 0x19
export const SCAN_HIGH_OR_EQUAL = 0x1d

const OPCODE = 0x1f
/** Multi-track, skip. */
const MT = 0x80
const SK = 0x20
/** VERIFY: enable count, in the drive byte. */
const EC = 0x80

export const ST0_ABNORMAL = 0x40
export const ST0_SE = 0x20
export const ST1_EN = 0x80
export const ST1_DE = 0x20
export const ST1_OR = 0x10
export const ST1_ND = 0x04
export const ST1_NW = 0x02
export const ST1_MA = 0x01
export const ST2_CM = 0x40
export const ST2_DD = 0x20
export const ST2_SH = 0x08
export const ST2_SN = 0x04

/** What `step` returns besides a delay in ns. */
export const WAIT_FOR_HOST = -1
export const DONE = -2

/** A sector passes in some 11 ms on a real drive; guests only need that it is not at once. */
const SECTOR_NS = 40_000
const DMA_RETRY_NS = 1_000_000
/** How long an unserved DMA request is held before it is an overrun. */
const DMA_RETRIES = 500

const BEGIN = 0
const SECTOR = 1
const DATA = 2

const STATE: StateTable = {
  ...Object.fromEntries('opcode st0 st1 st2 c h r n command eot stride fill'.split(' ').map((name) => [name, u8])),
  side: integer(0, 1),
  phase: integer(BEGIN, DATA),
  count: integer(0, 256),
  counted: flag,
  passing: integer(0, 256),
  pio: flag,
  retries: u16,
  position: integer(0, FLOPPY_SECTOR_SIZE),
  length: integer(0, FLOPPY_SECTOR_SIZE),
  buffer: bytes(FLOPPY_SECTOR_SIZE),
}

export class FdcTransfer {
  readonly state = STATE
  opcode = 0
  st0 = 0
  st1 = 0
  st2 = 0
  /** The sector ID fields, counting on as the data sheet's result-phase table has it. */
  c = 0
  h = 0
  r = 0
  n = 0
  /** Side of the medium that was last accessed, for ST0. */
  side = 0
  private command = 0
  private phase = BEGIN
  private eot = 0
  /** STP of SCAN. */
  private stride = 1
  private fill = 0
  /** Sectors left for FORMAT TRACK, or for VERIFY with EC. */
  private count = 0
  private counted = false
  /** READ TRACK: the sector that comes by. */
  private passing = 1
  private pio = false
  private retries = 0
  private readonly buffer = new Uint8Array(FLOPPY_SECTOR_SIZE)
  /** Bytes of the buffer that the host has taken or given, and those it is to. */
  private position = 0
  private length = 0
  private readonly compare = new Uint8Array(FLOPPY_SECTOR_SIZE)

  constructor(
    private readonly dma: DmaChannel,
    private readonly warn: Warn,
  ) {}

  /** `parameters`: the command bytes, opcode first. `pio`: the host moves the data through the FIFO. */
  start(parameters: Uint8Array, pio: boolean): void {
    this.command = parameters[0]
    this.opcode = this.command & OPCODE
    this.pio = pio
    this.st0 = this.st1 = this.st2 = 0
    this.phase = BEGIN
    this.retries = this.position = this.length = 0
    this.counted = false
    this.passing = 1
    if (this.opcode === FORMAT_TRACK) {
      this.h = this.side = (parameters[1] >> 2) & 1
      this.n = parameters[2]
      this.count = parameters[3]
      this.fill = parameters[5]
      this.c = this.r = 0
      return
    }
    this.c = parameters[2]
    this.h = parameters[3]
    this.r = parameters[4]
    this.n = parameters[5]
    this.eot = parameters[6]
    this.side = this.h & 1
    this.stride = parameters[8] === 2 ? 2 : 1
    this.counted = this.opcode === VERIFY && (parameters[1] & EC) !== 0
    this.count = parameters[8] || 256
    if (((parameters[1] >> 2) & 1) !== this.h) this.warn('82077 command with H unlike the selected head', this.command)
  }

  get toHost(): boolean {
    return this.opcode === READ_DATA || this.opcode === READ_DELETED || this.opcode === READ_TRACK
  }

  /** One step of the work. Returns the delay in ns to the next, WAIT_FOR_HOST or DONE. */
  step(drive: FloppyDrive | undefined, rate: number, impliedSeek: boolean): number {
    if (!drive?.geometry) return this.fail(ST1_MA, 0)
    if (this.phase === BEGIN) {
      if (!this.begin(drive, rate, impliedSeek)) return DONE
      this.phase = SECTOR
      return SECTOR_NS
    }
    if (this.phase === SECTOR) {
      const delay = this.reachSector(drive)
      if (delay !== 0) return delay
    }
    let terminalCount = false
    if (!this.pio && this.position < this.length) {
      const rest = this.position === 0 && this.length === this.buffer.length ? this.buffer : this.rest()
      const result = this.toHost ? this.dma.write(rest) : this.dma.read(rest)
      this.position += result.transferred
      terminalCount = result.terminalCount
      if (this.position < this.length && !terminalCount) {
        if (++this.retries > DMA_RETRIES) return this.fail(ST1_OR, 0)
        return DMA_RETRY_NS
      }
    }
    this.retries = 0
    if (!this.toHost) {
      this.buffer.fill(0, this.position)
      if (!this.commit(drive)) return DONE
    }
    return this.advance(drive, terminalCount)
  }

  /** Non-DMA mode: the next byte for the host. True when it was the last of the sector. */
  hostRead(): number {
    return this.buffer[this.position++]
  }

  hostWrite(value: number): void {
    this.buffer[this.position++] = value
  }

  get hostDone(): boolean {
    return this.position >= this.length
  }

  private begin(drive: FloppyDrive, rate: number, impliedSeek: boolean): boolean {
    const geometry = drive.geometry
    if (!geometry || !drive.readableAt(rate)) {
      this.fail(ST1_MA, 0)
      return false
    }
    if (this.opcode !== FORMAT_TRACK && this.c !== drive.track) {
      if (impliedSeek) this.st0 |= ST0_SE
      else this.warn('82077 access to a cylinder without a seek; real controllers fail here', this.c)
      drive.stepTo(this.c)
    }
    const writes = this.opcode === WRITE_DATA || this.opcode === WRITE_DELETED || this.opcode === FORMAT_TRACK
    if (drive.track >= geometry.cylinders || this.h >= geometry.heads) this.fail(ST1_MA, 0)
    else if (writes && drive.writeProtected) this.fail(ST1_NW, 0)
    else return true
    return false
  }

  /** Comes to the next sector and fills the buffer where data goes to the host. Returns 0 to go on with the data. */
  private reachSector(drive: FloppyDrive): number {
    this.phase = DATA
    this.position = 0
    this.length = FLOPPY_SECTOR_SIZE
    if (this.opcode === FORMAT_TRACK) {
      if (this.count === 0) return DONE
      this.length = 4
      return this.pio ? WAIT_FOR_HOST : 0
    }
    const geometry = drive.geometry
    const sector = this.opcode === READ_TRACK ? this.passing : this.r
    // A step to the other side or the next cylinder comes here with one that the medium may lack.
    if (!geometry || this.side >= geometry.heads || drive.track >= geometry.cylinders) return this.fail(ST1_MA, 0)
    if (sector < 1 || sector > geometry.sectorsPerTrack || this.n !== 2) return this.fail(ST1_ND, 0)
    drive.sector = sector
    if (this.opcode === READ_TRACK && sector !== this.r) this.st1 |= ST1_ND
    if (this.opcode === READ_DELETED) {
      this.st2 |= ST2_CM
      if (this.command & SK) return this.advance(drive, false)
    }
    if (this.toHost || this.opcode === VERIFY) {
      if (!this.access(drive, sector, false)) return DONE
      if (this.opcode === VERIFY) return this.advance(drive, false)
    }
    return this.pio ? WAIT_FOR_HOST : 0
  }

  /** Data from the host is complete. False when the command has ended. */
  private commit(drive: FloppyDrive): boolean {
    if (this.opcode === FORMAT_TRACK) return this.formatSector(drive)
    if (this.opcode === WRITE_DATA || this.opcode === WRITE_DELETED) return this.access(drive, this.r, true)
    this.compare.set(this.buffer)
    if (!this.access(drive, this.r, false)) return false
    const order = this.scan()
    if (order === 0) this.st2 |= ST2_SH
    return !(
      order === 0 ||
      (order < 0 && this.opcode === SCAN_LOW_OR_EQUAL) ||
      (order > 0 && this.opcode === SCAN_HIGH_OR_EQUAL)
    )
  }

  /** Disk against host: negative, 0 or positive as the disk's data is lower, equal or higher; 0xff matches all. */
  private scan(): number {
    for (let i = 0; i < FLOPPY_SECTOR_SIZE; i++) {
      const disk = this.buffer[i]
      const host = this.compare[i]
      if (disk !== host && disk !== 0xff && host !== 0xff) return disk - host
    }
    return 0
  }

  /** The buffer holds C, H, R, N of a sector to lay down at the heads' place. */
  private formatSector(drive: FloppyDrive): boolean {
    const [c, h, r, n] = this.buffer
    this.c = c
    this.h = h
    this.r = r
    this.n = n
    const geometry = drive.geometry
    if (!geometry) return false
    if (c !== drive.track || h !== this.side || n !== 2 || r < 1 || r > geometry.sectorsPerTrack) {
      this.warn(`82077 formats a sector that the image has no room for (C ${c} H ${h} R ${r} N ${n})`)
      return true
    }
    this.buffer.fill(this.fill)
    return this.access(drive, r, true)
  }

  private access(drive: FloppyDrive, sector: number, write: boolean): boolean {
    try {
      const offset = drive.offset(drive.track, this.side, sector)
      if (write) drive.medium?.write(offset, this.buffer)
      else drive.medium?.read(offset, this.buffer)
      return true
    } catch (error) {
      if (!(error instanceof MediumError)) throw error
      this.warn(`floppy medium failed: ${error.message}`)
      this.fail(ST1_DE, ST2_DD)
      return false
    }
  }

  /** After a sector: on to the next, or the end of the command. */
  private advance(drive: FloppyDrive, terminalCount: boolean): number {
    this.phase = SECTOR
    if (this.opcode === FORMAT_TRACK) {
      this.count--
      return terminalCount || this.count === 0 ? DONE : SECTOR_NS
    }
    if (this.opcode === READ_TRACK) {
      this.r++
      return terminalCount || this.passing++ >= this.eot ? DONE : SECTOR_NS
    }
    if (this.counted && --this.count === 0) terminalCount = true
    const ended = terminalCount || (this.opcode === READ_DELETED && (this.command & SK) === 0)
    const scanning =
      this.opcode === SCAN_EQUAL || this.opcode === SCAN_LOW_OR_EQUAL || this.opcode === SCAN_HIGH_OR_EQUAL
    const more = this.nextId(scanning ? this.stride : 1, drive.geometry)
    if (more && !ended) return this.follow(drive)
    if (scanning) this.st2 |= ST2_SN
    else if (!ended && !this.pio && (this.opcode !== VERIFY || this.counted)) this.fail(ST1_EN, 0)
    return DONE
  }

  /** Counts the sector ID on. False at the end of the cylinder (or of the track, without MT). */
  private nextId(stride: number, geometry: FloppyGeometry | undefined): boolean {
    const last = stride === 1 ? this.r === this.eot : this.r + stride > this.eot
    const beyond = (this.command & MT) !== 0 && geometry !== undefined && this.r + stride > geometry.sectorsPerTrack
    if (!last && !beyond) {
      this.r = (this.r + stride) & 0xff
      return true
    }
    this.r = 1
    if (this.command & MT) {
      this.h ^= 1
      if (this.side === 0) {
        this.side = 1
        return true
      }
    }
    this.c = (this.c + 1) & 0xff
    if (!last) this.side = 0
    return !last
  }

  /** To the cylinder that the ID was counted on to. */
  private follow(drive: FloppyDrive): number {
    if (this.c !== drive.track) {
      this.warn('82077 transfer goes on beyond its cylinder; real controllers fail here', this.c)
      this.st0 |= ST0_SE
      drive.stepTo(this.c)
    }
    return SECTOR_NS
  }

  private rest(): Uint8Array {
    return this.buffer.subarray(this.position, this.length)
  }

  private fail(st1: number, st2: number): number {
    this.st0 |= ST0_ABNORMAL
    this.st1 |= st1
    this.st2 |= st2
    return DONE
  }
}
