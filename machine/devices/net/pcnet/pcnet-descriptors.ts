/**
 * What the PCnet shares with its driver in memory: initialization block and descriptors, in the software styles of BCR20
 * (Am79C970A data sheet, "Buffer Management Unit" and "Descriptor Rings"). Whatever the style, a descriptor is read as
 * style 2 has it.
 */
import type { BusMaster } from '../../bus-master.js'

/** BCR20, SWSTYLE. */
export const STYLE_LANCE = 0
const STYLE_REORDERED = 3

// TMD1 and RMD1
export const OWN = 0x8000_0000
export const ERR = 0x4000_0000
export const STP = 0x0200_0000
export const ENP = 0x0100_0000
/** Transmit: append the check sequence whatever DXMTFCS says; interrupt at the end. */
export const ADD_FCS = 0x2000_0000
export const LTINT = 0x1000_0000
/** Receive: which filter let it in; there in the 32-bit styles alone. */
export const PAM = 0x0040_0000
export const LAFM = 0x0020_0000
export const BAM = 0x0010_0000
export const RECEIVE_BUFF = 0x0400_0000
export const RECEIVE_CRC = 0x0800_0000
/** All that the controller says of a frame: ERR to ENP, PAM to BAM. */
const TRANSMIT_STATUS = 0x5c00_0000
const RECEIVE_STATUS = 0x7f70_0000

// TMD2
export const TRANSMIT_BUFF = 0x8000_0000
export const UFLO = 0x4000_0000
export const LCAR = 0x0800_0000

const BCNT = 0xfff
/** The four ones above BCNT. */
const ONES = 0xf000

export interface Descriptor {
  address: number
  buffer: number
  /** xMD1 without BCNT. */
  flags: number
  /** Of the buffer, 1 to 4,096. */
  length: number
}

export interface InitializationBlock {
  mode: number
  /** PADR. */
  physical: Uint8Array
  /** LADRF. */
  logical: Uint8Array
  receiveRing: number
  receiveLength: number
  transmitRing: number
  transmitLength: number
}

const word = (bytes: Uint8Array, at: number) => bytes[at] | (bytes[at + 1] << 8)
const long = (bytes: Uint8Array, at: number) => (word(bytes, at) | (word(bytes, at + 2) << 16)) >>> 0

/** `high`: bits 31 to 24 of every address of the 16-bit style, from CSR2. */
export class SharedStructures {
  constructor(
    private readonly bus: BusMaster,
    private readonly style: number,
    private readonly high: number,
  ) {}

  get descriptorSize(): number {
    return this.style === STYLE_LANCE ? 8 : 16
  }

  initializationBlock(address: number): InitializationBlock {
    if (this.style === STYLE_LANCE) {
      const block = this.read(address & ~1, 24)
      return {
        mode: word(block, 0),
        physical: block.slice(2, 8),
        logical: block.slice(8, 16),
        receiveRing: this.narrow(long(block, 16)) & ~7,
        receiveLength: 1 << (block[19] >>> 5),
        transmitRing: this.narrow(long(block, 20)) & ~7,
        transmitLength: 1 << (block[23] >>> 5),
      }
    }
    const block = this.read(address & ~3, 28)
    return {
      mode: word(block, 0),
      physical: block.slice(4, 10),
      logical: block.slice(12, 20),
      receiveRing: long(block, 20) & ~15,
      receiveLength: 1 << Math.min(block[2] >>> 4, 9),
      transmitRing: long(block, 24) & ~15,
      transmitLength: 1 << Math.min(block[3] >>> 4, 9),
    }
  }

  descriptor(address: number): Descriptor {
    const bytes = this.read(address, this.descriptorSize)
    if (this.style === STYLE_LANCE) {
      const low = long(bytes, 0)
      const length = 4096 - (word(bytes, 4) & BCNT)
      return { address, buffer: this.narrow(low), flags: (low & 0xff00_0000) >>> 0, length }
    }
    const status = long(bytes, 4)
    return {
      address,
      buffer: long(bytes, this.style === STYLE_REORDERED ? 8 : 0),
      flags: (status & 0xffff_0000) >>> 0,
      length: 4096 - (status & BCNT),
    }
  }

  /** Gives it back to the driver: `status` of xMD1, and `errors` of TMD2. */
  transmitted({ address, flags, length }: Descriptor, status: number, errors: number): void {
    // OWN goes last.
    if (this.style === STYLE_LANCE) this.writeWord(address + 6, errors >>> 16)
    else this.bus.write32(this.style === STYLE_REORDERED ? address : address + 8, errors)
    this.release(address, (flags & ~(OWN | TRANSMIT_STATUS)) | status, length)
  }

  /** Gives it back with MCNT. */
  received({ address, flags, length }: Descriptor, status: number, messageCount: number): void {
    if (this.style === STYLE_LANCE) this.writeWord(address + 6, messageCount)
    else this.bus.write32(this.style === STYLE_REORDERED ? address : address + 8, messageCount)
    const seen = this.style === STYLE_LANCE ? status & 0xff00_0000 : status
    this.release(address, (flags & ~(OWN | RECEIVE_STATUS)) | seen, length)
  }

  private release(address: number, flags: number, length: number): void {
    if (this.style === STYLE_LANCE) this.bus.write(address + 3, Uint8Array.of(flags >>> 24))
    else this.bus.write32(address + 4, flags | ONES | ((4096 - length) & BCNT))
  }

  private read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.bus.read(address >>> 0, bytes)
    return bytes
  }

  private writeWord(address: number, value: number): void {
    this.bus.write(address, Uint8Array.of(value, value >>> 8))
  }

  private narrow(address: number): number {
    return ((address & 0x00ff_ffff) | this.high) >>> 0
  }
}
