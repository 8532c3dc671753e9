/**
 * Intel's 8254x Gigabit Ethernet controllers on the PCI bus: QEMU's `e1000` (82540EM), `e1000-82544gc` and
 * `e1000-82545em` (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual, 317453), and the 82573L on
 * PCI Express, which QEMU does not have (PCIe GbE Controllers Open Source Software Developer's Manual, 316080).
 *
 *   e1000-registers.ts    offsets and bits             e1000-transmit.ts     descriptors to frames
 *   e1000-models.ts       what they differ in          e1000-receive.ts      frames to descriptors
 *   e1000-eeprom.ts       what says who it is          e1000-interrupts.ts   causes, mask, delays
 *   e1000-phy.ts          the link
 */
import type { PciFunction } from '../../../bus/pci-function.js'
import type { Clock } from '../../../clock.js'
import type { AccessSize, Device, MmioRange, PhysicalMemory, PortRange, StateTable, Warn } from '../../../device.js'
import { Arrivals, type NetworkPort } from '../../../network/port.js'
import { list, u32 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import { BusMaster } from '../../bus-master.js'
import { networkCardType } from '../network-card.js'
import { E1000Eeprom } from './e1000-eeprom.js'
import { E1000Interrupts } from './e1000-interrupts.js'
import type { E1000Model } from './e1000-models.js'
import * as Models from './e1000-models.js'
import { E1000Phy } from './e1000-phy.js'
import { E1000Receive, LONGEST_OF_ALL } from './e1000-receive.js'
import * as R from './e1000-registers.js'
import { E1000Transmit } from './e1000-transmit.js'

/** The PHY's own address on the management bus. */
const PHY_ADDRESS = 1
const IO_PORTS = 64
const IODATA = 4
/** EEMNGCTL: both ports have what is in the flash memory. */
const CONFIGURATION_DONE = 0xc_0000

/** Whether there is such a register, and its bits that are kept. */
class RegisterMap {
  readonly writable = new Uint32Array(R.REGISTER_WORDS)
  readonly known = new Uint8Array(R.REGISTER_WORDS)

  constructor(stored: typeof R.STORED) {
    for (const [first, last, bits] of stored) {
      this.writable.fill(bits, first >> 2, (last >> 2) + 1)
      this.known.fill(1, first >> 2, (last >> 2) + 1)
    }
    for (const one of [R.CTRL, R.STATUS, R.RXCW, R.WUS]) this.known[one >> 2] = 1
    this.known.fill(1, R.STATISTICS >> 2, R.STATISTICS_END >> 2)
  }
}

const PLAIN = new RegisterMap(R.STORED)
const EXPRESS = new RegisterMap([...R.STORED, ...R.STORED_EXPRESS])

const STATE: StateTable = {
  registers: list(u32, R.REGISTER_WORDS),
  ioAddress: u32,
  ...{ eeprom: part(), phy: part(), interrupts: part(), transmit: part(), receive: part(), arrivals: part() },
}

export interface E1000Options {
  name: string
  clock: Clock
  memory: PhysicalMemory
  warn: Warn
  port: NetworkPort | undefined
  mac: readonly number[]
  model: E1000Model
  pci: Pick<PciFunction, 'interrupt' | 'busMaster'>
}

export class E1000 implements Device {
  readonly state = STATE
  readonly name: string
  readonly window: Omit<MmioRange, 'base'>
  readonly ioWindow: Omit<PortRange, 'base'>
  private readonly registers = new Uint32Array(R.REGISTER_WORDS)
  private ioAddress = 0
  private readonly eeprom: E1000Eeprom
  private readonly phy: E1000Phy
  private readonly interrupts: E1000Interrupts
  private readonly transmit: E1000Transmit
  private readonly receive: E1000Receive
  private readonly arrivals: Arrivals
  private readonly master: BusMaster
  private readonly map: RegisterMap

  constructor(private readonly options: E1000Options) {
    const { name, clock, warn, port, pci, mac, model } = options
    const { deviceId, isExpress, packetBuffer } = model
    this.name = name
    const { registers } = this
    this.map = isExpress ? EXPRESS : PLAIN
    const identity = { mac, deviceId, subsystemVendorId: 0x1af4, subsystemId: 0x1100 }
    this.eeprom = new E1000Eeprom({ ...identity, isFlash: isExpress })
    this.interrupts = new E1000Interrupts({ name, clock, irq: pci.interrupt, registers, isExpress })
    this.master = new BusMaster(name, options.memory, pci, warn)
    const side = { name, clock, warn, registers, interrupts: this.interrupts, memory: this.master }
    this.transmit = new E1000Transmit({ ...side, packetBuffer, send: (frame, time) => this.send(frame, time) })
    this.receive = new E1000Receive({ ...side, isExpress })
    const arrive = (frame: Uint8Array) => {
      if (this.isLinked && !this.isLoopback) this.receive.receive(frame)
    }
    this.arrivals = new Arrivals(name, clock, warn, arrive, LONGEST_OF_ALL)
    this.phy = new E1000Phy({
      name,
      clock,
      id2: model.phyId2,
      cable: () => port?.link ?? false,
      changed: () => this.interrupts.raise(R.ICR_LSC),
    })
    if (port) {
      port.receive = (frame, time) => this.arrivals.add(frame, time)
      port.linkChanged = () => this.phy.cableChanged()
    }
    const read = (offset: number, size: AccessSize) => this.readWindow(offset, size)
    const write = (offset: number, value: number, size: AccessSize) => this.writeWindow(offset, value, size)
    this.window = { name: `${name} registers`, size: R.REGISTER_SPACE, width: 4, read, write }
    this.ioWindow = {
      name: `${name} ports`,
      count: IO_PORTS,
      width: 4,
      read: (offset, size) => this.readIo(offset, size),
      write: (offset, value, size) => this.writeIo(offset, value, size),
    }
    this.reset()
  }

  /** RST#: all of it. What is on the wire stays there. */
  reset(): void {
    this.eeprom.reset()
    this.phy.reset()
    this.ioAddress = 0
    this.resetController()
  }

  /** CTRL.RST, too: the PHY and its link stay as they are. */
  private resetController(): void {
    const { registers } = this
    registers.fill(0)
    registers[R.CTRL >> 2] = R.CTRL_DEFAULT
    registers[R.VET >> 2] = 0x8100
    this.shareBuffer(this.options.model.receiveBuffer)
    registers[R.RXCSUM >> 2] = 0
    registers[R.LEDCTL >> 2] = 0x0706_0302
    const [low, middle, high] = [0, 1, 2].map((word) => this.eeprom.word(word))
    registers[R.RAL >> 2] = low | (middle << 16)
    registers[R.RAH >> 2] = R.RAH_AV | high
    this.interrupts.reset()
    this.transmit.reset()
    this.receive.reset()
  }

  /** Transmitters have what receivers leave of the packet buffer. */
  private shareBuffer(wanted: number): void {
    const { packetBuffer } = this.options.model
    const receive = Math.min(Math.max(wanted, 8), packetBuffer - 8)
    this.registers[R.PBA >> 2] = ((packetBuffer - receive) << 16) | receive
  }

  private get isLinked(): boolean {
    return this.phy.up && (this.registers[R.CTRL >> 2] & R.CTRL_SLU) !== 0
  }

  private get isLoopback(): boolean {
    return this.phy.loopback || (this.registers[R.RCTL >> 2] & R.RCTL_LBM) !== 0
  }

  private send(frame: Uint8Array, time: number): void {
    if (this.isLoopback) this.receive.receive(frame)
    else if (this.isLinked) this.options.port?.send(frame, time)
  }

  // Accesses: registers are doublewords

  private readWindow(offset: number, size: AccessSize): number {
    const value = this.readRegister(offset & ~3)
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff)
  }

  private writeWindow(offset: number, value: number, size: AccessSize): void {
    if (size === 4) this.writeRegister(offset, value)
    else this.options.warn(`${this.name}: a write of ${size} bytes, where registers take four`, offset)
  }

  private readIo(offset: number, size: AccessSize): number {
    const at = offset & ~3
    const value = at === 0 ? this.ioAddress : at === IODATA ? this.readRegister(this.ioAddress & ~3) : 0
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff)
  }

  private writeIo(offset: number, value: number, size: AccessSize): void {
    if (size !== 4) this.options.warn(`${this.name}: a write of ${size} bytes to a port, where it takes four`, offset)
    else if (offset === 0) this.ioAddress = value & (R.REGISTER_SPACE - 1)
    else if (offset === IODATA) this.writeRegister(this.ioAddress & ~3, value)
  }

  private readRegister(offset: number): number {
    const { registers } = this
    if (this.master.isSelf) return 0xffff_ffff
    switch (offset) {
      case R.STATUS:
        return R.STATUS_FD | R.STATUS_SPEED_1000 | (this.isLinked ? R.STATUS_LU : 0) | this.expressStatus
      case R.EECD:
        return this.eeprom.readControl()
      case R.EERD:
        return this.eeprom.readWord()
      case R.ICR:
        return this.interrupts.take()
      case R.IMS:
        return this.interrupts.masked
      case R.ICS:
      case R.IMC:
        return 0
    }
    if (offset >= R.STATISTICS && offset < R.STATISTICS_END) {
      const value = registers[offset >> 2]
      registers[offset >> 2] = 0
      return value
    }
    if (this.options.model.isExpress) {
      if (offset === R.EEWR) return this.eeprom.written
      if (offset === R.EEMNGCTL) return CONFIGURATION_DONE
      if (offset === R.SWSM) return this.readSemaphore()
    }
    if (offset === R.MDIC || this.map.known[offset >> 2]) return registers[offset >> 2]
    this.options.warn(`${this.name}: read of a register that it does not have`, offset)
    return 0
  }

  /** Bit 19: it still accesses memory, unless it was told to leave that. */
  private get expressStatus(): number {
    const isMaster = this.options.model.isExpress && !(this.registers[R.CTRL >> 2] & R.CTRL_GIO_MASTER_DISABLE)
    return isMaster ? R.STATUS_GIO_MASTER_ENABLE : 0
  }

  /** Whoever reads that the semaphore is free has it. */
  private readSemaphore(): number {
    const value = this.registers[R.SWSM >> 2]
    this.registers[R.SWSM >> 2] = value | R.SWSM_SMBI
    return value
  }

  private writeRegister(offset: number, value: number): void {
    if (this.master.isSelf) return
    switch (offset) {
      case R.CTRL:
        this.writeControl(value)
        return
      case R.EECD:
        this.eeprom.writeControl(value)
        return
      case R.EERD:
        this.eeprom.startRead(value)
        return
      case R.MDIC:
        this.writeManagement(value)
        return
      case R.ICR:
        this.interrupts.acknowledge(value)
        return
      case R.ICS:
        this.interrupts.raise(value)
        return
      case R.IMS:
        this.interrupts.enable(value)
        return
      case R.IMC:
        this.interrupts.disable(value)
        return
    }
    if (this.options.model.isExpress && offset === R.EEWR) {
      this.eeprom.startWrite(value)
      return
    }
    if (!this.map.known[offset >> 2]) {
      this.options.warn(`${this.name}: write of a register that it does not have`, offset)
      return
    }
    this.registers[offset >> 2] = value & this.map.writable[offset >> 2]
    this.written(offset, value)
  }

  /** What follows from a register that keeps what is written. */
  private written(offset: number, value: number): void {
    switch (offset) {
      case R.CTRL_EXT:
        if (value & R.CTRL_EXT_EE_RST) this.registers[offset >> 2] &= ~R.CTRL_EXT_EE_RST
        return
      case R.PBA:
        this.shareBuffer(value & 0x3f)
        return
      case R.RDTR:
      case R.TIDV:
        this.interrupts.delayWritten(offset, value)
        return
      case R.TCTL:
      case R.TDT:
        this.transmit.start()
        return
      case R.RCTL:
      case R.RDT:
        this.receive.start()
    }
  }

  private writeControl(value: number): void {
    if (value & R.CTRL_PHY_RST) this.phy.reset()
    if (value & R.CTRL_RST) {
      this.resetController()
      return
    }
    const before = this.isLinked
    this.registers[R.CTRL >> 2] = value & ~R.CTRL_PHY_RST
    if (this.isLinked !== before) this.interrupts.raise(R.ICR_LSC)
  }

  /** MDIC: the PHY's registers. */
  private writeManagement(value: number): void {
    const operation = (value >>> 26) & 3
    const register = (value >>> 16) & 0x1f
    let result = (value & ~R.MDIC_ERROR) | R.MDIC_READY
    if (((value >>> 21) & 0x1f) !== PHY_ADDRESS) result |= R.MDIC_ERROR
    else if (operation === 1) this.phy.write(register, value & 0xffff)
    else if (operation === 2) result = (result & ~0xffff) | this.phy.read(register)
    this.registers[R.MDIC >> 2] = result
    if (value & R.MDIC_INTERRUPT) this.interrupts.raise(R.ICR_MDAC)
  }

  /** The function may be master of the bus, or may no longer. */
  masterChanged(): void {
    this.transmit.start()
    this.receive.start()
  }
}

