/**
 * QEMU's `scsi-hd`: a SCSI disk of 512-byte blocks. SCSI Primary Commands 4 (T10 1731-D) and SCSI Block Commands 3
 * (T10 1799-D), as far as drivers of the last twenty years ask for them. A command is carried out at once: what it takes of
 * guest time is its host adapter's matter.
 */

import type { Stateful, StateTable } from '../../device.js'
import { type BlockDevice, MediumError } from '../../media/block-device.js'
import { count, flag, same } from '../../state/fields.js'
import { integerOption, textOption } from '../device-option.js'
import { DeviceError, deviceType } from '../device-type.js'
import { diskNamed, serialOf } from './disk-named.js'

// Operation codes
const TEST_UNIT_READY = 0x00
const REQUEST_SENSE = 0x03
const READ_6 = 0x08
const WRITE_6 = 0x0a
const INQUIRY = 0x12
const RESERVE_6 = 0x16
const RELEASE_6 = 0x17
const MODE_SENSE_6 = 0x1a
const START_STOP_UNIT = 0x1b
const PREVENT_ALLOW = 0x1e
const READ_CAPACITY_10 = 0x25
const READ_10 = 0x28
const WRITE_10 = 0x2a
const WRITE_AND_VERIFY_10 = 0x2e
const VERIFY_10 = 0x2f
const SYNCHRONIZE_CACHE_10 = 0x35
const WRITE_SAME_10 = 0x41
const UNMAP = 0x42
const MODE_SENSE_10 = 0x5a
const READ_16 = 0x88
const WRITE_16 = 0x8a
const WRITE_AND_VERIFY_16 = 0x8e
const VERIFY_16 = 0x8f
const SYNCHRONIZE_CACHE_16 = 0x91
const WRITE_SAME_16 = 0x93
const SERVICE_ACTION_IN_16 = 0x9e
const READ_12 = 0xa8
const WRITE_12 = 0xaa
const READ_CAPACITY_16 = 0x10

export const GOOD = 0x00
const CHECK_CONDITION = 0x02

// Sense keys, and additional sense codes with their qualifiers
const NO_SENSE = 0
const MEDIUM_FAILED = 3
const ILLEGAL_REQUEST = 5
const UNIT_ATTENTION = 6
const DATA_PROTECT = 7
const INVALID_OPCODE = 0x2000
const LBA_OUT_OF_RANGE = 0x2100
const INVALID_FIELD = 0x2400
const WRITE_PROTECTED = 0x2700
const RESET_OCCURRED = 0x2900
const SAVING_NOT_SUPPORTED = 0x3900
const WRITE_FAULT = 0x0300
const UNRECOVERED_READ = 0x1100
const LIST_TOO_SHORT = 0x1a00

const BLOCK = 512
/** Blocks of one command: the longest transfer that the page of limits tells. */
export const MOST_BLOCKS = (16 << 20) / BLOCK
/** Of one range that is unmapped. */
const MOST_UNMAPPED = 1 << 22
const MOST_RANGES = 256
const DESCRIPTOR = 16

const SENSE_LENGTH = 18
const MODE_CACHING = 0x08
const MODE_ALL = 0x3f
const NOTHING = new Uint8Array()

export interface ScsiReply {
  status: number
  /** For the initiator; as much as it has room for. */
  data: Uint8Array
  /** Fixed format (SPC-4, 4.5.3). Empty where the status is good. */
  sense: Uint8Array
  /** Of the medium, for the adapter's reckoning of time. */
  moved: number
}

/** What disks are plugged into. */
export interface ScsiBus {
  /** The host adapter's name; undefined where there is none yet. */
  adapter?: string
  readonly units: { target: number; lun: number; disk: ScsiDisk }[]
}

/** Ends a command with CHECK CONDITION. */
class SenseError extends Error {
  constructor(
    readonly key: number,
    readonly code: number,
  ) {
    super(`sense key ${key}, code ${code}`)
  }
}

const STATE: StateTable = {
  attention: flag,
  size: same(count, () => 'a disk of the snapshot has another size than here; give it the same image'),
}

export class ScsiDisk implements Stateful {
  readonly state = STATE
  /** It was reset, and its initiator has not been told. */
  private attention = true

  constructor(
    private readonly medium: BlockDevice,
    private readonly serial: string,
  ) {}

  /** For the state. */
  get size(): number {
    return this.medium.size
  }

  private get blocks(): number {
    return Math.floor(this.medium.size / BLOCK)
  }

  reset(): void {
    this.attention = true
  }

