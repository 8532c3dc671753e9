/**
 * The two 8237A DMA controllers of an AT: channels 0 to 3 move bytes, 5 to 7 words, 4 cascades the first controller.
 *
 * Intel 8237A data sheet (231466), "Register description"; page registers: 82371SB (PIIX3) data sheet, section 2.5.1.
 * A device pushes or pulls whole bursts through `channel(n)`; each burst counts as one DREQ held until it is done.
 * Departures shared with QEMU: memory-to-memory transfers and priorities do not exist, and channel 4 need not be in
 * cascade mode for channels 0 to 3 to work.
 */
import type { Device, PhysicalMemory, PortRange, StateTable, Warn } from '../device.js'
import { bytes, flag, list, starts, u8, u16 } from '../state/fields.js'
import { part, resetState } from '../state/state-table.js'

export interface DmaResult {
  /** Bytes moved; fewer than asked when the count ran out, 0 when the channel is masked or disabled. */
  transferred: number
  /** The terminal count was reached by this transfer (the TC pin was pulsed). */
  terminalCount: boolean
}

/** One DMA channel as its device sees it. */
export interface DmaChannel {
  /** device to memory */
  write(data: Uint8Array): DmaResult
  /** memory to device */
  read(into: Uint8Array): DmaResult
}

// Command register
const COMMAND_DISABLE = 0x04
const COMMAND_MEMORY_TO_MEMORY = 0x01
// Mode register
const MODE_TYPE = 0x0c
const MODE_VERIFY = 0x00
const MODE_WRITE = 0x04
const MODE_READ = 0x08
const MODE_AUTO_INITIALIZE = 0x10
const MODE_DECREMENT = 0x20

// Registers after the eight address and count registers
const REG_STATUS_COMMAND = 0x8
const REG_REQUEST = 0x9
const REG_SINGLE_MASK = 0xa
const REG_MODE = 0xb
const REG_CLEAR_BYTE_POINTER = 0xc
const REG_MASTER_CLEAR = 0xd
const REG_CLEAR_MASK = 0xe
const REG_ALL_MASK = 0xf

/** Offset from port 80h of the page register of channels 0 to 7. */
const PAGE_OF_CHANNEL = [0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa]

export interface I8237Options {
  memory: PhysicalMemory
  warn?: Warn
  /** Port 80h is the first page register, unused, and the POST code display. */
  postCode?: (code: number) => void
}

const CHANNEL: StateTable = {
  ...{ baseAddress: u16, baseCount: u16, currentAddress: u16, currentCount: u16 },
  ...{ mode: u8, dreq: flag },
}

/** A channel with what only the board and its own device ask. */
export class I8237Channel implements DmaChannel {
  readonly state = CHANNEL
  baseAddress = 0
  baseCount = 0
  currentAddress = 0
  currentCount = 0
  mode = 0
  /** The device's DREQ pin. */
  dreq = false
  /** Called when the guest unmasks the channel or enables its controller, so that a waiting device may go on. */
  onReady: (() => void) | undefined

  constructor(
    private readonly controller: Controller,
    /** 0 to 3 in its controller. */
    private readonly index: number,
    private readonly pages: Uint8Array,
    private readonly pageIndex: number,
    private readonly options: I8237Options,
  ) {}

  /** Whether a request would be served now. */
  get ready(): boolean {
    return (this.controller.mask & (1 << this.index)) === 0 && (this.controller.command & COMMAND_DISABLE) === 0
  }

  /** Bytes until terminal count. */
  get remaining(): number {
    return (this.currentCount + 1) << this.controller.shift
  }

  /** Drives DREQ; only the status register shows it. */
  setRequest(level: boolean): void {
    this.dreq = level
  }

  write(data: Uint8Array): DmaResult {
    return this.transfer(data, MODE_WRITE)
  }

  read(into: Uint8Array): DmaResult {
    return this.transfer(into, MODE_READ)
  }

