/** QEMU's `virtio-blk-pci`: the block device of Virtual I/O Device 1.2, 5.2, over a medium. */

import type { Timer } from '../../clock.js'
import type { StateTable } from '../../device.js'
import { type BlockDevice, MediumError } from '../../media/block-device.js'
import { count, same, timer } from '../../state/fields.js'
import { textOption } from '../device-option.js'
import { bytesOf, gather, scatter } from '../segments.js'
import { diskNamed } from '../storage/disk-named.js'
import { DiskRequests } from './serve-queue.js'
import type { VirtioDevice, VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'
import type { Chain } from './virtqueue.js'

const QUEUE = 0
const SECTOR = 512
/** Type, priority, sector. */
const HEADER = 16

// Features
const SEG_MAX = 2
const GEOMETRY = 4
const RO = 5
const BLK_SIZE = 6
const FLUSH = 9
const DISCARD = 13
const WRITE_ZEROES = 14

// Requests
const T_IN = 0
const T_OUT = 1
const T_FLUSH = 4
const T_GET_ID = 8
const T_DISCARD = 11
const T_WRITE_ZEROES = 13
const S_OK = 0
const S_IOERR = 1
const S_UNSUPP = 2

const ID_LENGTH = 20
/** Sector, count, flags. */
const RANGE = 16
const CONFIGURATION = 60
const MOST_SEGMENTS = 254
/** Of one request; longer ones fail. */
const MOST_BYTES = 16 << 20
const MOST_SECTORS = MOST_BYTES / SECTOR
const MOST_DISCARDED = 1 << 22
const REQUEST_NS = 10e3

const STATE: StateTable = {
  size: same(count, () => 'a disk of the snapshot has another size than here; give it the same image'),
  busy: timer,
}

export class VirtioBlk implements VirtioDevice {
  readonly state = STATE
  readonly features: number[]
  readonly configurationSize = CONFIGURATION
  private readonly configuration = new Uint8Array(CONFIGURATION)
  /** A request's data on its way; as large as the largest so far. */
  private data = new Uint8Array(0)
  private readonly requests: DiskRequests

  constructor(
    private readonly host: VirtioHost,
    private readonly medium: BlockDevice,
    private readonly serial: string,
  ) {
    this.requests = new DiskRequests(host, QUEUE, REQUEST_NS, (chain) => this.request(chain))
    this.features = [SEG_MAX, GEOMETRY, BLK_SIZE, FLUSH, DISCARD, WRITE_ZEROES, ...(medium.readOnly ? [RO] : [])]
    const view = new DataView(this.configuration.buffer)
    const sectors = this.sectors
    view.setBigUint64(0, BigInt(sectors), true)
    view.setUint32(12, MOST_SEGMENTS, true)
    view.setUint16(16, Math.min(Math.floor(sectors / (16 * 63)), 0xffff), true)
    this.configuration.set([16, 63], 18)
    view.setUint32(20, SECTOR, true)
    view.setUint32(36, MOST_DISCARDED, true)
    view.setUint32(40, 1, true)
    view.setUint32(44, 1, true)
    view.setUint32(48, MOST_SECTORS, true)
    view.setUint32(52, 1, true)
  }

  /** For the state. */
  get size(): number {
    return this.medium.size
  }

  get busy(): Timer {
    return this.requests.busy
  }

  private get sectors(): number {
    return Math.floor(this.medium.size / SECTOR)
  }

  reset(): void {
    this.busy.cancel()
  }

  readConfiguration(offset: number): number {
    return this.configuration[offset]
  }

  serve(): boolean {
    this.requests.serve()
    return false
  }

  private request(chain: Chain): { written: number; moved: number } {
    const { memory } = this.host
    const { readable, writable } = chain
    const header = new Uint8Array(HEADER)
    const room = bytesOf(writable)
    if (gather(memory, readable, header) < HEADER || room === 0) return { written: 0, moved: 0 }
    const view = new DataView(header.buffer)
    const sector = Number(view.getBigUint64(8, true))
    let bytes = 0
    let status = S_OK
    let written = 0
    try {
      switch (view.getUint32(0, true)) {
        case T_IN:
          bytes = room - 1
          written = bytes
          this.check(sector, bytes)
          this.read(chain, sector, bytes)
          break
        case T_OUT:
          bytes = bytesOf(readable) - HEADER
          this.check(sector, bytes)
          this.write(chain, sector, bytes)
          break
        case T_FLUSH:
          this.medium.flush()
          break
        case T_GET_ID:
          written = scatter(memory, writable, this.identification.subarray(0, Math.min(ID_LENGTH, room - 1)))
          break
        case T_DISCARD:
        case T_WRITE_ZEROES:
          bytes = this.ranges(chain, view.getUint32(0, true) === T_DISCARD)
          break
        default:
          status = S_UNSUPP
      }
    } catch (error) {
      if (!(error instanceof MediumError)) throw error
      status = S_IOERR
    }
    scatter(memory, writable, Uint8Array.of(status), room - 1)
    return { written: written + 1, moved: status === S_OK ? bytes : 0 }
  }

  private get identification(): Uint8Array {
    const bytes = new Uint8Array(ID_LENGTH)
    bytes.set(Buffer.from(this.serial, 'latin1').subarray(0, ID_LENGTH))
    return bytes
  }

  private check(sector: number, bytes: number, most = MOST_BYTES): void {
    const isWithin = sector + bytes / SECTOR <= this.sectors
    if (!isWithin || bytes % SECTOR !== 0 || bytes > most) throw new MediumError('a request goes past the medium’s end')
  }

  private read({ writable }: Chain, sector: number, bytes: number): void {
    const buffer = this.room(bytes)
    this.medium.read(sector * SECTOR, buffer)
    scatter(this.host.memory, writable, buffer)
  }

  private write({ readable }: Chain, sector: number, bytes: number): void {
    if (this.medium.readOnly) throw new MediumError('the medium is read-only')
    const buffer = this.room(bytes)
    gather(this.host.memory, readable, buffer, HEADER)
    this.medium.write(sector * SECTOR, buffer)
  }

  private room(bytes: number): Uint8Array {
    if (this.data.length < bytes) this.data = new Uint8Array(bytes)
    return this.data.subarray(0, bytes)
  }

  private ranges({ readable }: Chain, isDiscard: boolean): number {
    if (this.medium.readOnly) throw new MediumError('the medium is read-only')
    const range = new Uint8Array(RANGE)
    if (gather(this.host.memory, readable, range, HEADER) < RANGE) throw new MediumError('a request has no range')
    const view = new DataView(range.buffer)
    const sector = Number(view.getBigUint64(0, true))
    const bytes = view.getUint32(8, true) * SECTOR
    this.check(sector, bytes, isDiscard ? MOST_DISCARDED * SECTOR : MOST_BYTES)
    if (isDiscard) this.medium.discard(sector * SECTOR, bytes)
    else this.medium.write(sector * SECTOR, new Uint8Array(bytes))
    return isDiscard ? 0 : bytes
  }
}

export const virtioBlk = virtioPciType({
  ...{ type: 'virtio-blk-pci', title: 'virtio disk', category: 'Storage' },
  ...{ id: 2, transitionalId: 0x1001, classCode: 0x010000, queues: [256] },
  options: () => ({
    drive: textOption(64).describe('the disk in it: disk0 is the first one of --disk'),
    serial: textOption(ID_LENGTH).default('').describe('serial number'),
  }),
  create: (host, { drive, serial }, slot) => new VirtioBlk(host, diskNamed(slot, drive), serial),
})
