/** What the RTL8139's transmitter and receiver share: registers of the whole chip, memory, the wire. */
import type { Clock } from '../../../clock.js'
import type { Warn } from '../../../device.js'
import type { NetworkPort } from '../../../network/port.js'
import type { BusMaster } from '../../bus-master.js'
import type { TallyCounters } from './rtl8139-tally.js'

/** ISR and IMR. */
export const ROK = 0x0001
export const TOK = 0x0004
export const TER = 0x0008
export const RXOVW = 0x0010
export const LINK_CHANGE = 0x0020
export const FOVW = 0x0040
export const TDU = 0x0080
export const SWINT = 0x0100
export const TIME_OUT = 0x4000

/** Of both kinds of C+ descriptors. */
export const OWN = 0x8000_0000
export const EOR = 0x4000_0000
export const FS = 0x2000_0000
export const LS = 0x1000_0000
export const DESCRIPTOR_BYTES = 16
/** In a ring of the C+ mode, whether or not one says EOR. */
export const MOST_DESCRIPTORS = 64

/** Without the check sequence. */
export const SHORTEST_ON_WIRE = 60
/** 100 Mbit/s. */
export const NS_PER_BYTE = 80

export interface Rtl8139Parts {
  readonly name: string
  readonly clock: Clock
  readonly warn: Warn
  readonly bus: BusMaster
  readonly port: NetworkPort | undefined
  readonly tally: TallyCounters
  /** Sets bits of ISR. */
  raise(bits: number): void
}

export interface PlusDescriptor {
  at: number
  command: number
  vlan: number
  buffer: number
}

export function readDescriptor(bus: BusMaster, at: number): PlusDescriptor {
  const words = new DataView(new ArrayBuffer(DESCRIPTOR_BYTES))
  bus.read(at, new Uint8Array(words.buffer))
  return {
    at,
    command: words.getUint32(0, true),
    vlan: words.getUint32(4, true),
    buffer: physical(words.getUint32(8, true), words.getUint32(12, true)),
  }
}

/** An address of 64 bits, as far as a number is exact; nothing lies beyond. */
export function physical(low: number, high: number): number {
  return (high & 0xf_ffff) * 0x1_0000_0000 + (low >>> 0)
}
