/** QEMU's `virtio-scsi-pci`: the SCSI host device of Virtual I/O Device 1.2, 5.6, with the disks of its bus (`scsi-hd`). */
import type { Timer } from '../../clock.js'
import type { StateTable } from '../../device.js'
import { integer, timer } from '../../state/fields.js'
import { parts } from '../../state/state-table.js'
import { DeviceError } from '../device-type.js'
import { bytesOf, gather, scatter } from '../segments.js'
import { GOOD, MOST_BLOCKS, type ScsiBus, type ScsiDisk } from '../storage/scsi-disk.js'
import { DiskRequests, serveQueue } from './serve-queue.js'
import type { VirtioDevice, VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'
import type { Chain } from './virtqueue.js'

// Queues
const CONTROL = 0
const REQUEST = 2

// Configuration
const CONFIGURATION = 36
const SENSE_SIZE_AT = 20
const CDB_SIZE_AT = 24
const SENSE_SIZE = 96
const CDB_SIZE = 32
/** A driver may set both; no command and no sense is longer. */
const LARGEST_SIZE = 252
const MOST_SEGMENTS = 254
const MOST_TARGET = 255
const MOST_LUN = 16383

/** LUN, tag, attribute, priority, CRN; the command block follows. */
const REQUEST_HEADER = 19
/** Length of sense, residual, status qualifier, status, response; sense follows. */
const RESPONSE_HEADER = 12

// Responses
const S_OK = 0
const S_BAD_TARGET = 3
const S_FUNCTION_REJECTED = 11
const S_INCORRECT_LUN = 12

// Task management
const T_TMF = 0
const T_AN_QUERY = 1
const T_AN_SUBSCRIBE = 2
const TMF_NEXUS_RESET = 4
const TMF_LOGICAL_UNIT_RESET = 5
const TMF_LAST = 7

const REPORT_LUNS = 0xa0
const INQUIRY = 0x12
const REQUESTS_AT_ONCE = 32
const REQUEST_NS = 12e3

const STATE: StateTable = {
  senseSize: integer(0, LARGEST_SIZE),
  cdbSize: integer(1, LARGEST_SIZE),
  disks: parts,
  busy: timer,
}

export class VirtioScsi implements VirtioDevice {
  readonly state = STATE
  readonly features: number[] = []
  readonly configurationSize = CONFIGURATION
  private senseSize = SENSE_SIZE
  private cdbSize = CDB_SIZE
  private readonly requests: DiskRequests

  constructor(
    private readonly host: VirtioHost,
    private readonly bus: ScsiBus,
  ) {
    this.requests = new DiskRequests(host, REQUEST, REQUEST_NS, (chain) => this.request(chain))
  }

  /** By their places, for the state. */
  get disks(): { [place: string]: ScsiDisk } {
    return Object.fromEntries(this.bus.units.map(({ target, lun, disk }) => [`${target}:${lun}`, disk]))
  }

  get busy(): Timer {
    return this.requests.busy
  }

  reset(): void {
    this.senseSize = SENSE_SIZE
    this.cdbSize = CDB_SIZE
    this.busy.cancel()
    for (const { disk } of this.bus.units) disk.reset()
  }

  readConfiguration(offset: number): number {
    const view = new DataView(new ArrayBuffer(CONFIGURATION))
    view.setUint32(0, 1, true)
    view.setUint32(4, MOST_SEGMENTS, true)
    view.setUint32(8, MOST_BLOCKS, true)
    view.setUint32(12, REQUESTS_AT_ONCE, true)
    // Nothing is told on the event queue.
    view.setUint32(16, 16, true)
    view.setUint32(SENSE_SIZE_AT, this.senseSize, true)
    view.setUint32(CDB_SIZE_AT, this.cdbSize, true)
    view.setUint16(30, MOST_TARGET, true)
    view.setUint32(32, MOST_LUN, true)
    return view.getUint8(offset)
  }

  /** Both sizes fit into their first byte. */
  writeConfiguration(offset: number, value: number): void {
    if (offset === SENSE_SIZE_AT) this.senseSize = Math.min(value, LARGEST_SIZE)
    else if (offset === CDB_SIZE_AT) this.cdbSize = Math.min(Math.max(value, 1), LARGEST_SIZE)
  }

  serve(queue: number): boolean {
    // Buffers on the event queue stay where they are.
    if (queue === CONTROL) return serveQueue(this.host, CONTROL, REQUESTS_AT_ONCE, (chain) => this.control(chain))
    if (queue === REQUEST) this.requests.serve()
    return false
  }

  private request(chain: Chain): { written: number; moved: number } {
    const { memory } = this.host
    const { readable, writable } = chain
    const request = new Uint8Array(REQUEST_HEADER + this.cdbSize)
    const before = RESPONSE_HEADER + this.senseSize
    const room = bytesOf(writable)
    if (gather(memory, readable, request) < request.length || room < before) return { written: 0, moved: 0 }
    const cdb = new Uint8Array(Math.max(this.cdbSize, CDB_SIZE))
    cdb.set(request.subarray(REQUEST_HEADER))
    const place = placeOf(request)
    const response = new Uint8Array(before)
    const view = new DataView(response.buffer)
    let [sent, moved] = [0, 0]
    if (place === undefined || !this.bus.units.some(({ target }) => target === place.target))
      response[11] = S_BAD_TARGET
    else {
      const out = (bytes: number) => {
        const data = new Uint8Array(Math.max(0, Math.min(bytes, bytesOf(readable) - request.length)))
        gather(memory, readable, data, request.length)
        return data
      }
      const reply = this.reply(place, cdb, out)
      sent = Math.min(reply.data.length, room - before)
      moved = reply.moved
      scatter(memory, writable, reply.data.subarray(0, sent), before)
      const sense = reply.sense.subarray(0, this.senseSize)
      view.setUint32(0, sense.length, true)
      view.setUint32(4, room - before - sent, true)
      response[10] = reply.status
      response.set(sense, RESPONSE_HEADER)
    }
    scatter(memory, writable, response)
    return { written: before + sent, moved }
  }

  private reply(
    { target, lun }: Place,
    cdb: Uint8Array,
    out: (bytes: number) => Uint8Array,
  ): ReturnType<ScsiDisk['execute']> {
    if (cdb[0] === REPORT_LUNS) return good(this.luns(target, new DataView(cdb.buffer).getUint32(6)))
    const unit = this.bus.units.find((one) => one.target === target && one.lun === lun)
    if (unit) return unit.disk.execute(cdb, out)
    // A unit that is not there (SPC-4, 6.4.2): its target answers that.
    if (cdb[0] === INQUIRY) return good(Uint8Array.of(0x7f, 0, 5, 2, 31, ...Array(31).fill(0)))
    return { status: 0x02, data: new Uint8Array(), sense: NO_UNIT, moved: 0 }
  }

  private luns(target: number, room: number): Uint8Array {
    const numbers = this.bus.units.filter((unit) => unit.target === target).map(({ lun }) => lun)
    // The unit 0 is always told.
    const all = [...new Set([0, ...numbers])].sort((a, b) => a - b)
    const data = new Uint8Array(8 + 8 * all.length)
    new DataView(data.buffer).setUint32(0, 8 * all.length)
    for (const [i, lun] of all.entries()) data[8 + 8 * i + 1] = lun
    return data.subarray(0, room)
  }

  private control({ readable, writable }: Chain): number {
    const { memory } = this.host
    const message = new Uint8Array(24)
    const length = gather(memory, readable, message)
    return scatter(memory, writable, this.manage(new DataView(message.buffer), length))
  }

  private manage(message: DataView, length: number): Uint8Array {
    const type = message.getUint32(0, true)
    // Asynchronous notifications: none happen.
    if (type === T_AN_QUERY || type === T_AN_SUBSCRIBE) return Uint8Array.of(0, 0, 0, 0, S_OK)
    const [subtype, place] = [message.getUint32(4, true), placeOf(new Uint8Array(message.buffer, 8, 8))]
    if (type !== T_TMF || length < 24 || subtype > TMF_LAST) return Uint8Array.of(S_FUNCTION_REJECTED)
    const units = this.bus.units.filter(({ target }) => target === place?.target)
    if (units.length === 0) return Uint8Array.of(S_BAD_TARGET)
    if (subtype === TMF_NEXUS_RESET) for (const { disk } of units) disk.reset()
    else {
      const unit = units.find(({ lun }) => lun === place?.lun)
      if (!unit) return Uint8Array.of(S_INCORRECT_LUN)
      if (subtype === TMF_LOGICAL_UNIT_RESET) unit.disk.reset()
    }
    // A command has ended as soon as it has begun: there is none to be aborted or found.
    return Uint8Array.of(S_OK)
  }
}

interface Place {
  target: number
  lun: number
}

/** LOGICAL UNIT NOT SUPPORTED. */
const NO_UNIT = Uint8Array.of(0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0)

const good = (data: Uint8Array) => ({ status: GOOD, data, sense: new Uint8Array(), moved: 0 })

/** Of the first bytes: 1, the target, and a LUN of one level (5.6.6.1), or the well-known one of REPORT LUNS. */
function placeOf(bytes: Uint8Array): Place | undefined {
  const [kind, target, high, low] = bytes
  if (kind === 0xc1) return { target: 0, lun: 0 }
  return kind === 1 ? { target, lun: ((high & 0x3f) << 8) | low } : undefined
}

export const virtioScsi = virtioPciType({
  ...{ type: 'virtio-scsi-pci', title: 'virtio SCSI host adapter, for scsi-hd', category: 'Storage' },
  ...{ id: 8, transitionalId: 0x1004, classCode: 0x010000, queues: [256, 256, 256] },
  options: () => ({}),
  create(host, _, slot) {
    const bus = slot.bus<ScsiBus>('scsi')
    if (bus.adapter !== undefined)
      throw new DeviceError(`the device ${slot.name}: ${bus.adapter} has the SCSI bus already; leave one out`)
    bus.adapter = slot.name
    return new VirtioScsi(host, bus)
  },
})