  private transfer(buffer: Uint8Array, wanted: number): DmaResult {
    const { shift } = this.controller
    const type = this.mode & MODE_TYPE
    const result: DmaResult = { transferred: 0, terminalCount: false }
    if (!this.ready) return result
    if (type !== wanted && type !== MODE_VERIFY) {
      this.options.warn?.('DMA transfer against the direction in the mode register', this.mode)
    }
    if (type !== wanted && wanted === MODE_READ) buffer.fill(0xff)

    // One pass ends at the end of the buffer, at terminal count, or where the 16-bit address wraps.
    const units = buffer.length >> shift
    let done = 0
    while (done < units) {
      const down = (this.mode & MODE_DECREMENT) !== 0
      const untilWrap = down ? this.currentAddress + 1 : 0x10000 - this.currentAddress
      const n = Math.min(units - done, this.currentCount + 1, untilWrap)
      if (type === wanted) this.move(buffer, done << shift, n, wanted, down)
      done += n
      this.currentAddress = (down ? this.currentAddress - n : this.currentAddress + n) & 0xffff
      this.currentCount -= n
      if (this.currentCount >= 0) continue
      this.controller.terminalCount |= 1 << this.index
      this.controller.request &= ~(1 << this.index)
      result.terminalCount = true
      if (this.mode & MODE_AUTO_INITIALIZE) {
        this.currentAddress = this.baseAddress
        this.currentCount = this.baseCount
      } else {
        this.currentCount = 0xffff
        this.controller.mask |= 1 << this.index
      }
      break
    }
    result.transferred = done << shift
    return result
  }

  /** Moves `n` units at the current address; they do not cross the address wrap. */
  private move(buffer: Uint8Array, from: number, n: number, wanted: number, down: boolean): void {
    const { memory } = this.options
    const { shift } = this.controller
    // On channels 5 to 7 the controller drives A16 to A1, so bit 0 of the page is not connected.
    const page = (shift ? this.pages[this.pageIndex] & 0xfe : this.pages[this.pageIndex]) << 16
    const bytes = n << shift
    if (!down) {
      const slice = buffer.subarray(from, from + bytes)
      const address = page + (this.currentAddress << shift)
      if (wanted === MODE_WRITE) memory.write(address, slice)
      else memory.read(address, slice)
      return
    }
    for (let i = 0; i < n; i++) {
      const unit = buffer.subarray(from + (i << shift), from + ((i + 1) << shift))
      const address = page + ((this.currentAddress - i) << shift)
      if (wanted === MODE_WRITE) memory.write(address, unit)
      else memory.read(address, unit)
    }
  }
}

const CONTROLLER: StateTable = {
  ...{ command: starts(u8, 0), request: starts(u8, 0), mask: starts(u8, 0x0f), terminalCount: starts(u8, 0) },
  highByte: starts(flag, false),
  channels: list(part(), 4),
}

/** One 8237A; `shift` 1 makes it the word-wide one, whose registers are two ports apart. */
class Controller {
  readonly state = CONTROLLER
  readonly channels: I8237Channel[]
  command = 0
  /** Software requests, bits 3:0. */
  request = 0
  mask = 0x0f
  /** Status bits 3:0. */
  terminalCount = 0
  /** The byte pointer flip-flop: the next access is to the high byte. */
  highByte = false

  constructor(
    readonly shift: 0 | 1,
    pages: Uint8Array,
    private readonly options: I8237Options,
  ) {
    const first = shift ? 4 : 0
    this.channels = [0, 1, 2, 3].map((i) => new I8237Channel(this, i, pages, PAGE_OF_CHANNEL[first + i], options))
  }

  read(register: number): number {
    if (register < 8) {
      const channel = this.channels[register >> 1]
      const value = register & 1 ? channel.currentCount : channel.currentAddress
      this.highByte = !this.highByte
      return this.highByte ? value & 0xff : value >> 8
    }
    switch (register) {
      case REG_STATUS_COMMAND: {
        let status = this.terminalCount | (this.request << 4)
        for (let i = 0; i < 4; i++) if (this.channels[i].dreq) status |= 0x10 << i
        this.terminalCount = 0
        return status
      }
      case REG_ALL_MASK:
        return this.mask
      default:
        // The temporary register (0Dh) only ever holds something after a memory-to-memory transfer.
        return 0
    }
  }

