/**
 * Virtio over PCI (Virtual I/O Device 1.2, 4.1): the legacy interface of 0.9.5 in I/O ports at BAR0, the modern one in
 * memory at BAR4, message interrupts at BAR1, places as QEMU has them. Devices with both are transitional.
 * The file is longer than others, because the legacy and the modern interface are two views of one state.
 */
import type { PciFunction } from '../../bus/pci-function.js'
import type { Timer } from '../../clock.js'
import type { AccessSize, Device, MmioRange, PortRange, StateTable } from '../../device.js'
import { flag, list, timer, u8, u16, u32 } from '../../state/fields.js'
import { part, parts } from '../../state/state-table.js'
import { BusMaster } from '../bus-master.js'
import { type Chosen, type DeviceOptions, flagOption } from '../device-option.js'
import { type DeviceCategory, type DeviceType, deviceType, type Slot } from '../device-type.js'
import { CARD_ROM_SIZE, romFileOption, setCardRom } from '../option-rom.js'
import { ANY_LAYOUT, EVENT_IDX, INDIRECT_DESC, VERSION_1, type VirtioDevice, type VirtioHost } from './virtio-device.js'
import { NO_VECTOR, VirtioError, Virtqueue } from './virtqueue.js'

const STATUS_DRIVER_OK = 0x04
const STATUS_FEATURES_OK = 0x08
const STATUS_NEEDS_RESET = 0x40
const ISR_QUEUE = 1
const ISR_CONFIGURATION = 2

/** The legacy interface's registers; what is the device's own follows, behind the vectors where MSI-X is on. */
const LEGACY_VECTORS = 0x14
const LEGACY_PORTS = 0x40
const LEGACY_PAGE = 4096

/** The modern interface's places in its BAR, a page each. */
const COMMON = 0x0000
const ISR = 0x1000
const CONFIGURATION = 0x2000
const NOTIFICATIONS = 0x3000
const WINDOW = 0x4000
const COMMON_SIZE = 0x38
const NOTIFY_MULTIPLIER = 4

// cfg_type of the capabilities
const CAP_VENDOR = 0x09
const CAP_COMMON = 1
const CAP_NOTIFY = 2
const CAP_ISR = 3
const CAP_DEVICE = 4
const CAP_PCI = 5

const LEGACY_BAR = 0
const MSIX_BAR = 1
const MODERN_BAR = 4

/** From a notification to the device's work, and from one turn of it to the next. */
const NOTIFIED_NS = 1000
const TURN_NS = 5000

const STATE: StateTable = {
  ...{ status: u8, isr: u8, generation: u8, isLegacy: flag, isBroken: flag },
  ...{ deviceFeatureSelect: u32, driverFeatureSelect: u32, driverFeatures: list(u32, 2) },
  ...{ queueSelect: u16, configurationVector: u16, work: timer },
  ...{ virtqueues: parts, device: part() },
}

interface Interfaces {
  'disable-legacy': boolean
  'disable-modern': boolean
}

interface Identity {
  /** QEMU's name. */
  type: string
  /** Virtio's number of the device (chapter 5). */
  id: number
  /** PCI's number of it in transitional devices. */
  transitionalId: number
  classCode: number
  /** Sizes. */
  queues: readonly number[]
}

export class VirtioPci implements Device, VirtioHost {
  readonly state = STATE
  readonly name: string
  readonly queues: readonly Virtqueue[]
  readonly memory: BusMaster
  readonly device: VirtioDevice
  readonly pci: PciFunction
  private readonly msix: ReturnType<PciFunction['addMsix']>
  /** Where the window's capability is; 0: there is none. */
  private windowAt = 0
  private readonly offered = new Uint32Array(2)
  private readonly work: Timer
  private status = 0
  private isr = 0
  private generation = 0
  /** The driver came by the legacy interface. */
  private isLegacy = false
  /** The driver broke the rules: nothing more is done for it until a reset. */
  private isBroken = false
  private deviceFeatureSelect = 0
  private driverFeatureSelect = 0
  private readonly driverFeatures = new Uint32Array(2)
  private queueSelect = 0
  private configurationVector = NO_VECTOR