  /** @param out What the initiator sends with it: `bytes` from the first on, or as many as there are. */
  execute(cdb: Uint8Array, out: (bytes: number) => Uint8Array): ScsiReply {
    try {
      const isAsked = [INQUIRY, REQUEST_SENSE].includes(cdb[0])
      if (this.attention && !isAsked) {
        this.attention = false
        throw new SenseError(UNIT_ATTENTION, RESET_OCCURRED)
      }
      return { status: GOOD, sense: NOTHING, data: NOTHING, moved: 0, ...this.carryOut(cdb, out) }
    } catch (error) {
      if (!(error instanceof SenseError)) throw error
      return { status: CHECK_CONDITION, sense: senseData(error.key, error.code), data: NOTHING, moved: 0 }
    }
  }

  private carryOut(cdb: Uint8Array, out: (bytes: number) => Uint8Array): Partial<ScsiReply> {
    const view = new DataView(cdb.buffer, cdb.byteOffset, cdb.length)
    switch (cdb[0]) {
      case TEST_UNIT_READY:
      case RESERVE_6:
      case RELEASE_6:
      case START_STOP_UNIT:
      case PREVENT_ALLOW:
        return {}
      case REQUEST_SENSE:
        return { data: this.pendingSense().subarray(0, cdb[4]) }
      case INQUIRY:
        return { data: this.inquiry(cdb).subarray(0, view.getUint16(3)) }
      case MODE_SENSE_6:
        return { data: this.modeSense(cdb, 4).subarray(0, cdb[4]) }
      case MODE_SENSE_10:
        return { data: this.modeSense(cdb, 8).subarray(0, view.getUint16(7)) }
      case READ_CAPACITY_10:
        return { data: this.capacity10() }
      case SERVICE_ACTION_IN_16:
        if ((cdb[1] & 0x1f) !== READ_CAPACITY_16) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
        return { data: this.capacity16().subarray(0, view.getUint32(10)) }
      case READ_6:
        return this.read(view.getUint32(0) & 0x1fffff, cdb[4] || 256)
      case READ_10:
        return this.read(view.getUint32(2), view.getUint16(7))
      case READ_12:
        return this.read(view.getUint32(2), view.getUint32(6))
      case READ_16:
        return this.read(lba64(view, 2), view.getUint32(10))
      case WRITE_6:
        return this.write(view.getUint32(0) & 0x1fffff, cdb[4] || 256, out)
      case WRITE_10:
      case WRITE_AND_VERIFY_10:
        return this.write(view.getUint32(2), view.getUint16(7), out, forcesUnitAccess(cdb))
      case WRITE_12:
        return this.write(view.getUint32(2), view.getUint32(6), out, forcesUnitAccess(cdb))
      case WRITE_16:
      case WRITE_AND_VERIFY_16:
        return this.write(lba64(view, 2), view.getUint32(10), out, forcesUnitAccess(cdb))
      case VERIFY_10:
        return this.verify(cdb, view.getUint32(2), view.getUint16(7))
      case VERIFY_16:
        return this.verify(cdb, lba64(view, 2), view.getUint32(10))
      case SYNCHRONIZE_CACHE_10:
      case SYNCHRONIZE_CACHE_16:
        this.onMedium(WRITE_FAULT, () => this.medium.flush())
        return {}
      case WRITE_SAME_10:
        return this.writeSame(cdb, view.getUint32(2), view.getUint16(7), out)
      case WRITE_SAME_16:
        return this.writeSame(cdb, lba64(view, 2), view.getUint32(10), out)
      case UNMAP:
        return this.unmap(out(view.getUint16(7)))
      default:
        throw new SenseError(ILLEGAL_REQUEST, INVALID_OPCODE)
    }
  }

  private pendingSense(): Uint8Array {
    const sense = this.attention ? senseData(UNIT_ATTENTION, RESET_OCCURRED) : senseData(NO_SENSE, 0)
    this.attention = false
    return sense
  }

  // ---- what it is ---------------------------------------------------------------------------------------------------

  private inquiry(cdb: Uint8Array): Uint8Array {
    if (cdb[1] & 1) return this.productData(cdb[2])
    if (cdb[2] !== 0) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    const data = new Uint8Array(36)
    // Direct access, not removable, SPC-3, answers of format 2; tagged commands.
    data.set([0, 0, 5, 2, data.length - 5, 0, 0, 0x02])
    put(data, 8, 'BOOTWRGT'.padEnd(8))
    put(data, 16, 'BOOTWRIGHT DISK'.padEnd(16))
    put(data, 32, '1.0 ')
    return data
  }

