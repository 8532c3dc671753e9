/** An NE2000 on a bench: its ports, its interrupt, a clock turned by hand. */
import { crc32 } from 'node:zlib'
import { ManualClock } from '../../../../machine/clock.js'
import type { AccessSize } from '../../../../machine/device.js'
import { Ne2000 } from '../../../../machine/devices/net/ne2000/ne2000.js'
import { LoopbackPort } from '../../../../machine/network/port.js'

export const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]
export const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
/** A ring as Linux has it: transmit buffer 40h, ring 46h to 80h. */
export const START = 0x46
export const STOP = 0x80

export class Card {
  readonly clock = new ManualClock()
  readonly warnings: string[] = []
  level = false
  readonly device: Ne2000

  constructor(readonly port = new LoopbackPort()) {
    this.device = new Ne2000({
      name: 'ne2k_isa',
      clock: this.clock,
      irq: (level) => {
        this.level = level
      },
      warn: (what) => this.warnings.push(what),
      port,
      base: 0x300,
      mac: MAC,
    })
  }

  in(offset: number, size: AccessSize = 1): number {
    const [range, at] = this.range(offset)
    return range.read(at, size)
  }

  out(offset: number, value: number, size: AccessSize = 1): void {
    const [range, at] = this.range(offset)
    range.write(at, value, size)
  }

  private range(offset: number) {
    const found = this.device.ports.find(({ base, count }) => offset + 0x300 >= base && offset + 0x300 < base + count)
    if (!found) throw new Error(`no port ${offset}`)
    return [found, offset + 0x300 - found.base] as const
  }

  /** As drivers start a card: words, a ring, all interrupts, its own address and broadcasts. */
  start(
    changes: {
      pstart?: number
      pstop?: number
      curr?: number
      bnry?: number
      rcr?: number
      tcr?: number
      dcr?: number
    } = {},
  ): this {
    const { pstart = START, pstop = STOP, curr = pstart + 1, bnry = pstart, rcr = 0x04, tcr = 0, dcr = 0x49 } = changes
    this.out(0, 0x21)
    const registers = { 14: dcr, 10: 0, 11: 0, 12: rcr, 13: tcr, 1: pstart, 2: pstop, 3: bnry, 7: 0xff, 15: 0x7f }
    for (const [register, value] of Object.entries(registers)) this.out(Number(register), value)
    this.out(0, 0x61)
    for (const [i, byte] of MAC.entries()) this.out(1 + i, byte)
    this.out(7, curr)
    this.out(0, 0x22)
    return this
  }

  remote(command: number, address: number, count: number): void {
    for (const [register, value] of [
      [8, address & 0xff],
      [9, address >> 8],
      [0xa, count & 0xff],
      [0xb, count >> 8],
    ])
      this.out(register, value)
    this.out(0, command)
  }

  /** By remote DMA in words. */
  readMemory(address: number, count: number): number[] {
    this.remote(0x0a, address, count)
    return Array.from({ length: count / 2 }, () => this.in(0x10, 2)).flatMap((word) => [word & 0xff, word >> 8])
  }

  writeMemory(address: number, bytes: ArrayLike<number>): void {
    this.remote(0x12, address, bytes.length)
    for (let i = 0; i < bytes.length; i += 2) this.out(0x10, bytes[i] | ((bytes[i + 1] ?? 0) << 8), 2)
  }

  transmit(frame: Uint8Array): void {
    this.writeMemory(0x4000, frame)
    this.out(4, 0x40)
    this.out(5, frame.length & 0xff)
    this.out(6, frame.length >> 8)
    this.out(0, 0x26)
  }

  /** A frame comes in from outside. */
  arrive(frame: Uint8Array): void {
    this.port.receive?.(frame, this.clock.now())
    this.clock.advance(0)
  }

  page1(register: number): number {
    this.out(0, 0x62)
    const value = this.in(register)
    this.out(0, 0x22)
    return value
  }

  get curr(): number {
    return this.page1(7)
  }

  get isr(): number {
    return this.in(7)
  }
}

export function frame(to: readonly number[], length = 60): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => to[i] ?? (i * 7) & 0xff)
}

export function checkSequence(bytes: Uint8Array): number[] {
  const value = crc32(bytes)
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
}