function e1000Type(model: E1000Model) {
  const { type, title, deviceId, revision, isExpress } = model
  return networkCardType({
    ...{ type, title, rom: 'efi-e1000.rom' },
    create(slot, given) {
      const pci = slot.pci({
        ...{ vendorId: 0x8086, deviceId, revision },
        ...{ classCode: 0x020000, interruptPin: 1 },
        changed: () => card?.masterChanged(),
      })
      const card: E1000 = new E1000({ ...given, memory: slot.memory, model, pci })
      pci.addMemoryBar(0, card.window)
      pci.addIoBar(isExpress ? 2 : 1, card.ioWindow)
      if (isExpress) addExpressCapabilities(pci)
      return { card, pci }
    },
  })
}

const EXPRESS_CAPABILITY = 0x10
/** Version 1, an endpoint of the root complex: it hangs on no link of its own. */
const ROOT_ENDPOINT = 0x0091

function addExpressCapabilities(pci: PciFunction): void {
  pci.addMsi()
  pci.set16(pci.addCapability(EXPRESS_CAPABILITY, 20) + 2, ROOT_ENDPOINT)
}

export const e1000 = e1000Type(Models.e1000)
export const e1000_82544gc = e1000Type(Models.e1000_82544gc)
export const e1000_82545em = e1000Type(Models.e1000_82545em)
export const e1000_82573l = e1000Type(Models.e1000_82573l)