  /** Vital product data (SPC-4, 7.8; SBC-3, 6.5). */
  private productData(page: number): Uint8Array {
    const content = this.productPage(page)
    const data = new Uint8Array(4 + content.length)
    data.set([0, page, content.length >> 8, content.length])
    data.set(content, 4)
    return data
  }

  private productPage(page: number): Uint8Array {
    switch (page) {
      case 0x00:
        return Uint8Array.of(0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2)
      case 0x80:
        return Buffer.from(this.serial, 'latin1')
      case 0x83: {
        // One designator: ASCII, by the vendor, of the unit.
        const name = Buffer.from(`BOOTWRGT${this.serial}`, 'latin1')
        return Uint8Array.of(2, 1, 0, name.length, ...name)
      }
      case 0xb0: {
        const limits = new Uint8Array(60)
        const view = new DataView(limits.buffer)
        view.setUint32(4, MOST_BLOCKS)
        view.setUint32(16, MOST_UNMAPPED)
        view.setUint32(20, MOST_RANGES)
        view.setUint32(24, 1)
        view.setUint32(36, MOST_BLOCKS)
        return limits
      }
      case 0xb1: {
        const characteristics = new Uint8Array(60)
        // It does not rotate.
        characteristics[1] = 1
        return characteristics
      }
      case 0xb2:
        // UNMAP, and WRITE SAME (16) and (10) that unmap; thin.
        return Uint8Array.of(0, 0xe0, 2, 0)
      default:
        throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    }
  }

  /** A header, a block descriptor, and the page of the cache (SBC-3, 6.4.5): it has one, that writes back. */
  private modeSense(cdb: Uint8Array, header: 4 | 8): Uint8Array {
    const [control, page] = [cdb[2] >> 6, cdb[2] & 0x3f]
    if (control === 3) throw new SenseError(ILLEGAL_REQUEST, SAVING_NOT_SUPPORTED)
    if (page !== MODE_CACHING && page !== MODE_ALL) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    const descriptor = cdb[1] & 0x08 ? 0 : 8
    const data = new Uint8Array(header + descriptor + 20)
    const view = new DataView(data.buffer)
    // Write-protected, and that FUA is taken.
    const flags = (this.medium.readOnly ? 0x80 : 0) | 0x10
    if (header === 4) data.set([data.length - 1, 0, flags, descriptor])
    else data.set([0, data.length - 2, 0, flags, 0, 0, 0, descriptor])
    if (descriptor) {
      view.setUint32(header, Math.min(this.blocks, 0xffffff))
      view.setUint32(header + 4, BLOCK)
    }
    data.set([MODE_CACHING, 18], header + descriptor)
    // What can be changed: nothing.
    if (control !== 1) data[header + descriptor + 2] = 0x04
    return data
  }

  private capacity10(): Uint8Array {
    const data = new DataView(new ArrayBuffer(8))
    data.setUint32(0, Math.min(this.blocks - 1, 0xffff_ffff))
    data.setUint32(4, BLOCK)
    return new Uint8Array(data.buffer)
  }

  private capacity16(): Uint8Array {
    const data = new DataView(new ArrayBuffer(32))
    data.setBigUint64(0, BigInt(this.blocks - 1))
    data.setUint32(8, BLOCK)
    // Blocks can be unmapped.
    data.setUint8(14, 0x80)
    return new Uint8Array(data.buffer)
  }

  // ---- the medium ---------------------------------------------------------------------------------------------------

  private within(lba: number, blocks: number, most = MOST_BLOCKS): void {
    if (!(lba + blocks <= this.blocks)) throw new SenseError(ILLEGAL_REQUEST, LBA_OUT_OF_RANGE)
    if (blocks > most) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
  }

  private writable(): void {
    if (this.medium.readOnly) throw new SenseError(DATA_PROTECT, WRITE_PROTECTED)
  }

  private onMedium(code: number, action: () => void): void {
    try {
      action()
    } catch (error) {
      throw error instanceof MediumError ? new SenseError(MEDIUM_FAILED, code) : error
    }
  }

  private read(lba: number, blocks: number): Partial<ScsiReply> {
    this.within(lba, blocks)
    const data = new Uint8Array(blocks * BLOCK)
    this.onMedium(UNRECOVERED_READ, () => this.medium.read(lba * BLOCK, data))
    return { data, moved: data.length }
  }