  write(register: number, value: number): void {
    if (register < 8) {
      const channel = this.channels[register >> 1]
      const old = register & 1 ? channel.baseCount : channel.baseAddress
      const next = this.highByte ? (old & 0x00ff) | (value << 8) : (old & 0xff00) | value
      this.highByte = !this.highByte
      if (register & 1) channel.baseCount = channel.currentCount = next
      else channel.baseAddress = channel.currentAddress = next
      return
    }
    const bit = 1 << (value & 3)
    switch (register) {
      case REG_STATUS_COMMAND: {
        if (value & COMMAND_MEMORY_TO_MEMORY) this.options.warn?.('8237 memory-to-memory transfer', value)
        const enabled = this.command & ~value & COMMAND_DISABLE
        this.command = value
        if (enabled) this.announce(0x0f)
        break
      }
      case REG_REQUEST:
        if (value & 4) this.request |= bit
        else this.request &= ~bit
        break
      case REG_SINGLE_MASK:
        this.setMask(value & 4 ? this.mask | bit : this.mask & ~bit)
        break
      case REG_MODE:
        this.channels[value & 3].mode = value
        break
      case REG_CLEAR_BYTE_POINTER:
        this.highByte = false
        break
      case REG_MASTER_CLEAR:
        this.reset()
        break
      case REG_CLEAR_MASK:
        this.setMask(0)
        break
      case REG_ALL_MASK:
        this.setMask(value & 0x0f)
        break
    }
  }

  private setMask(mask: number): void {
    const unmasked = this.mask & ~mask
    this.mask = mask
    if (unmasked && !(this.command & COMMAND_DISABLE)) this.announce(unmasked)
  }

  private announce(channels: number): void {
    for (let i = 0; i < 4; i++) if (channels & ~this.mask & (1 << i)) this.channels[i].onReady?.()
  }

  /** Master clear and RESET do the same; addresses, counts and modes survive. */
  reset(): void {
    resetState(this)
  }
}

const PAIR: StateTable = { bytes: part(), words: part(), pages: starts(bytes(16), 0), highPages: starts(bytes(16), 0) }

export class I8237Pair implements Device {
  readonly name = 'i8257'
  readonly state = PAIR
  readonly ports: readonly PortRange[]
  private readonly pages = new Uint8Array(16)
  /** EISA-style high pages: kept for software that probes them, no part of an address (PIIX3 has 24 bits). */
  private readonly highPages = new Uint8Array(16)
  private readonly bytes: Controller
  private readonly words: Controller

  constructor(options: I8237Options) {
    const { pages, highPages } = this
    this.bytes = new Controller(0, pages, options)
    this.words = new Controller(1, pages, options)
    const { bytes, words } = this
    this.ports = [
      {
        name: 'DMA 1',
        base: 0x00,
        count: 16,
        read: (offset) => bytes.read(offset),
        write: (offset, value) => bytes.write(offset, value),
      },
      {
        name: 'DMA 2',
        base: 0xc0,
        count: 32,
        read: (offset) => words.read(offset >> 1),
        write: (offset, value) => words.write(offset >> 1, value),
      },
      {
        name: 'DMA pages',
        base: 0x80,
        count: 16,
        read: (offset) => pages[offset],
        write: (offset, value) => {
          pages[offset] = value
          if (offset === 0) options.postCode?.(value)
        },
      },
      {
        name: 'DMA high pages',
        base: 0x480,
        count: 16,
        read: (offset) => highPages[offset],
        write: (offset, value) => {
          highPages[offset] = value
        },
      },
    ]
  }

  /** Channel 0 to 7 (4 is the cascade and has no device). */
  channel(n: number): I8237Channel {
    return n < 4 ? this.bytes.channels[n] : this.words.channels[n & 3]
  }

  reset(): void {
    this.bytes.reset()
    this.words.reset()
    resetState(this)
  }
}