  constructor(
    private readonly slot: Slot,
    { id, transitionalId, classCode, queues }: Identity,
    options: Interfaces,
    create: (host: VirtioHost) => VirtioDevice,
  ) {
    this.name = slot.name
    const [hasLegacy, hasModern] = [!options['disable-legacy'], !options['disable-modern']]
    this.pci = slot.pci({
      vendorId: 0x1af4,
      deviceId: hasLegacy ? transitionalId : 0x1040 + id,
      revision: hasLegacy ? 0 : 1,
      classCode,
      subsystemId: hasLegacy ? id : 0x1100,
      interruptPin: 1,
      changed: (offset, size) => {
        if (size <= 4) this.windowWritten(offset, size)
        this.masterChanged()
      },
      beforeRead: (offset, size) => this.fillWindow(offset, size),
    })
    this.memory = new BusMaster(slot.name, slot.memory, this.pci, slot.warn)
    const has = (feature: number) => this.has(feature)
    const features = {
      get eventIndex() {
        return has(EVENT_IDX)
      },
    }
    this.queues = queues.map((size) => new Virtqueue(size, this.memory, features))
    this.work = slot.clock.timer(`${slot.name} queues`, () => this.serve())
    this.device = create(this)
    const own = hasModern ? [VERSION_1] : []
    for (const feature of [...this.device.features, ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX, ...own])
      this.offered[feature >> 5] |= 1 << (feature & 31)
    if (hasLegacy) this.pci.addIoBar(LEGACY_BAR, this.legacyWindow())
    this.msix = this.pci.addMsix(MSIX_BAR, queues.length + 1)
    if (hasModern) this.addModern()
  }

  private addModern(): void {
    const { pci } = this
    pci.addMemoryBar(MODERN_BAR, this.modernWindow(), { prefetchable: true, wide: true })
    for (const [kind, offset, length] of [
      [CAP_COMMON, COMMON, COMMON_SIZE],
      [CAP_ISR, ISR, 1],
      [CAP_DEVICE, CONFIGURATION, Math.max(this.device.configurationSize, 4)],
      [CAP_NOTIFY, NOTIFICATIONS, this.queues.length * NOTIFY_MULTIPLIER],
    ]) {
      const size = kind === CAP_NOTIFY ? 20 : 16
      const at = pci.addCapability(CAP_VENDOR, size)
      pci.config.set([size, kind, MODERN_BAR], at + 2)
      pci.set32(at + 8, offset)
      pci.set32(at + 12, length)
      if (kind === CAP_NOTIFY) pci.set32(at + 16, NOTIFY_MULTIPLIER)
    }
    const at = pci.addCapability(CAP_VENDOR, 20)
    pci.config.set([20, CAP_PCI], at + 2)
    pci.writeMask.fill(0xff, at + 4, at + 5)
    pci.writeMask.fill(0xff, at + 8, at + 20)
    this.windowAt = at
  }

  // The window in configuration space (4.1.4.9): firmware reaches the registers by it before they have addresses

  /** Offset and length in the modern BAR that the window leads to; undefined: nowhere. */
  private get windowTarget(): { offset: number; size: 1 | 2 | 4 } | undefined {
    const { pci, windowAt } = this
    const [offset, size] = [pci.get32(windowAt + 8), pci.get32(windowAt + 12)]
    const isAligned = (size === 1 || size === 2 || size === 4) && offset % size === 0 && offset < WINDOW
    return pci.config[windowAt + 4] === MODERN_BAR && isAligned ? { offset, size } : undefined
  }

  private isWindow(offset: number, size: number): boolean {
    const data = this.windowAt + 16
    return this.windowAt > 0 && offset < data + 4 && offset + size > data
  }

  private fillWindow(offset: number, size: number): void {
    const target = this.isWindow(offset, size) ? this.windowTarget : undefined
    if (target) this.pci.set32(this.windowAt + 16, this.readModern(target.offset, target.size))
  }

  private windowWritten(offset: number, size: number): void {
    const target = this.isWindow(offset, size) ? this.windowTarget : undefined
    if (!target) return
    const value = this.pci.get32(this.windowAt + 16) % 2 ** (8 * target.size)
    this.writeModern(target.offset, value, target.size)
  }

  /** RST#. */
  reset(): void {
    this.resetDevice()
  }

  /** The driver's reset, too: a status of 0. */
  private resetDevice(): void {
    this.status = 0
    this.isr = 0
    this.isLegacy = false
    this.isBroken = false
    this.deviceFeatureSelect = 0
    this.driverFeatureSelect = 0
    this.driverFeatures.fill(0)
    this.queueSelect = 0
    this.configurationVector = NO_VECTOR
    this.work.cancel()
    for (const queue of this.queues) queue.reset()
    this.device.reset()
    this.pci.interrupt(false)
  }

