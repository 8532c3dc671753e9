/**
 * QEMU's `nvme`: a controller with one namespace of 512-byte blocks, a disk. NVM Express 1.4. Commands are carried out in the
 * order in which their queues are looked at, one queue after the other; how long that takes is told to the clock.
 * The file is longer than others, because it has the registers and both command sets, whose commands are a few lines each.
 */

import type { PciFunction } from '../../bus/pci-function.js'
import type { Timer } from '../../clock.js'
import type { AccessSize, Device, StateTable } from '../../device.js'
import { type BlockDevice, MediumError } from '../../media/block-device.js'
import { count, list, same, starts, timer, u16, u32 } from '../../state/fields.js'
import { part, resetState } from '../../state/state-table.js'
import { BusMaster } from '../bus-master.js'
import { textOption } from '../device-option.js'
import { deviceType, type Slot } from '../device-type.js'
import { gather, scatter } from '../segments.js'
import { diskNamed, serialOf } from './disk-named.js'
import {
  BLOCK_BITS,
  firmwareLog,
  healthLog,
  identifyController,
  identifyNamespace,
  namespaceDescriptors,
  PAGE,
  VERSION,
} from './nvme-identify.js'
import {
  addressAt,
  CompletionQueue,
  dataPages,
  INVALID_FIELD,
  MOST_ENTRIES,
  NvmeError,
  SubmissionQueue,
} from './nvme-queues.js'

// Registers
const CAP_LOW = 0x00
const CAP_HIGH = 0x04
const VS = 0x08
const INTMS = 0x0c
const INTMC = 0x10
const CC = 0x14
const CSTS = 0x1c
const AQA = 0x24
const ASQ = 0x28
const ACQ = 0x30
const DOORBELLS = 0x1000
const WINDOW = 0x2000

/** Queues are contiguous; ready within 7.5 s; the NVM command set. */
const CAPABILITIES_LOW = (MOST_ENTRIES - 1) | (1 << 16) | (15 << 24)
const CAPABILITIES_HIGH = 1 << 5
const CC_ENABLE = 1
/** Page size, command set and arbitration that are not to be had. */
const CC_UNSUPPORTED = 0x3ff0
const CC_SHUTDOWN = 0xc000
const CSTS_READY = 1
const CSTS_FATAL = 2
const CSTS_SHUT_DOWN = 8

// Admin commands
const DELETE_SUBMISSION_QUEUE = 0x00
const CREATE_SUBMISSION_QUEUE = 0x01
const GET_LOG_PAGE = 0x02
const DELETE_COMPLETION_QUEUE = 0x04
const CREATE_COMPLETION_QUEUE = 0x05
const IDENTIFY = 0x06
const ABORT = 0x08
const SET_FEATURES = 0x09
const GET_FEATURES = 0x0a
const ASYNC_EVENT = 0x0c

// Commands of the NVM set
const FLUSH = 0x00
const WRITE = 0x01
const READ = 0x02
const WRITE_ZEROES = 0x08
const DATASET_MANAGEMENT = 0x09

// Features
const FEATURES = 12
const WRITE_CACHE = 6
const NUMBER_OF_QUEUES = 7

// Statuses: a code, with its type in bits 10:8
const SUCCESS = 0
const INVALID_OPCODE = 0x001
const INVALID_NAMESPACE = 0x00b
const LBA_OUT_OF_RANGE = 0x080
const COMPLETION_QUEUE_INVALID = 0x100
const INVALID_QUEUE = 0x101
const INVALID_QUEUE_SIZE = 0x102
const TOO_MANY_EVENTS = 0x105
const INVALID_VECTOR = 0x108
const INVALID_LOG_PAGE = 0x109
const INVALID_QUEUE_DELETION = 0x10c
const READ_ONLY_RANGE = 0x182
const WRITE_FAULT = 0x280
const UNRECOVERED_READ = 0x281
const DO_NOT_RETRY = 0x4000

