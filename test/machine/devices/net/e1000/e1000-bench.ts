/** An 8254x on a bench: its registers, 1 MiB of memory, its interrupt, a clock turned by hand. */
import { ManualClock } from '../../../../../machine/clock.js'
import type { PhysicalMemory } from '../../../../../machine/device.js'
import { E1000 } from '../../../../../machine/devices/net/e1000/e1000.js'
import { type E1000Model, e1000 } from '../../../../../machine/devices/net/e1000/e1000-models.js'
import * as R from '../../../../../machine/devices/net/e1000/e1000-registers.js'
import { LoopbackPort } from '../../../../../machine/network/port.js'

export const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]
export const TX_RING = 0x1000
export const RX_RING = 0x2000
export const RX_BUFFERS = 0x4_0000
export const DATA = 0x8_0000
/** Where the card's own registers are on the bus. */
export const SELF = 0xf000_0000

export class Bench {
  readonly clock = new ManualClock()
  readonly warnings: string[] = []
  readonly ram = new Uint8Array(1 << 20)
  readonly view = new DataView(this.ram.buffer)
  level = false
  edges = 0
  master = true
  readonly card: E1000

  constructor(
    readonly port = new LoopbackPort(() => undefined),
    model: E1000Model = e1000,
  ) {
    this.card = new E1000({
      name: 'e1000',
      clock: this.clock,
      memory: this.memory(),
      warn: (what) => this.warnings.push(what),
      port,
      mac: MAC,
      model,
      pci: {
        interrupt: (level) => {
          if (level && !this.level) this.edges++
          this.level = level
        },
        busMaster: true,
      },
    })
    this.clock.advance(5e6)
    this.read(R.ICR)
  }

  /** RAM, and the card's registers at SELF. */
  private memory(): PhysicalMemory {
    const { ram, view } = this
    const own = (address: number) => address >= SELF && address < SELF + R.REGISTER_SPACE
    const read = (address: number, into: Uint8Array) => {
      for (let i = 0; i < into.length; i++)
        into[i] = own(address + i) ? this.card.window.read(address + i - SELF, 1) : (ram[address + i] ?? 0xff)
    }
    const write = (address: number, from: Uint8Array) => {
      if (own(address))
        for (let i = 0; i + 4 <= from.length; i += 4)
          this.card.window.write(address + i - SELF, new DataView(from.slice(i, i + 4).buffer).getUint32(0, true), 4)
      else for (const [i, byte] of from.entries()) if (address + i < ram.length) ram[address + i] = byte
    }
    return {
      ...{ read, write, read8: (at) => ram[at], read16: (at) => view.getUint16(at, true) },
      ...{ read32: (at) => view.getUint32(at, true), write8: (at, value) => view.setUint8(at, value) },
      write16: (at, value) => view.setUint16(at, value, true),
      write32: (at, value) => view.setUint32(at, value, true),
    }
  }

  read(register: number): number {
    return this.card.window.read(register, 4) >>> 0
  }

  write(register: number, value: number): void {
    this.card.window.write(register, value >>> 0, 4)
  }

  /** Both rings of `count` descriptors, receive buffers of 2 KiB, everything on. */
  start({ count = 16, rctl = R.RCTL_EN | R.RCTL_BAM | R.RCTL_SECRC } = {}): this {
    for (let i = 0; i < count; i++) this.view.setUint32(RX_RING + 16 * i, RX_BUFFERS + 2048 * i, true)
    for (const [register, value] of [
      [R.RDBAL, RX_RING],
      [R.RDLEN, 16 * count],
      [R.RDT, count - 1],
      [R.TDBAL, TX_RING],
      [R.TDLEN, 16 * count],
      [R.TCTL, R.TCTL_EN | R.TCTL_PSP],
      [R.RCTL, rctl],
      [R.IMS, R.ICR_BITS],
    ])
      this.write(register, value)
    return this
  }

  /** Puts words of 32 bits into the next descriptors, four each, and moves TDT behind them. */
  transmit(...descriptors: number[][]): void {
    for (const words of descriptors) {
      const tail = this.read(R.TDT)
      for (const [i, word] of words.entries()) this.view.setUint32(TX_RING + 16 * tail + 4 * i, word >>> 0, true)
      this.write(R.TDT, (tail + 1) % (this.read(R.TDLEN) / 16))
    }
    this.clock.advance(1e6)
  }

  /** A frame comes in from outside. */
  arrive(frame: Uint8Array): void {
    this.port.receive?.(frame, this.clock.now())
    this.clock.advance(0)
  }

  /** What the receive descriptor says, and what is in its buffer. */
  received(index: number) {
    const at = RX_RING + 16 * index
    const length = this.view.getUint16(at + 8, true)
    const address = this.view.getUint32(at, true)
    return {
      length,
      checksum: this.view.getUint16(at + 10, true),
      status: this.ram[at + 12],
      errors: this.ram[at + 13],
      special: this.view.getUint16(at + 14, true),
      bytes: this.ram.slice(address, address + length),
    }
  }
}

/** An IPv4 or IPv6 frame with TCP or UDP, checksums right. */
export function internetFrame({
  payload = new Uint8Array(100),
  protocol = 6,
  version = 4,
  to = MAC as readonly number[],
} = {}): Uint8Array {
  const header = protocol === 6 ? 20 : 8
  const ip = version === 4 ? 20 : 40
  const frame = new Uint8Array(14 + ip + header + payload.length)
  const view = new DataView(frame.buffer)
  frame.set(to)
  frame.set([2, 0, 0, 0, 0, 9], 6)
  view.setUint16(12, version === 4 ? 0x0800 : 0x86dd)
  const transport = 14 + ip
  if (version === 4) {
    frame[14] = 0x45
    view.setUint16(16, ip + header + payload.length)
    view.setUint16(18, 0x1234)
    frame[22] = 64
    frame[23] = protocol
    frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26)
    view.setUint16(24, ~sum(frame.subarray(14, 34)))
  } else {
    frame[14] = 0x60
    view.setUint16(18, header + payload.length)
    frame[20] = protocol
    frame[21] = 64
    for (let i = 0; i < 32; i++) frame[22 + i] = i * 5
  }
  view.setUint16(transport, 80)
  view.setUint16(transport + 2, 4000)
  if (protocol === 6) {
    view.setUint32(transport + 4, 0x1000_fff0)
    frame[transport + 12] = 0x50
    frame[transport + 13] = 0x19 // FIN, PSH, ACK
  } else view.setUint16(transport + 4, header + payload.length)
  frame.set(payload, transport + header)
  const checksum = transport + (protocol === 6 ? 16 : 6)
  view.setUint16(checksum, ~sum(frame.subarray(transport), pseudoHeader(frame, header + payload.length)))
  return frame
}

/** Of the addresses, the protocol and a length. */
export function pseudoHeader(frame: Uint8Array, length: number): number {
  const isFour = frame[14] >> 4 === 4
  return sum(isFour ? frame.subarray(26, 34) : frame.subarray(22, 54), frame[isFour ? 23 : 20] + length)
}

export function sum(bytes: Uint8Array, start = 0): number {
  let value = start
  for (const [i, byte] of bytes.entries()) value += i % 2 ? byte : byte << 8
  while (value > 0xffff) value = (value & 0xffff) + (value >>> 16)
  return value
}
