/** IPv6 (RFC 8200): frames in, datagrams out, past the headers that need not be understood. */
import type { Stateful, StateTable } from '../../device.js'
import { u32 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { addressText } from './addresses.js'
import type { Datagram, Outgoing } from './datagram.js'
import { frameOf, IPV6, MTU } from './ethernet.js'
import type { Reassembly } from './reassembly.js'

const HEADER = 40
const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION = 60
const HOP_LIMIT = 64
/** Of an error as it is given back: no longer than the least MTU, with its headers. */
const QUOTED = 1232
/** More headers in front of a payload than any guest sends. */
const MOST_HEADERS = 8

export class Ipv6 implements Stateful {
  readonly state: StateTable = { reassembly: part(), identification: u32 }
  private identification = 0

  constructor(private readonly reassembly: Reassembly) {}

  /** undefined: it is none, or not whole yet. `hopLimit` is what neighbour discovery looks at. */
  read(frame: Uint8Array): (Datagram & { hopLimit: number }) | undefined {
    const packet = frame.subarray(14)
    if (packet.length < HEADER || packet[0] >>> 4 !== 6) return undefined
    const length = (packet[4] << 8) | packet[5]
    if (HEADER + length > packet.length) return undefined
    const [source, destination] = [packet.slice(8, 24), packet.slice(24, 40)]
    let protocol = packet[6]
    let payload: Uint8Array = packet.subarray(HEADER, HEADER + length)
    for (let headers = 0; isExtension(protocol); headers++) {
      if (payload.length < 8 || headers >= MOST_HEADERS) return undefined
      const next = payload[0]
      if (protocol === FRAGMENT) {
        const field = (payload[2] << 8) | payload[3]
        const key = `${addressText(source)} ${addressText(destination)} ${payload.subarray(4, 8).join()}`
        const isAtomic = (field & 0xfff9) === 0
        const rest = payload.subarray(8)
        const whole = isAtomic ? rest : this.reassembly.add(key, field & 0xfff8, !(field & 1), rest)
        if (!whole) return undefined
        payload = whole
      } else payload = payload.subarray(8 + payload[1] * 8)
      protocol = next
    }
    const start = packet.slice(0, Math.min(HEADER + length, QUOTED))
    return { mac: frame.slice(6, 12), source, destination, protocol, payload, start, hopLimit: packet[7] }
  }

  write({
    mac,
    source,
    destination,
    protocol,
    payload,
    hopLimit = HOP_LIMIT,
    isWhole,
    hasRoom,
  }: Outgoing): Uint8Array[] {
    if (isWhole || payload.length <= MTU - HEADER)
      return [packetOf(mac, source, destination, protocol, hopLimit, payload, hasRoom)]
    const most = (MTU - HEADER - 8) & ~7
    const identification = this.identification
    this.identification = (identification + 1) >>> 0
    const frames: Uint8Array[] = []
    for (let offset = 0; offset < payload.length; offset += most) {
      const piece = payload.subarray(offset, offset + most)
      const body = new Uint8Array(8 + piece.length)
      const view = new DataView(body.buffer)
      view.setUint8(0, protocol)
      view.setUint16(2, offset | (offset + most < payload.length ? 1 : 0))
      view.setUint32(4, identification)
      body.set(piece, 8)
      frames.push(packetOf(mac, source, destination, FRAGMENT, hopLimit, body))
    }
    return frames
  }
}

const isExtension = (protocol: number) => [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION].includes(protocol)

function packetOf(
  mac: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  hopLimit: number,
  payload: Uint8Array,
  hasRoom?: boolean,
): Uint8Array {
  const frame = frameOf(mac, IPV6, HEADER, payload, hasRoom)
  const view = new DataView(frame.buffer, frame.byteOffset + 14)
  view.setUint8(0, 0x60)
  view.setUint16(4, payload.length)
  view.setUint8(6, protocol)
  view.setUint8(7, hopLimit)
  frame.set(source, 14 + 8)
  frame.set(destination, 14 + 24)
  return frame
}