  // What the device sees

  get clock() {
    return this.slot.clock
  }

  get warn() {
    return this.slot.warn
  }

  has(feature: number): boolean {
    return ((this.driverFeatures[feature >> 5] >>> (feature & 31)) & 1) !== 0
  }

  get isRunning(): boolean {
    return (this.status & STATUS_DRIVER_OK) !== 0 && !this.isBroken && this.memory.enabled
  }

  tell(index: number): void {
    const queue = this.queues[index]
    if (queue.tell()) this.interrupt(ISR_QUEUE, queue.vector)
  }

  configurationChanged(): void {
    this.generation = (this.generation + 1) & 0xff
    if (this.status & STATUS_DRIVER_OK) this.interrupt(ISR_CONFIGURATION, this.configurationVector)
  }

  wake(index: number): void {
    this.queues[index].isNotified = true
    if (this.isRunning && this.work.deadline === Number.POSITIVE_INFINITY) this.work.at(this.clock.now() + NOTIFIED_NS)
  }

  private interrupt(cause: number, vector: number): void {
    if (this.msix.enabled) {
      this.msix.raise(vector)
      return
    }
    this.isr |= cause
    this.pci.interrupt(true)
  }

  private takeIsr(): number {
    const { isr } = this
    this.isr = 0
    this.pci.interrupt(false)
    return isr
  }

  private serve(): void {
    if (!this.isRunning) return
    let isMore = false
    this.guarded(() => {
      for (const [index, queue] of this.queues.entries()) {
        if (!queue.isNotified) continue
        queue.isNotified = false
        if (!this.device.serve(index)) continue
        queue.isNotified = true
        isMore = true
      }
    })
    if (isMore && this.isRunning) this.work.at(this.clock.now() + TURN_NS)
  }

