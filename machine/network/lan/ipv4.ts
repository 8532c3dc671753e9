/** IPv4 (RFC 791): frames in, datagrams out, and back in pieces that fit an Ethernet frame. */
import type { Stateful, StateTable } from '../../device.js'
import { u16 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { addressText } from './addresses.js'
import { checksumOf, sumWords } from './checksum.js'
import type { Datagram, Outgoing } from './datagram.js'
import { frameOf, IPV4, MTU } from './ethernet.js'
import type { Reassembly } from './reassembly.js'

const HEADER = 20
const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000
const OFFSET = 0x1fff
const TTL = 64
/** Bytes behind the header that an ICMP error gives back. */
const QUOTED = 8

export class Ipv4 implements Stateful {
  readonly state: StateTable = { reassembly: part(), identification: u16 }
  private identification = 0

  constructor(private readonly reassembly: Reassembly) {}

  /** undefined: it is none, or not whole yet. */
  read(frame: Uint8Array): Datagram | undefined {
    const packet = frame.subarray(14)
    if (packet.length < HEADER || packet[0] >>> 4 !== 4) return undefined
    const header = (packet[0] & 15) * 4
    const total = (packet[2] << 8) | packet[3]
    if (header < HEADER || total < header || total > packet.length) return undefined
    if (checksumOf(sumWords(packet.subarray(0, header))) !== 0) return undefined
    const [source, destination] = [packet.slice(12, 16), packet.slice(16, 20)]
    const fragment = (packet[6] << 8) | packet[7]
    let payload: Uint8Array | undefined = packet.subarray(header, total)
    if (fragment & (MORE_FRAGMENTS | OFFSET)) {
      const key = `${addressText(source)} ${addressText(destination)} ${packet[9]} ${(packet[4] << 8) | packet[5]}`
      payload = this.reassembly.add(key, (fragment & OFFSET) * 8, !(fragment & MORE_FRAGMENTS), payload)
    }
    if (!payload) return undefined
    const start = packet.slice(0, Math.min(total, header + QUOTED))
    return { mac: frame.slice(6, 12), source, destination, protocol: packet[9], payload, start }
  }

  /** One frame, or several where it is larger. */
  write({ mac, source, destination, protocol, payload, isWhole: isOne, hasRoom }: Outgoing): Uint8Array[] {
    const most = (MTU - HEADER) & ~7
    const identification = this.identification
    this.identification = (identification + 1) & 0xffff
    const isWhole = isOne === true || payload.length <= MTU - HEADER
    const frames: Uint8Array[] = []
    for (let offset = 0; offset === 0 || offset < payload.length; offset += most) {
      const piece = isWhole ? payload : payload.subarray(offset, offset + most)
      const isLast = isWhole || offset + most >= payload.length
      const frame = frameOf(mac, IPV4, HEADER, piece, hasRoom && isWhole)
      const packet = frame.subarray(14)
      const view = new DataView(frame.buffer, frame.byteOffset + 14)
      view.setUint8(0, 0x45)
      view.setUint16(2, HEADER + piece.length)
      view.setUint16(4, identification)
      view.setUint16(6, isWhole ? DONT_FRAGMENT : (isLast ? 0 : MORE_FRAGMENTS) | (offset / 8))
      view.setUint8(8, TTL)
      view.setUint8(9, protocol)
      packet.set(source, 12)
      packet.set(destination, 16)
      view.setUint16(10, checksumOf(sumWords(packet.subarray(0, HEADER))))
      frames.push(frame)
      if (isLast) break
    }
    return frames
  }
}