const QUEUES = 9
const MSIX_BAR = 4
/** Of a command: 2^7 pages. */
const MOST_PAGES_BITS = 7
const MOST_BLOCKS = (PAGE << MOST_PAGES_BITS) >> BLOCK_BITS
const MOST_DISCARDED = 1 << 22
const MOST_EVENTS = 4
const ALL_NAMESPACES = 0xffff_ffff

const COMMANDS_AT_ONCE = 32
const BYTES_AT_ONCE = 1 << 20
/** Guest time of a command, and of its bytes: 2 GB/s. */
const COMMAND_NS = 8e3
const NS_PER_BYTE = 0.5

const STATE: StateTable = {
  size: same(count, () => 'a disk of the snapshot has another size than here; give it the same image'),
  configuration: starts(u32, 0),
  status: starts(u32, 0),
  masked: starts(u32, 0),
  adminSizes: starts(u32, 0),
  adminQueues: list(u32, 4),
  features: list(u32, FEATURES),
  events: list(u16, 0, MOST_EVENTS),
  submissions: list(part(), QUEUES),
  completions: list(part(), QUEUES),
  next: starts(u16, 0),
  busy: timer,
}

export class Nvme implements Device {
  readonly state = STATE
  readonly name: string
  readonly pci: PciFunction
  private readonly msix: ReturnType<PciFunction['addMsix']>
  private readonly memory: BusMaster
  private configuration = 0
  private status = 0
  /** Vectors of the pin's that are masked. */
  private masked = 0
  private adminSizes = 0
  /** ASQ and ACQ, low and high halves. */
  private readonly adminQueues = [0, 0, 0, 0]
  private readonly features: number[] = Array(FEATURES).fill(0)
  /** Identifiers of commands that wait for events; none happen. */
  private events: number[] = []
  private readonly submissions = Array.from({ length: QUEUES }, () => new SubmissionQueue())
  private readonly completions = Array.from({ length: QUEUES }, () => new CompletionQueue())
  /** The queue that is looked at first. */
  private next = 0
  /** When it looks at its queues. */
  private readonly busy: Timer

  constructor(
    private readonly slot: Slot,
    private readonly medium: BlockDevice,
    private readonly serial: string,
  ) {
    this.name = slot.name
    this.pci = slot.pci({ vendorId: 0x1b36, deviceId: 0x0010, revision: 2, classCode: 0x010802, interruptPin: 1 })
    const window = {
      ...{ name: `${slot.name} registers`, size: WINDOW, width: 4 as const },
      read: (offset: number, size: AccessSize) => this.read(offset, size),
      write: (offset: number, value: number) => this.write(offset & ~3, value >>> 0),
    }
    this.pci.addMemoryBar(0, window, { wide: true })
    this.msix = this.pci.addMsix(MSIX_BAR, QUEUES)
    this.memory = new BusMaster(slot.name, slot.memory, this.pci, slot.warn)
    this.busy = slot.clock.timer(`${slot.name} commands`, () => this.work())
    this.reset()
  }

  /** For the state. */
  get size(): number {
    return this.medium.size
  }

  private get blocks(): number {
    return Math.floor(this.medium.size / 2 ** BLOCK_BITS)
  }

  reset(): void {
    this.adminQueues.fill(0)
    resetState(this)
    this.resetController()
  }

  /** Queues, features and what was under way are gone; the admin queue's registers stay (7.3.2). */
  private resetController(): void {
    for (const queue of [...this.submissions, ...this.completions]) queue.reset()
    this.features.fill(0)
    this.features[WRITE_CACHE] = 1
    this.features[NUMBER_OF_QUEUES] = queueNumbers()
    this.events = []
    this.masked = this.next = 0
    this.busy.cancel()
    this.update()
  }

  // ---- registers ----------------------------------------------------------------------------------------------------

  private read(offset: number, size: AccessSize): number {
    if (this.memory.isSelf) return 0xffff_ffff
    const word = this.readWord(offset & ~3)
    return size === 4 ? word : (word >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff)
  }

