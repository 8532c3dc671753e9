/**
 * QEMU's firmware configuration device (fw_cfg), x86 I/O-port form: how SeaBIOS and guests learn what the machine is.
 * Specification: QEMU docs/specs/fw_cfg (selector, data and DMA registers, file directory).
 *
 * The contents are numbered items. Items 0x00 to 0x1f and those with the arch-local bit have fixed meanings; named
 * files get the numbers from 0x20 on and are listed in the directory, item 0x19.
 * The file is longer than others, because selector, data and DMA all read the one list of items.
 */
import type { Clock, Timer } from '../../clock.js'
import type { AccessSize, AcpiDevice, Device, PhysicalMemory, PortRange, StateTable, Warn } from '../../device.js'
import { PRESENT_HIDDEN } from '../../firmware/tables/acpi-device.js'
import * as aml from '../../firmware/tables/aml.js'
import { bytes, count, dictionary, orNone, record, starts, timer, u16, u32 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'

/** Fixed item numbers. */
export const FW_CFG = {
  SIGNATURE: 0x00,
  ID: 0x01,
  UUID: 0x02,
  RAM_SIZE: 0x03,
  NOGRAPHIC: 0x04,
  NB_CPUS: 0x05,
  MACHINE_ID: 0x06,
  KERNEL_ADDR: 0x07,
  KERNEL_SIZE: 0x08,
  KERNEL_CMDLINE: 0x09,
  INITRD_ADDR: 0x0a,
  INITRD_SIZE: 0x0b,
  BOOT_DEVICE: 0x0c,
  NUMA: 0x0d,
  BOOT_MENU: 0x0e,
  MAX_CPUS: 0x0f,
  KERNEL_ENTRY: 0x10,
  KERNEL_DATA: 0x11,
  INITRD_DATA: 0x12,
  CMDLINE_ADDR: 0x13,
  CMDLINE_SIZE: 0x14,
  CMDLINE_DATA: 0x15,
  SETUP_ADDR: 0x16,
  SETUP_SIZE: 0x17,
  SETUP_DATA: 0x18,
  FILE_DIR: 0x19,
  FILE_FIRST: 0x20,
  /** x86 (arch-local) items. */
  ACPI_TABLES: 0x8000,
  SMBIOS_ENTRIES: 0x8001,
  IRQ0_OVERRIDE: 0x8002,
  E820_TABLE: 0x8003,
} as const

/** Selector bits beside the item number. */
const WRITE_CHANNEL = 0x4000
const INVALID = 0xffff

/** Interface revision and features, item 0x01. */
const ID_TRADITIONAL = 0x01
const ID_DMA = 0x02

/** FWCfgDmaAccess.control. */
const DMA_CTL_ERROR = 0x01
const DMA_CTL_READ = 0x02
const DMA_CTL_SKIP = 0x04
const DMA_CTL_SELECT = 0x08
const DMA_CTL_WRITE = 0x10

/** What reads of the DMA address register return: "QEMU CFG", in memory order. */
const DMA_SIGNATURE = [0x51, 0x45, 0x4d, 0x55, 0x20, 0x43, 0x46, 0x47]

/** Bytes of a file name in the directory, with its terminating NUL. */
const NAME_BYTES = 56
const DIRECTORY_ENTRY_BYTES = 64
const LAST_FILE = 0x3fff
const ZEROS = new Uint8Array(65536)

/** What a transfer takes: the descriptor, and bytes a ns. */
const DMA_NS = 1000
const BYTES_PER_NS = 4
/** What is done at once; a longer run of zeros goes on by the clock, so that no transfer keeps the host long. */
const DMA_PIECE = 16 << 20

/** Contents of an item: bytes, or several runs of bytes that read as one (so that a kernel need not be copied). */
export type FwCfgContents = Uint8Array | readonly Uint8Array[]

/** A file that is made when the guest selects it, or that the guest may write. */
export interface FwCfgSource {
  /** Contents at first, or what makes them when the guest first asks for them or their size; default empty. */
  readonly data?: FwCfgContents | (() => FwCfgContents)
  /** Called when the guest selects the item; what it returns replaces the contents. */
  select?(): FwCfgContents | undefined
  /** Makes the item writable through DMA. Called after `length` bytes at `offset` of `data` have changed. */
  write?(offset: number, length: number, data: Uint8Array): void
}

export interface FwCfgFile {
  readonly name: string
  /** The number the guest selects it by. */
  readonly selector: number
  /** Bytes. */
  readonly size: number
}

class Item {
  private contents: readonly Uint8Array[] | undefined

  constructor(
    readonly name: string,
    readonly source: FwCfgSource,
  ) {
    if (typeof source.data !== 'function') this.parts = this.first()
  }

  get parts(): readonly Uint8Array[] {
    this.contents ??= this.first()
    return this.contents
  }

  set parts(parts: readonly Uint8Array[]) {
    this.contents = parts
  }

  get length(): number {
    return this.parts.reduce((sum, part) => sum + part.length, 0)
  }

  set(contents: FwCfgContents): void {
    this.parts = contents instanceof Uint8Array ? [contents] : contents
  }

  private first(): readonly Uint8Array[] {
    const { data = [], write } = this.source
    const made = typeof data === 'function' ? data() : data
    // A writable item owns its bytes: the guest's writes must not reach the caller's array.
    if (write) return [join(made)]
    return made instanceof Uint8Array ? [made] : made
  }

  byteAt(offset: number): number {
    let rest = offset
    for (const part of this.parts) {
      if (rest < part.length) return part[rest]
      rest -= part.length
    }
    return 0
  }

  /** Copies `length` bytes from `offset` on to guest memory; the caller has checked that they exist. */
  copyTo(memory: PhysicalMemory, address: number, offset: number, length: number): void {
    let skip = offset
    let to = address
    let left = length
    for (const part of this.parts) {
      if (left === 0) return
      if (skip >= part.length) {
        skip -= part.length
        continue
      }
      const count = Math.min(left, part.length - skip)
      memory.write(to, part.subarray(skip, skip + count))
      to += count
      left -= count
      skip = 0
    }
  }
}

/** Joins what may be in several runs into one fresh array. */
function join(contents: FwCfgContents): Uint8Array {
  const parts = contents instanceof Uint8Array ? [contents] : contents
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

const FIRST_PORT = 0x510

const STATE: StateTable = {
  ...{ selector: u16, offset: count, dmaHigh: starts(u32, 0) },
  /** A transfer that is not done. */
  filling: starts(orNone(record({ at: count, address: count, left: count })), null),
  made: dictionary(bytes(0, 1 << 30)),
  timer: starts(timer, null),
}

export class FwCfg implements Device {
  readonly name = 'fw_cfg'
  readonly state = STATE
  readonly ports: readonly PortRange[]

  private readonly memory: PhysicalMemory
  private readonly warn: Warn
  private readonly items = new Map<number, Item>()
  private readonly fileSelectors = new Map<string, number>()

  private selector = 0
  private current: Item | undefined
  private offset = 0
  /** High half of the DMA address register; the write of the low half starts the transfer. */
  private dmaHigh = 0
  /** Zeros that are still to be written, and the descriptor that says at the end that it is done. */
  private filling: { at: number; address: number; left: number } | undefined
  private readonly clock: Clock
  private readonly timer: Timer

  constructor(options: { memory: PhysicalMemory; clock: Clock; warn: Warn }) {
    this.memory = options.memory
    this.clock = options.clock
    this.timer = options.clock.timer('fw_cfg DMA', () => this.fillOn())
    this.warn = options.warn
    this.addItem(FW_CFG.SIGNATURE, new Uint8Array([0x51, 0x45, 0x4d, 0x55])) // "QEMU": what drivers look for
    this.addInteger(FW_CFG.ID, ID_TRADITIONAL | ID_DMA, 4)
    this.addItem(FW_CFG.FILE_DIR, { select: () => this.directory() })
    this.ports = [
      {
        name: 'fw_cfg',
        base: FIRST_PORT,
        count: 2,
        width: 2,
        read: (_offset, size) => this.readData(size),
        write: (offset, value, size) => this.writeSelector(offset, value, size),
      },
      {
        name: 'fw_cfg DMA',
        base: 0x514,
        count: 8,
        width: 4,
        read: (offset, size) => this.readDmaSignature(offset, size),
        write: (offset, value, size) => this.writeDmaAddress(offset, value, size),
      },
    ]
    this.reset()
  }

  // ---- What the board puts in ------------------------------------------------------------------------------------

  /** Sets a numbered item, replacing what was there. */
  addItem(selector: number, contents: FwCfgContents | FwCfgSource): void {
    this.items.set(selector, new Item(`item 0x${selector.toString(16)}`, asSource(contents)))
  }

  /** Sets a numbered item to a little-endian integer of `bytes` bytes. */
  addInteger(selector: number, value: number | bigint, bytes: 1 | 2 | 4 | 8): void {
    this.addItem(selector, littleEndian(value, bytes))
  }

  /** Sets a numbered item to a string with its terminating NUL. */
  addString(selector: number, text: string): void {
    this.addItem(selector, terminated(text))
  }

  /**
   * Adds a named file and returns its number.
   * Throws a RangeError for a name that is taken, empty, not ASCII or longer than 55 characters.
   */
  addFile(name: string, contents: FwCfgContents | FwCfgSource): number {
    if (!/^[\x20-\x7e]+$/.test(name) || name.length >= NAME_BYTES)
      throw new RangeError(`fw_cfg file name '${name}' must be 1 to ${NAME_BYTES - 1} ASCII characters`)
    if (this.fileSelectors.has(name)) throw new RangeError(`fw_cfg already has a file '${name}'`)
    const selector = FW_CFG.FILE_FIRST + this.fileSelectors.size
    if (selector > LAST_FILE) throw new RangeError('fw_cfg has no room for more files')
    this.items.set(selector, new Item(name, asSource(contents)))
    this.fileSelectors.set(name, selector)
    return selector
  }

  /** Adds a file that holds a little-endian integer. */
  addIntegerFile(name: string, value: number | bigint, bytes: 1 | 2 | 4 | 8): number {
    return this.addFile(name, littleEndian(value, bytes))
  }

  files(): FwCfgFile[] {
    return [...this.fileSelectors].map(([name, selector]) => ({
      name,
      selector,
      size: this.items.get(selector)?.length ?? 0,
    }))
  }

  /** A copy of the contents of a file (by name) or of an item (by number); undefined where there is none. */
  contents(which: string | number): Uint8Array | undefined {
    const selector = typeof which === 'string' ? this.fileSelectors.get(which) : which
    const item = selector === undefined ? undefined : this.items.get(selector)
    return item && join(item.source.select?.() ?? item.parts)
  }

  // ---- Selector and data registers, ports 0x510 and 0x511 -----------------------------------------------------------

  private writeSelector(offset: number, value: number, size: AccessSize): void {
    if (size === 2 && offset === 0) this.select(value & 0xffff)
    else this.warn('fw_cfg: write to the data register (writes go through DMA only)', 0x510 + offset)
  }

  private readData(size: AccessSize): number {
    if (size !== 1) {
      this.warn('fw_cfg: data register read with more than 8 bits', 0x510)
      return 0
    }
    const item = this.current
    if (item === undefined || this.offset >= item.length) return 0
    return item.byteAt(this.offset++)
  }

  private select(selector: number): void {
    this.offset = 0
    const item = this.items.get(selector & ~WRITE_CHANNEL)
    this.current = item
    this.selector = item === undefined ? INVALID : selector
    if (item === undefined) return // Guests probe for optional items: reads give zeros.
    const fresh = item.source.select?.()
    if (fresh !== undefined) item.set(item.source.write ? [join(fresh)] : fresh)
  }

  // ---- DMA, ports 0x514 to 0x51b (big-endian) -----------------------------------------------------------------------

  private readDmaSignature(offset: number, size: AccessSize): number {
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (DMA_SIGNATURE[offset + i] ?? 0)
    return value
  }

  private writeDmaAddress(offset: number, value: number, size: AccessSize): void {
    if (size !== 4) {
      this.warn('fw_cfg: DMA address written with less than 32 bits', 0x514 + offset)
      return
    }
    const half = swap32(value)
    if (offset === 0) {
      this.dmaHigh = half
    } else {
      const address = this.dmaHigh * 2 ** 32 + half
      this.dmaHigh = 0
      this.transfer(address)
    }
  }

  /** One FWCfgDmaAccess: u32 control, u32 length, u64 address, all big-endian. */
  private transfer(at: number): void {
    if (this.filling) {
      this.warn('fw_cfg: DMA address written before the transfer was done')
      return
    }
    this.clock.stall(DMA_NS)
    if (!Number.isSafeInteger(at)) {
      this.warn('fw_cfg: DMA descriptor above the address space')
      return
    }
    const { memory } = this
    const control = swap32(memory.read32(at))
    let length = swap32(memory.read32(at + 4))
    let address = swap32(memory.read32(at + 8)) * 2 ** 32 + swap32(memory.read32(at + 12))
    let error = !Number.isSafeInteger(address + length)

    if (control & DMA_CTL_SELECT) this.select(control >>> 16)
    const operation = control & (DMA_CTL_READ | DMA_CTL_WRITE | DMA_CTL_SKIP)
    if (operation === 0) length = 0
    // Where several are asked for, read goes before write, and write before skip.
    const read = (operation & DMA_CTL_READ) !== 0
    const write = !read && (operation & DMA_CTL_WRITE) !== 0

    const item = this.current
    const present = item === undefined ? 0 : Math.min(length, Math.max(0, item.length - this.offset))
    if (!error && item !== undefined && present > 0) {
      if (read) {
        item.copyTo(memory, address, this.offset, present)
        this.clock.stall(present / BYTES_PER_NS)
      } else if (write) {
        if (item.source.write === undefined || present !== length) error = true
        else this.writeItem(item, address, length)
      }
      this.offset += present
      address += present
      length -= present
    }
    if (!error && length > 0) {
      if (read) {
        this.filling = { at, address, left: length }
        this.fillOn()
        return
      }
      if (write) error = true
    }
    memory.write32(at, error ? swap32(DMA_CTL_ERROR) : 0)
  }

  private writeItem(item: Item, address: number, length: number): void {
    const data = item.parts[0]
    this.memory.read(address, data.subarray(this.offset, this.offset + length))
    item.source.write?.(this.offset, length, data)
  }

  /** What lies beyond an item's end, or in an item that does not exist, reads as zeros: the next piece of them. */
  private fillOn(): void {
    const { filling, memory } = this
    if (!filling) return
    const piece = Math.min(filling.left, DMA_PIECE)
    for (let done = 0; done < piece; done += ZEROS.length)
      memory.write(filling.address + done, ZEROS.subarray(0, Math.min(ZEROS.length, piece - done)))
    filling.address += piece
    filling.left -= piece
    if (filling.left > 0) {
      this.timer.at(this.clock.now() + piece / BYTES_PER_NS)
      return
    }
    this.filling = undefined
    this.clock.stall(piece / BYTES_PER_NS)
    memory.write32(filling.at, 0)
  }

  // ---- Directory, item 0x19 ---------------------------------------------------------------------------------------

  private directory(): Uint8Array {
    const bytes = new Uint8Array(4 + this.fileSelectors.size * DIRECTORY_ENTRY_BYTES)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, this.fileSelectors.size)
    let at = 4
    for (const file of this.files()) {
      view.setUint32(at, file.size)
      view.setUint16(at + 4, file.selector)
      for (let i = 0; i < file.name.length; i++) bytes[at + 8 + i] = file.name.charCodeAt(i)
      at += DIRECTORY_ENTRY_BYTES
    }
    return bytes
  }

  // ---- Reset and state --------------------------------------------------------------------------------------------

  reset(): void {
    this.select(FW_CFG.SIGNATURE)
    resetState(this)
  }

  acpi(): readonly AcpiDevice[] {
    return [
      {
        scope: 'isa',
        aml: aml.device(
          'FWCF',
          aml.named('_HID', aml.string('QEMU0002')),
          aml.named('_STA', aml.integer(PRESENT_HIDDEN)),
          aml.named('_CRS', aml.resources(aml.io(FIRST_PORT, 12))),
        ),
      },
    ]
  }

  /**
   * The contents of the selected item where it is made on selection, and of items the guest may write, by selector. The
   * others are the machine's configuration, which whoever loads a state has put in again.
   */
  get made(): { [selector: string]: Uint8Array } {
    const made: { [selector: string]: Uint8Array } = {}
    for (const [selector, item] of this.items) {
      if (item.source.write || (item === this.current && item.source.select)) made[selector] = join(item.parts)
    }
    return made
  }

  set made(contents: { [selector: string]: Uint8Array }) {
    for (const [selector, bytes] of Object.entries(contents)) this.items.get(Number(selector))?.set(bytes)
  }

  loaded(): void {
    this.current = this.selector === INVALID ? undefined : this.items.get(this.selector & ~WRITE_CHANNEL)
  }
}

function asSource(contents: FwCfgContents | FwCfgSource): FwCfgSource {
  return contents instanceof Uint8Array || Array.isArray(contents)
    ? { data: contents as FwCfgContents }
    : (contents as FwCfgSource)
}

/** The bytes of an integer, lowest first. */
export function littleEndian(value: number | bigint, bytes: 1 | 2 | 4 | 8): Uint8Array {
  const buffer = new Uint8Array(8)
  new DataView(buffer.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true)
  return buffer.slice(0, bytes)
}

/** The bytes of a string (UTF-8) and a NUL. */
export function terminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`)
}

function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}
