/**
 * One PCI function: its 256 bytes of configuration space with write masks (PCI Local Bus Specification 3.0, 6.1 and
 * 6.2), base address registers that come and go on the port bus and in the memory map, expansion ROM, capabilities and
 * the interrupt pin.
 */
import type { AccessSize, IrqLine, StateTable } from '../device.js'
import { bytes, flag } from '../state/fields.js'
import { part } from '../state/state-table.js'
import { type MemoryLayer, type MemoryMap, type MmioWindow, Priority } from './memory-map.js'
import { Msi } from './msi.js'
import { MSIX_CAPABILITY, MSIX_ENABLE, MSIX_FUNCTION_MASK, Msix } from './msix.js'
import type { PortBus, PortMapping, PortWindow } from './port-bus.js'

// Type 00h header
const VENDOR_ID = 0x00
const DEVICE_ID = 0x02
export const COMMAND = 0x04
export const STATUS = 0x06
const REVISION_ID = 0x08
const CLASS_CODE = 0x09
const CACHE_LINE_SIZE = 0x0c
const HEADER_TYPE = 0x0e
const BASE_ADDRESS = 0x10
const SUBSYSTEM_VENDOR_ID = 0x2c
const SUBSYSTEM_ID = 0x2e
const EXPANSION_ROM = 0x30
const CAPABILITIES_POINTER = 0x34
export const INTERRUPT_LINE = 0x3c
const INTERRUPT_PIN = 0x3d

export const COMMAND_IO = 0x0001
export const COMMAND_MEMORY = 0x0002
export const COMMAND_MASTER = 0x0004
const COMMAND_SERR = 0x0100
export const COMMAND_INTX_DISABLE = 0x0400

const STATUS_INTERRUPT = 0x08
const STATUS_CAPABILITIES = 0x10
/** Parity error, the aborts, SERR#: cleared by writing ones. */
const STATUS_HIGH_W1C = 0xf9

const BAR_IO = 0x1
const BAR_64 = 0x4
const BAR_PREFETCHABLE = 0x8
const ROM_ENABLE = 0x1

export interface PciFunctionOptions {
  /** For reports and error messages. */
  name: string
  vendorId: number
  deviceId: number
  revision?: number
  /** Class, subclass and programming interface, e.g. 0x020000 for Ethernet. */
  classCode: number
  /** Default 1af4:1100, by which SeaBIOS and drivers know a virtual machine. */
  subsystemVendorId?: number
  subsystemId?: number
  /** 1 to 4 for INTA# to INTD#; 0 (default) for none. */
  interruptPin?: number
  /** Function 0 of a device with several. */
  multiFunction?: boolean
  /**
   * Bytes `offset` to `offset + size - 1` of the configuration space may have changed: after a guest's write, and with
   * (0, 256) after reset and load. It brings derived state in line and must bear being called without a change.
   */
  changed?: (offset: number, size: number) => void
  /** Called before a guest reads these bytes, to fill in what changes by itself. */
  beforeRead?: (offset: number, size: number) => void
}

/** A memory BAR that is plain memory in the arena, such as a linear frame buffer. */
export interface RamWindow {
  name: string
  /** Bytes, a power of two. */
  size: number
  /** Offset in the arena, from `MemoryMap.allocate`. */
  offset: number
}

interface Bar {
  /** Offset in the configuration space. */
  readonly register: number
  readonly size: number
  readonly kind: 'io' | 'mmio' | 'ram' | 'rom'
  readonly wide: boolean
  readonly io?: PortWindow
  readonly mmio?: MmioWindow
  readonly ram?: RamWindow
  /** Where it decodes now; -1 nowhere. */
  address: number
  mapping: PortMapping | undefined
  layer: MemoryLayer | undefined
  /** Of the registers beneath memory. */
  beneath: MemoryLayer | undefined
  ramOn: boolean
}

function powerOfTwo(size: number, least: number): number {
  let result = least
  while (result < size) result *= 2
  return result
}

const STATE: StateTable = { config: bytes(256), level: flag, msix: part('message interrupts') }

export class PciFunction {
  readonly name: string
  readonly state = STATE
  /** Configuration space. A device sets its own registers here before it goes on the bus, and status later. */
  readonly config = new Uint8Array(256)
  /** Bits a guest can write. From 40h on all are, unless the device says otherwise. */
  readonly writeMask = new Uint8Array(256)
  /** Bits a guest clears by writing ones. */
  readonly clearMask = new Uint8Array(256)
  /** The function's interrupt output: drives its INTx# pin and the status bit. */
  readonly interrupt: IrqLine = (level) => this.setInterrupt(level)