  private readWord(offset: number): number {
    switch (offset) {
      case CAP_LOW:
        return CAPABILITIES_LOW
      case CAP_HIGH:
        return CAPABILITIES_HIGH
      case VS:
        return VERSION
      case INTMS:
      case INTMC:
        return this.masked
      case CC:
        return this.configuration
      case CSTS:
        return this.status
      case AQA:
        return this.adminSizes
      case ASQ:
      case ASQ + 4:
      case ACQ:
      case ACQ + 4:
        return this.adminQueues[(offset - ASQ) >> 2]
      default:
        return 0
    }
  }

  private write(offset: number, value: number): void {
    if (this.memory.isSelf) return
    if (offset >= DOORBELLS) {
      this.ring((offset - DOORBELLS) >> 2, value & 0xffff)
      return
    }
    switch (offset) {
      case INTMS:
        this.masked = (this.masked | value) >>> 0
        this.update()
        break
      case INTMC:
        this.masked = (this.masked & ~value) >>> 0
        this.update()
        break
      case CC:
        this.configure(value)
        break
      case AQA:
        this.adminSizes = value & 0x0fff_0fff
        break
      case ASQ:
      case ASQ + 4:
      case ACQ:
      case ACQ + 4:
        this.adminQueues[(offset - ASQ) >> 2] = offset & 4 ? value : (value & ~(PAGE - 1)) >>> 0
        break
      default:
        this.slot.warn('NVMe register that this controller does not have', offset)
    }
  }

  private configure(value: number): void {
    const changed = this.configuration ^ value
    this.configuration = value
    if (changed & CC_ENABLE) {
      this.resetController()
      this.status = 0
      if (value & CC_ENABLE) this.enable()
    }
    if (value & CC_SHUTDOWN && !(this.status & CSTS_SHUT_DOWN)) {
      this.status |= CSTS_SHUT_DOWN
      try {
        this.medium.flush()
      } catch (error) {
        if (!(error instanceof MediumError)) throw error
      }
    }
  }

  private enable(): void {
    const [submission, completion] = [this.submissions[0], this.completions[0]]
    const [low, high] = [this.adminSizes & 0xfff, this.adminSizes >>> 16]
    const isPossible = low > 0 && low < MOST_ENTRIES && high > 0 && high < MOST_ENTRIES
    const [sq, sqHigh, cq, cqHigh] = this.adminQueues
    const fits = sqHigh < 2 ** 20 && cqHigh < 2 ** 20
    if (this.configuration & CC_UNSUPPORTED || !isPossible || !fits) {
      this.slot.warn(
        'NVMe: the controller was enabled with a page size, command set or admin queue that it does not take',
      )
      this.status |= CSTS_FATAL
      return
    }
    Object.assign(submission, { size: low + 1, address: sqHigh * 2 ** 32 + sq, completions: 0 })
    Object.assign(completion, { size: high + 1, address: cqHigh * 2 ** 32 + cq, vector: 0, interrupts: true })
    this.status |= CSTS_READY
  }

  /** Doorbells (3.1.16): the tail of a submission queue, or the head of a completion queue. */
  private ring(doorbell: number, value: number): void {
    const number = doorbell >> 1
    const isSubmission = (doorbell & 1) === 0
    const queue = (isSubmission ? this.submissions : this.completions)[number]
    if (!(this.status & CSTS_READY)) return
    if (!queue || queue.size === 0 || value >= queue.size) {
      this.slot.warn(
        'NVMe: a doorbell of no queue was rung, or with a place that it does not have',
        DOORBELLS + 4 * doorbell,
      )
      return
    }
    if (isSubmission) queue.tail = value
    else {
      queue.head = value
      this.update()
    }
    // A completion queue that was full may have been waited for.
    this.workSoon()
  }

  private workSoon(): void {
    if (this.busy.deadline === Number.POSITIVE_INFINITY) this.busy.at(this.slot.clock.now() + COMMAND_NS)
  }