  private write(lba: number, blocks: number, out: (bytes: number) => Uint8Array, through = false): Partial<ScsiReply> {
    this.writable()
    this.within(lba, blocks)
    const data = out(blocks * BLOCK)
    if (data.length < blocks * BLOCK) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    this.onMedium(WRITE_FAULT, () => {
      this.medium.write(lba * BLOCK, data)
      if (through) this.medium.flush()
    })
    return { moved: data.length }
  }

  /** That the medium can be read; comparing is not asked for by anyone. */
  private verify(cdb: Uint8Array, lba: number, blocks: number): Partial<ScsiReply> {
    if (cdb[1] & 0x06) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    const { moved } = this.read(lba, blocks)
    return { moved }
  }

  private writeSame(
    cdb: Uint8Array,
    lba: number,
    wanted: number,
    out: (bytes: number) => Uint8Array,
  ): Partial<ScsiReply> {
    this.writable()
    const [isUnmap, hasNoData] = [(cdb[1] & 0x08) !== 0, cdb[0] === WRITE_SAME_16 && (cdb[1] & 0x01) !== 0]
    // 0 is all that follow.
    const blocks = wanted || this.blocks - lba
    this.within(lba, blocks, isUnmap ? MOST_UNMAPPED : MOST_BLOCKS)
    const block = hasNoData ? new Uint8Array(BLOCK) : out(BLOCK)
    if (block.length < BLOCK) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    const isZero = block.every((byte) => byte === 0)
    // What is unmapped need not read as zeros, and what is asked for here has to.
    if (blocks > MOST_BLOCKS || (isUnmap && !isZero)) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    const data = new Uint8Array(blocks * BLOCK)
    if (!isZero) for (let i = 0; i < blocks; i++) data.set(block, i * BLOCK)
    this.onMedium(WRITE_FAULT, () => this.medium.write(lba * BLOCK, data))
    return { moved: data.length }
  }

  private unmap(list: Uint8Array): Partial<ScsiReply> {
    this.writable()
    if (list.length === 0) return {}
    if (list.length < 8) throw new SenseError(ILLEGAL_REQUEST, LIST_TOO_SHORT)
    const view = new DataView(list.buffer, list.byteOffset, list.length)
    const ranges = Math.floor(Math.min(view.getUint16(2), list.length - 8) / DESCRIPTOR)
    if (ranges > MOST_RANGES) throw new SenseError(ILLEGAL_REQUEST, INVALID_FIELD)
    for (let at = 8; at < 8 + ranges * DESCRIPTOR; at += DESCRIPTOR) {
      const [lba, blocks] = [lba64(view, at), view.getUint32(at + 8)]
      this.within(lba, blocks, MOST_UNMAPPED)
      this.onMedium(WRITE_FAULT, () => this.medium.discard(lba * BLOCK, blocks * BLOCK))
    }
    return {}
  }
}

function senseData(key: number, code: number): Uint8Array {
  const sense = new Uint8Array(SENSE_LENGTH)
  sense.set([0x70, 0, key, 0, 0, 0, 0, SENSE_LENGTH - 8])
  sense.set([code >> 8, code & 0xff], 12)
  return sense
}

function forcesUnitAccess(cdb: Uint8Array): boolean {
  return (cdb[1] & 0x08) !== 0
}

/** Beyond what numbers hold exactly, it is beyond every disk as well. */
function lba64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at))
}

function put(data: Uint8Array, at: number, text: string): void {
  data.set(Buffer.from(text, 'latin1'), at)
}

export const scsiHd = deviceType({
  type: 'scsi-hd',
  title: 'SCSI disk, on virtio-scsi-pci',
  category: 'Storage',
  bus: 'scsi',
  options: () => ({
    drive: textOption(64).describe('the disk in it: disk0 is the first one'),
    'scsi-id': integerOption(0, 255).optional().describe('its target, 0 to 255 (default: the next that is free)'),
    lun: integerOption(0, 255).default(0).describe('its logical unit, 0 to 255'),
    serial: textOption(20).optional().describe('serial number'),
  }),
  create(slot, { drive, 'scsi-id': id, lun, serial }) {
    const { units } = slot.bus<ScsiBus>('scsi')
    const isTaken = (n: number) => units.some(({ target, lun: other }) => target === n && other === lun)
    let target = id ?? 0
    while (id === undefined && isTaken(target)) target++
    if (isTaken(target))
      throw new DeviceError(`the device ${slot.name}: there is a disk at scsi-id ${target}, lun ${lun} already`)
    units.push({ target, lun, disk: new ScsiDisk(diskNamed(slot, drive), serial ?? serialOf(drive)) })
    return undefined
  },
})