  private readonly bars: Bar[] = []
  private msi: Msi | undefined
  private msix: Msix | undefined
  private message: ((address: number, data: number) => void) | undefined
  private readonly changed: ((offset: number, size: number) => void) | undefined
  private readonly beforeRead: ((offset: number, size: number) => void) | undefined
  private defaults: Uint8Array | undefined
  private portBus: PortBus | undefined
  private memory: MemoryMap | undefined
  private deviceNumber = 0
  private line: IrqLine | undefined
  private level = false
  private freeCapability = 0x40

  constructor(options: PciFunctionOptions) {
    this.name = options.name
    this.changed = options.changed
    this.beforeRead = options.beforeRead
    this.set16(VENDOR_ID, options.vendorId)
    this.set16(DEVICE_ID, options.deviceId)
    this.config[REVISION_ID] = options.revision ?? 0
    this.config[CLASS_CODE] = options.classCode
    this.set16(CLASS_CODE + 1, options.classCode >>> 8)
    this.set16(SUBSYSTEM_VENDOR_ID, options.subsystemVendorId ?? 0x1af4)
    this.set16(SUBSYSTEM_ID, options.subsystemId ?? 0x1100)
    this.config[INTERRUPT_PIN] = options.interruptPin ?? 0
    this.config[HEADER_TYPE] = options.multiFunction ? 0x80 : 0

    const command = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_SERR | COMMAND_INTX_DISABLE
    this.writeMask[COMMAND] = command & 0xff
    this.writeMask[COMMAND + 1] = command >>> 8
    this.clearMask[STATUS + 1] = STATUS_HIGH_W1C
    this.writeMask[CACHE_LINE_SIZE] = 0xff
    this.writeMask[INTERRUPT_LINE] = 0xff
    this.writeMask.fill(0xff, 0x40)
  }

  /** A 16-bit register, from the device's side: masks do not apply. */
  set16(offset: number, value: number): void {
    this.config[offset] = value
    this.config[offset + 1] = value >>> 8
  }

  set32(offset: number, value: number): void {
    this.set16(offset, value)
    this.set16(offset + 2, value >>> 16)
  }

  get16(offset: number): number {
    return this.config[offset] | (this.config[offset + 1] << 8)
  }

  get32(offset: number): number {
    return (this.get16(offset) | (this.get16(offset + 2) << 16)) >>> 0
  }

  /** The function may act as a bus master. */
  get busMaster(): boolean {
    return (this.config[COMMAND] & COMMAND_MASTER) !== 0
  }

  /** Base address register `index` (0 to 5) decodes I/O ports. Its size is the count rounded up to a power of two. */
  addIoBar(index: number, window: PortWindow): void {
    const size = powerOfTwo(window.count, 4)
    this.addBar({ register: BASE_ADDRESS + 4 * index, size, kind: 'io', wide: false, io: window }, BAR_IO)
  }

  /** Base address register `index` decodes registers in memory space. */
  addMemoryBar(index: number, window: MmioWindow, options: { prefetchable?: boolean; wide?: boolean } = {}): void {
    const size = powerOfTwo(window.size, 16)
    const wide = options.wide ?? false
    const flags = (wide ? BAR_64 : 0) | (options.prefetchable ? BAR_PREFETCHABLE : 0)
    this.addBar({ register: BASE_ADDRESS + 4 * index, size, kind: 'mmio', wide, mmio: window }, flags)
  }

  /** Base address register `index` decodes memory in the arena, which the device may write too. `wide` (64-bit) takes the next register, too. */
  addRamBar(
    index: number,
    ram: RamWindow,
    options: {
      prefetchable?: boolean
      wide?: boolean
      /** Registers beneath it: they have what lies past the memory's end, and all of the BAR while the memory is `setRam` off. */
      beneath?: MmioWindow
    } = {},
  ): void {
    const { beneath } = options
    const size = powerOfTwo(Math.max(ram.size, beneath?.size ?? 0), 4096)
    const wide = options.wide ?? false
    const flags = (wide ? BAR_64 : 0) | (options.prefetchable ? BAR_PREFETCHABLE : 0)
    this.addBar({ register: BASE_ADDRESS + 4 * index, size, kind: 'ram', wide, ram, mmio: beneath }, flags)
  }