  /** Runs what uses the queues; a driver that breaks the rules finds its device in need of a reset (2.1.2). */
  guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof VirtioError)) throw error
      this.warn(`${this.name}: ${error.message}; it needs a reset`)
      this.isBroken = true
      if (!this.has(VERSION_1)) return
      this.status |= STATUS_NEEDS_RESET
      this.configurationChanged()
    }
  }

  private masterChanged(): void {
    if (this.isRunning && this.queues.some(({ isNotified }) => isNotified)) this.work.set(this.clock.now())
  }

  private setStatus(value: number): void {
    if (value === 0) {
      this.resetDevice()
      return
    }
    const before = this.status
    let status = value | (before & STATUS_NEEDS_RESET)
    // A modern driver that took none of this interface, or what was not offered, is not agreed with.
    if (value & STATUS_FEATURES_OK && !(before & STATUS_FEATURES_OK) && !this.areFeaturesRight)
      status &= ~STATUS_FEATURES_OK
    this.status = status
    if (!(status & STATUS_DRIVER_OK) || before & STATUS_DRIVER_OK) return
    this.device.started?.()
    for (const [index, { ready }] of this.queues.entries()) if (ready) this.wake(index)
  }

  private get areFeaturesRight(): boolean {
    const isOffered = this.driverFeatures.every((word, i) => (word & ~this.offered[i]) === 0)
    return isOffered && (this.isLegacy || this.has(VERSION_1))
  }

  private notify(index: number): void {
    if (index < this.queues.length) this.wake(index)
  }

  // The legacy interface (4.1.4.10): registers of their own sizes

  private legacyWindow(): Omit<PortRange, 'base'> {
    return {
      name: `${this.name} legacy registers`,
      count: LEGACY_PORTS,
      width: 4,
      read: (offset, size) => this.readLegacy(offset, size),
      write: (offset, value, size) => this.writeLegacy(offset, value, size),
    }
  }

  private get legacyConfiguration(): number {
    return this.msix.enabled ? LEGACY_VECTORS + 4 : LEGACY_VECTORS
  }

  private readLegacy(offset: number, size: AccessSize): number {
    if (this.memory.isSelf) return 0xffff_ffff
    if (offset >= this.legacyConfiguration) return this.readBytes(offset - this.legacyConfiguration, size)
    const queue = this.queues[this.queueSelect]
    switch (offset) {
      case 0x00:
        return this.offered[0]
      case 0x04:
        return this.driverFeatures[0]
      case 0x08:
        return queue?.ready ? Math.floor(queue.descriptors / LEGACY_PAGE) : 0
      case 0x0c:
        return queue?.most ?? 0
      case 0x0e:
        return this.queueSelect
      case 0x12:
        return this.status
      case 0x13:
        return this.takeIsr()
      case LEGACY_VECTORS:
        return this.configurationVector
      case LEGACY_VECTORS + 2:
        return queue?.vector ?? NO_VECTOR
      default:
        return 0
    }
  }

  private writeLegacy(offset: number, value: number, size: AccessSize): void {
    if (this.memory.isSelf) return
    if (offset >= this.legacyConfiguration) {
      this.writeBytes(offset - this.legacyConfiguration, value, size)
      return
    }
    this.isLegacy = true
    switch (offset) {
      case 0x04:
        this.driverFeatures[0] = value & this.offered[0]
        return
      case 0x08:
        this.setLegacyQueue(value)
        return
      case 0x0e:
        this.queueSelect = value & 0xffff
        return
      case 0x10:
        this.notify(value & 0xffff)
        return
      case 0x12:
        this.setStatus(value & 0xff)
        return
      case LEGACY_VECTORS:
        this.configurationVector = this.vector(value)
        return
      case LEGACY_VECTORS + 2:
        this.setQueueVector(value)
    }
  }

  /** A page number for the whole queue; 0 resets the device, as QEMU has it. */
  private setLegacyQueue(page: number): void {
    const queue = this.queues[this.queueSelect]
    if (page === 0) {
      this.resetDevice()
      return
    }
    if (!queue) return
    queue.descriptors = page * LEGACY_PAGE
    queue.available = queue.descriptors + 16 * queue.size
    const end = queue.available + 6 + 2 * queue.size
    queue.used = Math.ceil(end / LEGACY_PAGE) * LEGACY_PAGE
    queue.ready = true
  }

  /** One that there is none of is no vector. */
  private vector(value: number): number {
    return (value & 0xffff) <= this.queues.length ? value & 0xffff : NO_VECTOR
  }

  private setQueueVector(value: number): void {
    const queue = this.queues[this.queueSelect]
    if (queue) queue.vector = this.vector(value)
  }

  // The modern interface (4.1.4)

  private modernWindow(): Omit<MmioRange, 'base'> {
    return {
      name: `${this.name} registers`,
      size: WINDOW,
      width: 4,
      read: (offset, size) => this.readModern(offset, size),
      write: (offset, value, size) => this.writeModern(offset, value, size),
    }
  }

  private readModern(offset: number, size: AccessSize): number {
    if (this.memory.isSelf) return 0xffff_ffff
    if (offset >= NOTIFICATIONS) return 0
    if (offset >= CONFIGURATION) return this.readBytes(offset - CONFIGURATION, size)
    if (offset >= ISR) return offset === ISR ? this.takeIsr() : 0
    const value = this.commonWord(offset & ~3)
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff)
  }

  private commonWord(offset: number): number {
    const queue = this.queues[this.queueSelect]
    const half = (address: number, isUpper: boolean) =>
      isUpper ? Math.floor(address / 0x1_0000_0000) : address % 0x1_0000_0000
    switch (offset) {
      case 0x00:
        return this.deviceFeatureSelect
      case 0x04:
        // Of the legacy interface alone.
        if (this.deviceFeatureSelect === 0) return (this.offered[0] & ~(1 << ANY_LAYOUT)) >>> 0
        return this.offered[this.deviceFeatureSelect] ?? 0
      case 0x08:
        return this.driverFeatureSelect
      case 0x0c:
        return this.driverFeatures[this.driverFeatureSelect] ?? 0
      case 0x10:
        return this.configurationVector | (this.queues.length << 16)
      case 0x14:
        return (this.status | (this.generation << 8) | (this.queueSelect << 16)) >>> 0
      case 0x18:
        return queue ? (queue.size | (queue.vector << 16)) >>> 0 : (NO_VECTOR << 16) >>> 0
      case 0x1c:
        return queue ? (queue.ready ? 1 : 0) | (this.queueSelect << 16) : 0
      case 0x20:
      case 0x24:
        return queue ? half(queue.descriptors, offset === 0x24) : 0
      case 0x28:
      case 0x2c:
        return queue ? half(queue.available, offset === 0x2c) : 0
      case 0x30:
      case 0x34:
        return queue ? half(queue.used, offset === 0x34) : 0
      default:
        return 0
    }
  }

  private writeModern(offset: number, value: number, size: AccessSize): void {
    if (this.memory.isSelf) return
    if (offset >= NOTIFICATIONS) {
      if (offset % NOTIFY_MULTIPLIER === 0) this.notify((offset - NOTIFICATIONS) / NOTIFY_MULTIPLIER)
    } else if (offset >= CONFIGURATION) this.writeBytes(offset - CONFIGURATION, value, size)
    else if (offset < ISR) this.writeCommon(offset, value)
  }

  private writeCommon(offset: number, value: number): void {
    const queue = this.queues[this.queueSelect]
    switch (offset) {
      case 0x00:
        this.deviceFeatureSelect = value
        return
      case 0x08:
        this.driverFeatureSelect = value
        return
      case 0x0c:
        if (this.driverFeatureSelect < 2 && !(this.status & STATUS_FEATURES_OK))
          this.driverFeatures[this.driverFeatureSelect] = value
        return
      case 0x10:
        this.configurationVector = this.vector(value)
        return
      case 0x14:
        this.setStatus(value & 0xff)
        return
      case 0x16:
        this.queueSelect = value & 0xffff
        return
      case 0x1a:
        this.setQueueVector(value)
        return
    }
    // A queue in use keeps its place.
    if (queue && !queue.ready) this.writeQueue(queue, offset, value)
  }

  private writeQueue(queue: Virtqueue, offset: number, value: number): void {
    const low = (address: number) => address - (address % 0x1_0000_0000) + value
    const high = (address: number) => (address % 0x1_0000_0000) + (value & 0xf_ffff) * 0x1_0000_0000
    switch (offset) {
      case 0x18: {
        const isPower = value > 0 && (value & (value - 1)) === 0
        if (isPower && value <= queue.most) queue.size = value
        return
      }
      case 0x1c:
        queue.ready = (value & 1) !== 0
        if (queue.ready && this.status & STATUS_DRIVER_OK) this.wake(this.queueSelect)
        return
      case 0x20:
        queue.descriptors = low(queue.descriptors)
        return
      case 0x24:
        queue.descriptors = high(queue.descriptors)
        return
      case 0x28:
        queue.available = low(queue.available)
        return
      case 0x2c:
        queue.available = high(queue.available)
        return
      case 0x30:
        queue.used = low(queue.used)
        return
      case 0x34:
        queue.used = high(queue.used)
    }
  }

  private readBytes(offset: number, size: AccessSize): number {
    let value = 0
    for (let i = size - 1; i >= 0; i--) {
      const at = offset + i
      value = value * 256 + (at < this.device.configurationSize ? this.device.readConfiguration(at) : 0)
    }
    return value
  }

  private writeBytes(offset: number, value: number, size: AccessSize): void {
    for (let i = 0; i < size; i++)
      if (offset + i < this.device.configurationSize)
        this.device.writeConfiguration?.(offset + i, (value >>> (8 * i)) & 0xff)
  }

  /** By their numbers, for the state. */
  get virtqueues(): { [index: string]: Virtqueue } {
    return Object.fromEntries(this.queues.entries())
  }
}