  private update(): void {
    const wants = (queue: CompletionQueue) =>
      queue.size > 0 && queue.interrupts && !queue.isEmpty && !((this.masked >>> queue.vector) & 1)
    this.pci.interrupt(!this.msix.enabled && this.completions.some(wants))
  }

  loaded(): void {
    this.update()
  }

  // ---- commands -----------------------------------------------------------------------------------------------------

  private work(): void {
    const told = new Set<CompletionQueue>()
    let [commands, bytes, idle] = [0, 0, 0]
    while (commands < COMMANDS_AT_ONCE && bytes < BYTES_AT_ONCE && idle < QUEUES && this.status & CSTS_READY) {
      const number = this.next
      this.next = (this.next + 1) % QUEUES
      const queue = this.submissions[number]
      const completions = this.completions[queue.completions]
      const command = completions.size === 0 || completions.isFull ? undefined : queue.take(this.memory)
      if (!command) {
        idle++
        continue
      }
      idle = 0
      commands++
      const done = this.perform(number, command)
      bytes += done.bytes
      if (!done.answer) continue
      completions.give(this.memory, { ...done.answer, head: queue.head, queue: number, id: command.getUint16(2, true) })
      told.add(completions)
    }
    for (const { interrupts, vector } of told) if (interrupts) this.msix.raise(vector)
    this.update()
    if (commands > 0) this.busy.at(this.slot.clock.now() + COMMAND_NS + Math.ceil(bytes * NS_PER_BYTE))
  }

  /** Without an answer: it waits for what never comes. */
  private perform(queue: number, command: DataView): { answer?: { result: number; status: number }; bytes: number } {
    try {
      const opcode = command.getUint8(0)
      // Fused commands, and scatter-gather lists, are not offered.
      if (command.getUint8(1) & 0xc3) throw new NvmeError(INVALID_FIELD)
      if (queue > 0) {
        const bytes = this.nvmCommand(opcode, command)
        return { answer: { result: 0, status: SUCCESS }, bytes }
      }
      if (opcode === ASYNC_EVENT) {
        if (this.events.length === MOST_EVENTS) throw new NvmeError(TOO_MANY_EVENTS)
        this.events.push(command.getUint16(2, true))
        return { bytes: 0 }
      }
      return { answer: { result: this.adminCommand(opcode, command), status: SUCCESS }, bytes: PAGE }
    } catch (error) {
      if (!(error instanceof NvmeError)) throw error
      return { answer: { result: 0, status: error.status | DO_NOT_RETRY }, bytes: 0 }
    }
  }

  /** Returns the result in the completion's first doubleword. */
  private adminCommand(opcode: number, command: DataView): number {
    const first = command.getUint32(40, true)
    switch (opcode) {
      case CREATE_COMPLETION_QUEUE:
        this.createCompletions(command)
        return 0
      case CREATE_SUBMISSION_QUEUE:
        this.createSubmissions(command)
        return 0
      case DELETE_SUBMISSION_QUEUE:
        this.existing(this.submissions, first & 0xffff).reset()
        return 0
      case DELETE_COMPLETION_QUEUE: {
        const queue = this.existing(this.completions, first & 0xffff)
        const isUsed = this.submissions.some(({ size, completions }) => size > 0 && completions === (first & 0xffff))
        if (isUsed) throw new NvmeError(INVALID_QUEUE_DELETION)
        queue.reset()
        this.update()
        return 0
      }
      case IDENTIFY:
        this.send(command, this.identification(first & 0xff, command.getUint32(4, true)))
        return 0
      case GET_LOG_PAGE:
        this.sendLog(command, first)
        return 0
      case SET_FEATURES:
        return this.setFeature(first & 0xff, command.getUint32(44, true))
      case GET_FEATURES:
        if ((first & 0xff) === 0 || (first & 0xff) >= FEATURES) throw new NvmeError(INVALID_FIELD)
        return this.features[first & 0xff]
      case ABORT:
        // It was too late: each is over when it has begun.
        return 1
      default:
        this.slot.warn('NVMe admin command that this controller does not have', opcode)
        throw new NvmeError(INVALID_OPCODE)
    }
  }