  /** Whether the memory of a RAM BAR takes accesses, or the registers beneath it do. */
  setRam(index: number, on: boolean): void {
    const bar = this.bars.find(({ register }) => register === BASE_ADDRESS + 4 * index)
    if (!bar || bar.ramOn === on) return
    bar.ramOn = on
    if (bar.layer) this.memory?.update(bar.layer, { reads: on, writes: on })
  }

  /** The expansion ROM, whose image lies in the arena. */
  setRom(rom: RamWindow): void {
    const size = powerOfTwo(rom.size, 4096)
    this.addBar({ register: EXPANSION_ROM, size, kind: 'rom', wide: false, ram: rom }, 0)
    this.writeMask[EXPANSION_ROM] |= ROM_ENABLE
  }

  /**
   * Puts a capability of `size` bytes at the head of the list and returns its offset; its bytes start as zeros that the
   * guest cannot write. Give `offset` to match another machine's layout.
   */
  addCapability(id: number, size: number, offset = this.freeCapability): number {
    if (offset < 0x40 || offset + size > 256) throw new Error(`${this.name}: no room for capability ${id}`)
    this.writeMask.fill(0, offset, offset + size)
    this.config.fill(0, offset, offset + size)
    this.config[offset] = id
    this.config[offset + 1] = this.config[CAPABILITIES_POINTER]
    this.config[CAPABILITIES_POINTER] = offset
    this.config[STATUS] |= STATUS_CAPABILITIES
    this.freeCapability = Math.max(this.freeCapability, (offset + size + 3) & ~3)
    return offset
  }

  /** The guest may have a message in place of the interrupt pin. To be made before the function goes on the bus. */
  addMsi(): void {
    this.msi = new Msi(this, (address, data) => this.send(address, data))
  }

  /** It interrupts by messages, past the interrupt controllers' inputs. */
  get sendsMessages(): boolean {
    return this.msi?.enabled === true || this.msix?.enabled === true
  }

  private send(address: number, data: number): void {
    if (this.busMaster) this.message?.(address, data)
  }

  /** Message interrupts: their table is all of memory BAR `bar`, of one page. To be made before the function goes on the bus. */
  addMsix(bar: number, vectors: number): Msix {
    const size = 4096
    const pendingAt = size / 2
    const capability = this.addCapability(MSIX_CAPABILITY, 12)
    this.set16(capability + 2, vectors - 1)
    this.writeMask[capability + 3] = (MSIX_ENABLE | MSIX_FUNCTION_MASK) >>> 8
    this.set32(capability + 4, bar)
    this.set32(capability + 8, pendingAt | bar)
    const msix = new Msix({
      ...{ name: this.name, vectors, pendingAt, size },
      control: () => this.get16(capability + 2),
      send: (address, data) => this.send(address, data),
    })
    this.addMemoryBar(bar, msix.window)
    this.msix = msix
    return msix
  }

  /** Where BAR `index` decodes now, or -1: it is disabled or has no valid address. */
  barAddress(index: number): number {
    return this.bars.find((bar) => bar.register === BASE_ADDRESS + 4 * index)?.address ?? -1
  }

  readConfig(offset: number, size: AccessSize): number {
    this.beforeRead?.(offset, size)
    let value = 0
    for (let i = size - 1; i >= 0; i--) {
      const at = offset + i
      value = value * 256 + (at < 256 ? this.config[at] : 0xff)
    }
    return value
  }

  writeConfig(offset: number, value: number, size: AccessSize): void {
    const end = Math.min(offset + size, 256)
    for (let at = offset, rest = value; at < end; at++, rest >>>= 8) {
      const mask = this.writeMask[at]
      this.config[at] = ((this.config[at] & ~mask) | (rest & mask)) & ~(rest & this.clearMask[at])
    }
    if (offset < EXPANSION_ROM + 4 && end > COMMAND) this.decode()
    if ((offset < COMMAND + 2 && end > COMMAND) || this.msi) this.driveInterrupt()
    this.msix?.unmasked()
    this.changed?.(offset, end - offset)
  }

  /** RST#: the configuration space as it was when the function was put on the bus. */
  reset(): void {
    this.setInterrupt(false)
    if (this.defaults) this.config.set(this.defaults)
    this.msix?.reset()
    this.decode()
    this.changed?.(0, 256)
  }

