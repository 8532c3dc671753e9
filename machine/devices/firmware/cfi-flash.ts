/**
 * A NOR flash chip with Intel's command set, in which UEFI firmware keeps its variables: QEMU's `cfi.pflash01`, 8 bits wide.
 * Data sheets: Intel AP-646 (292204), "Common Flash Interface and Command Sets"; Intel 28F640J3, tables 4 and 16 to 20.
 *
 * Reads come here as well as writes, since commands are many and reads few; code is not meant to run from it.
 */
import type { AccessSize, Device, MmioRange, StateTable, Warn } from '../../device.js'
import { bytes, starts, u8, u16, u32 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'

/** Commands, by the names of the data sheet. */
const PROGRAM = 0x10
const BLOCK_ERASE = 0x20
const PROGRAM_ALTERNATE = 0x40
const CLEAR_STATUS = 0x50
const BLOCK_LOCK = 0x60
const READ_STATUS = 0x70
const READ_ID = 0x90
const CFI_QUERY = 0x98
const CONFIRM = 0xd0
const WRITE_TO_BUFFER = 0xe8
const READ_ARRAY = 0xff
/** Status register. */
const READY = 0x80
const COMMAND_SEQUENCE_ERROR = 0x30
/** QEMU's, which says no manufacturer. */
const IDENTIFIERS = [0, 0]
/** Bytes of an erase block, as QEMU's `pc` has it. */
export const FLASH_BLOCK = 4096
/** The write buffer: 2^n bytes. */
const BUFFER_LOG2 = 8
const QUERY_AT = 0x10

/** What the chip does with the next write. */
const CYCLE = { command: 0, data: 1, count: 2, buffer: 3, confirm: 4 } as const

export interface CfiFlashOptions {
  name: string
  /** Guest-physical address of its first byte. */
  base: number
  /** What it holds at power-on; whole blocks. The chip keeps it. */
  contents: Uint8Array
  warn: Warn
}

export class CfiFlash implements Device {
  readonly name: string
  readonly state: StateTable
  readonly mmio: readonly MmioRange[]
  private readonly contents: Uint8Array
  private readonly query: Uint8Array
  private readonly warn: Warn
  private command = READ_ARRAY
  private status = READY
  private cycle: number = CYCLE.command
  /** Bytes that the write buffer still takes. */
  private left = 0
  /** Where the block of a command is. */
  private block = 0

  constructor({ name, base, contents, warn }: CfiFlashOptions) {
    if (contents.length === 0 || contents.length % FLASH_BLOCK !== 0)
      throw new Error(`flash of ${contents.length} bytes: whole blocks of ${FLASH_BLOCK} are possible`)
    this.name = name
    this.contents = contents
    this.warn = warn
    this.query = queryTable(contents.length)
    this.state = {
      contents: bytes(contents.length),
      ...{ command: starts(u8, READ_ARRAY), status: starts(u8, READY), cycle: starts(u8, CYCLE.command) },
      ...{ left: starts(u16, 0), block: starts(u32, 0) },
    }
    this.mmio = [
      {
        name,
        base,
        size: contents.length,
        width: 4,
        read: (offset, size) => this.read(offset, size),
        write: (offset, value, size) => {
          for (let i = 0; i < size; i++) this.write(offset + i, (value >>> (i * 8)) & 0xff)
        },
      },
    ]
  }

  reset(): void {
    resetState(this)
  }

  private read(offset: number, size: AccessSize): number {
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.readByte(offset + i)
    return value
  }

  private readByte(offset: number): number {
    switch (this.command) {
      case READ_ARRAY:
        return this.contents[offset]
      case READ_ID:
        return IDENTIFIERS[offset & 0xff] ?? 0
      case CFI_QUERY:
        return this.query[(offset & 0xff) - QUERY_AT] ?? 0
      default:
        return this.status
    }
  }

  private write(offset: number, value: number): void {
    switch (this.cycle) {
      case CYCLE.command:
        this.begin(offset, value)
        break
      case CYCLE.data:
        this.second(offset, value)
        break
      case CYCLE.count:
        this.left = value + 1
        this.cycle = this.left <= 1 << BUFFER_LOG2 ? CYCLE.buffer : this.fail()
        break
      case CYCLE.buffer:
        this.program(offset, value)
        if (--this.left === 0) this.cycle = CYCLE.confirm
        break
      case CYCLE.confirm:
        this.cycle = value === CONFIRM ? this.done() : this.fail()
        break
    }
  }

  private begin(offset: number, value: number): void {
    this.command = value
    switch (value) {
      case 0x00:
      case 0xf0:
      case READ_ARRAY:
        this.command = READ_ARRAY
        break
      case CLEAR_STATUS:
        // All of it, as on QEMU: OVMF takes a chip for flash by a status of zero.
        this.status = 0
        this.command = READ_ARRAY
        break
      case READ_STATUS:
      case READ_ID:
      case CFI_QUERY:
        break
      case PROGRAM:
      case PROGRAM_ALTERNATE:
      case BLOCK_ERASE:
      case BLOCK_LOCK:
        this.block = offset - (offset % FLASH_BLOCK)
        this.cycle = CYCLE.data
        break
      case WRITE_TO_BUFFER:
        this.status |= READY
        this.cycle = CYCLE.count
        break
      default:
        this.warn(`flash command ${value.toString(16)} does not exist`, offset)
        this.command = READ_ARRAY
    }
  }

  private second(offset: number, value: number): void {
    switch (this.command) {
      case PROGRAM:
      case PROGRAM_ALTERNATE:
        this.program(offset, value)
        this.cycle = this.done()
        break
      case BLOCK_ERASE:
        if (value === CONFIRM) this.contents.fill(0xff, this.block, this.block + FLASH_BLOCK)
        this.cycle = value === CONFIRM ? this.done() : this.fail()
        break
      default:
        // Locks are not kept: 01h sets one, D0h clears it.
        this.cycle = value === 0x01 || value === CONFIRM ? this.done() : this.fail()
    }
  }

  /** Programming clears bits; only erasing sets them. */
  private program(offset: number, value: number): void {
    this.contents[offset] &= value
  }

  private done(): number {
    this.status |= READY
    return CYCLE.command
  }

  private fail(): number {
    this.status |= READY | COMMAND_SEQUENCE_ERROR
    return CYCLE.command
  }
}

/** AP-646, tables 6 to 9, from the offset 10h on. */
function queryTable(size: number): Uint8Array {
  const blocks = size / FLASH_BLOCK - 1
  const table = new Uint8Array(0x21)
  table.set(Buffer.from('QRY'))
  // Intel's extended command set, without an extended table.
  table.set([1, 0], 3)
  // Voltages, then the times of a byte, of a buffer, of a block: typical and at most, 2^n µs and ms.
  table.set([0x45, 0x55, 0, 0, 7, 7, 10, 0, 4, 4, 4, 0], 0x0b)
  table.set([Math.ceil(Math.log2(size)), 0, 0, BUFFER_LOG2, 0, 1], 0x17)
  table.set([blocks & 0xff, blocks >> 8, (FLASH_BLOCK >> 8) & 0xff, FLASH_BLOCK >> 16], 0x1d)
  return table
}