  private existing<Q extends { size: number }>(queues: readonly Q[], number: number): Q {
    const queue = number === 0 ? undefined : queues[number]
    if (!queue || queue.size === 0) throw new NvmeError(INVALID_QUEUE)
    return queue
  }

  /** Number, size and place of a queue that is to be made. */
  private wanted(queues: readonly { size: number }[], command: DataView) {
    const [number, size] = [command.getUint16(40, true), command.getUint16(42, true) + 1]
    const address = addressAt(command, 24)
    if (number === 0 || number >= QUEUES || queues[number].size > 0) throw new NvmeError(INVALID_QUEUE)
    if (size < 2 || size > MOST_ENTRIES) throw new NvmeError(INVALID_QUEUE_SIZE)
    const flags = command.getUint16(44, true)
    if (address % PAGE !== 0 || !(flags & 1)) throw new NvmeError(INVALID_FIELD)
    return { number, size, address, flags, more: command.getUint16(46, true) }
  }

  private createCompletions(command: DataView): void {
    const { number, size, address, flags, more: vector } = this.wanted(this.completions, command)
    if (vector >= QUEUES) throw new NvmeError(INVALID_VECTOR)
    this.completions[number].reset()
    Object.assign(this.completions[number], { size, address, vector, interrupts: (flags & 2) !== 0 })
  }

  private createSubmissions(command: DataView): void {
    const { number, size, address, more: completions } = this.wanted(this.submissions, command)
    if (!this.completions[completions]?.size || completions === 0) throw new NvmeError(COMPLETION_QUEUE_INVALID)
    this.submissions[number].reset()
    Object.assign(this.submissions[number], { size, address, completions })
  }

  private identification(what: number, namespace: number): Uint8Array {
    const mine = () => {
      if (namespace !== 1) throw new NvmeError(INVALID_NAMESPACE)
    }
    switch (what) {
      case 0:
        mine()
        return identifyNamespace(this.blocks, this.serial, this.medium.readOnly)
      case 1:
        return identifyController(this.serial, MOST_PAGES_BITS)
      case 2: {
        // Those with greater numbers.
        const data = new Uint8Array(PAGE)
        if (namespace === 0) data[0] = 1
        return data
      }
      case 3:
        mine()
        return namespaceDescriptors(this.serial)
      default:
        throw new NvmeError(INVALID_FIELD)
    }
  }

  private send(command: DataView, data: Uint8Array): void {
    scatter(this.memory, dataPages(this.memory, command, data.length), data)
  }

  private sendLog(command: DataView, first: number): void {
    const wanted = ((((command.getUint32(44, true) & 0xffff) << 16) | (first >>> 16)) >>> 0) + 1
    const offset = addressAt(command, 48)
    const logs: { [page: number]: () => Uint8Array } = {
      1: () => new Uint8Array(64),
      2: healthLog,
      3: firmwareLog,
    }
    const log = logs[first & 0xff]
    if (!log) throw new NvmeError(INVALID_LOG_PAGE)
    if (offset % 4 !== 0 || wanted * 4 > PAGE) throw new NvmeError(INVALID_FIELD)
    const data = new Uint8Array(wanted * 4)
    data.set(log().subarray(offset, offset + data.length))
    this.send(command, data)
  }

  private setFeature(feature: number, value: number): number {
    if (feature === 0 || feature >= FEATURES) throw new NvmeError(INVALID_FIELD)
    if (feature === NUMBER_OF_QUEUES) return this.features[feature]
    this.features[feature] = value
    return 0
  }