/** The row of a virtio device in the catalogue: `export const virtioRng = virtioPciType({ … })`. */
export function virtioPciType<O extends DeviceOptions>(
  description: Identity & {
    title: string
    category: DeviceCategory
    options: () => O
    create: (host: VirtioHost, options: Chosen<O>, slot: Slot) => VirtioDevice
    /** iPXE's for it. */
    rom?: string
  },
): DeviceType {
  const { type, title, category, options, rom } = description
  const all = (): DeviceOptions => ({
    ...options(),
    ...(rom !== undefined && { romfile: romFileOption() }),
    'disable-legacy': flagOption().default(false).describe('without the interface of virtio 0.9'),
    'disable-modern': flagOption().default(false).describe('without the interface of virtio 1'),
  })
  return deviceType({
    ...{ type, title, category, bus: 'pci', options: all, rom },
    clash: (chosen) =>
      chosen['disable-legacy'] && chosen['disable-modern']
        ? {
            option: 'disable-modern',
            must: 'off where disable-legacy is on: the device would have no interface at all',
          }
        : undefined,
    memory: () => (rom === undefined ? 0 : CARD_ROM_SIZE),
    create: (slot, chosen) => {
      const device = new VirtioPci(slot, description, chosen as unknown as Interfaces, (host) =>
        description.create(host, chosen as unknown as Chosen<O>, slot),
      )
      if (rom !== undefined) setCardRom(slot, device.pci, chosen.romfile as string | undefined, rom)
      return device
    },
  })
}