  /** @internal */
  attach(portBus: PortBus, memory: MemoryMap, device: number, message: (address: number, data: number) => void): void {
    this.portBus = portBus
    this.memory = memory
    this.message = message
    this.deviceNumber = device
    this.defaults = this.config.slice()
    this.decode()
  }

  /** @internal */
  wire(router: { pirq(device: number, pin: number, name: string): IrqLine }): void {
    const pin = this.config[INTERRUPT_PIN]
    if (pin === 0) return
    this.line = router.pirq(this.deviceNumber, pin, this.name)
    this.driveInterrupt()
  }

  private setInterrupt(level: boolean): void {
    if (level === this.level) return
    this.level = level
    if (level) this.config[STATUS] |= STATUS_INTERRUPT
    else this.config[STATUS] &= ~STATUS_INTERRUPT
    if (level && this.msi?.enabled) this.msi.raise()
    this.driveInterrupt()
  }

  private driveInterrupt(): void {
    const isPin = (this.get16(COMMAND) & COMMAND_INTX_DISABLE) === 0 && !this.msi?.enabled
    this.line?.(this.level && isPin)
  }

  private addBar(bar: Omit<Bar, 'address' | 'mapping' | 'layer' | 'beneath' | 'ramOn'>, flags: number): void {
    if (this.bars.some((b) => b.register === bar.register || (b.wide && b.register + 4 === bar.register))) {
      throw new Error(`${this.name}: two base addresses at ${bar.register.toString(16)}h`)
    }
    this.bars.push({ ...bar, address: -1, mapping: undefined, layer: undefined, beneath: undefined, ramOn: true })
    this.set32(bar.register, flags)
    const mask = ~(bar.size - 1) >>> 0
    for (let i = 0; i < 4; i++) this.writeMask[bar.register + i] = mask >>> (8 * i)
    if (bar.wide) this.writeMask.fill(0xff, bar.register + 4, bar.register + 8)
  }

  /** Brings the mappings in line with the BARs and the command register. */
  private decode(): void {
    for (const bar of this.bars) {
      const address = this.decodedAddress(bar)
      if (address === bar.address) continue
      this.memory?.batch(() => this.move(bar, address))
    }
  }

  private decodedAddress(bar: Bar): number {
    if (!this.portBus) return -1
    const command = this.config[COMMAND]
    if ((command & (bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY)) === 0) return -1
    const register = this.get32(bar.register)
    if (bar.kind === 'rom' && (register & ROM_ENABLE) === 0) return -1
    let address = (register & ~(bar.size - 1)) >>> 0
    if (bar.wide) address += this.get32(bar.register + 4) * 0x1_0000_0000
    // Address 0 is "unassigned". One that ends at the top of the space is a guest finding out the size.
    const last = address + bar.size - 1
    if (address === 0) return -1
    if (bar.kind === 'io') return last <= 0xffff ? address : -1
    if (last > Number.MAX_SAFE_INTEGER || (!bar.wide && last >= 0xffff_ffff)) return -1
    return last === 0xffff_ffff ? -1 : address
  }

  private move(bar: Bar, address: number): void {
    bar.address = address
    if (bar.mapping) this.portBus?.unmap(bar.mapping)
    bar.mapping = undefined
    if (bar.layer && address >= 0) {
      if (bar.beneath) this.memory?.update(bar.beneath, { base: address })
      this.memory?.update(bar.layer, { base: address })
      return
    }
    for (const layer of [bar.layer, bar.beneath]) if (layer) this.memory?.remove(layer)
    bar.layer = undefined
    bar.beneath = undefined
    if (address < 0) return
    if (bar.io) bar.mapping = this.portBus?.overlay(this.name, address, bar.io)
    else if (bar.ram && bar.kind === 'ram') {
      const { name, size, offset } = bar.ram
      if (bar.mmio) bar.beneath = this.memory?.addWindow(address, bar.mmio)
      const takes = { reads: bar.ramOn, writes: bar.ramOn }
      bar.layer = this.memory?.addRam(name, address, size, offset, { priority: Priority.bar, shared: true, ...takes })
    } else if (bar.mmio) {
      bar.layer = this.memory?.addWindow(address, bar.mmio)
    } else if (bar.ram) {
      bar.layer = this.memory?.addRom(bar.ram.name, address, bar.ram.size, bar.ram.offset, { priority: Priority.bar })
    }
  }

  /** Does not drive the interrupt line: the router behind it restores its own inputs. */
  loaded(): void {
    this.decode()
    this.changed?.(0, 256)
  }
}