  /** Returns how many bytes it moved. */
  private nvmCommand(opcode: number, command: DataView): number {
    const namespace = command.getUint32(4, true)
    if (namespace !== 1 && !(opcode === FLUSH && namespace === ALL_NAMESPACES)) throw new NvmeError(INVALID_NAMESPACE)
    const lba = command.getUint32(40, true) + command.getUint32(44, true) * 2 ** 32
    const blocks = command.getUint16(48, true) + 1
    const forced = (command.getUint16(50, true) & 0x4000) !== 0
    switch (opcode) {
      case FLUSH:
        this.onMedium(WRITE_FAULT, () => this.medium.flush())
        return 0
      case READ: {
        const data = new Uint8Array(this.within(lba, blocks))
        const pages = dataPages(this.memory, command, data.length)
        this.onMedium(UNRECOVERED_READ, () => this.medium.read(lba * 2 ** BLOCK_BITS, data))
        scatter(this.memory, pages, data)
        return data.length
      }
      case WRITE: {
        this.writable()
        const data = new Uint8Array(this.within(lba, blocks))
        gather(this.memory, dataPages(this.memory, command, data.length), data)
        this.store(lba, data, forced)
        return data.length
      }
      case WRITE_ZEROES: {
        this.writable()
        const data = new Uint8Array(this.within(lba, blocks, 0x10000))
        this.store(lba, data, forced)
        return data.length
      }
      case DATASET_MANAGEMENT:
        return this.manage(command)
      default:
        this.slot.warn('NVMe command that this controller does not have', opcode)
        throw new NvmeError(INVALID_OPCODE)
    }
  }

  /** The bytes of so many blocks. */
  private within(lba: number, blocks: number, most = MOST_BLOCKS): number {
    if (blocks > most) throw new NvmeError(INVALID_FIELD)
    if (!(lba + blocks <= this.blocks)) throw new NvmeError(LBA_OUT_OF_RANGE)
    return blocks << BLOCK_BITS
  }

  private writable(): void {
    if (this.medium.readOnly) throw new NvmeError(READ_ONLY_RANGE)
  }

  private store(lba: number, data: Uint8Array, forced: boolean): void {
    this.onMedium(WRITE_FAULT, () => {
      this.medium.write(lba * 2 ** BLOCK_BITS, data)
      if (forced) this.medium.flush()
    })
  }

  private onMedium(status: number, action: () => void): void {
    try {
      action()
    } catch (error) {
      throw error instanceof MediumError ? new NvmeError(status) : error
    }
  }

  private manage(command: DataView): number {
    const [ranges, attributes] = [command.getUint8(40) + 1, command.getUint32(44, true)]
    const list = new Uint8Array(16 * ranges)
    gather(this.memory, dataPages(this.memory, command, list.length), list)
    // Hints need nothing.
    if (!(attributes & 4)) return list.length
    this.writable()
    const view = new DataView(list.buffer)
    for (let at = 0; at < list.length; at += 16) {
      const [blocks, lba] = [view.getUint32(at + 4, true), addressAt(view, at + 8)]
      if (blocks === 0) continue
      if (blocks > MOST_DISCARDED || !(lba + blocks <= this.blocks)) throw new NvmeError(LBA_OUT_OF_RANGE)
      this.onMedium(WRITE_FAULT, () => this.medium.discard(lba * 2 ** BLOCK_BITS, blocks * 2 ** BLOCK_BITS))
    }
    return list.length
  }
}

/** Submission and completion queues beside the admin ones, less one each. */
function queueNumbers(): number {
  return (QUEUES - 2) | ((QUEUES - 2) << 16)
}

export const nvme = deviceType({
  type: 'nvme',
  title: 'NVMe disk',
  category: 'Storage',
  bus: 'pci',
  options: () => ({
    drive: textOption(64).describe('the disk in it: disk0 is the first one of --disk'),
    serial: textOption(20).optional().describe('serial number'),
  }),
  create: (slot, { drive, serial }) => new Nvme(slot, diskNamed(slot, drive), serial ?? serialOf(drive)),
})
