/** UDP (RFC 768): datagrams with ports, checked. */
import { transportChecksum } from './checksum.js'
import { type Datagram, type Outgoing, UDP } from './datagram.js'

const HEADER = 8

export interface UdpDatagram {
  from: number
  to: number
  data: Uint8Array
}

/** undefined: its length or its checksum is wrong. */
export function readUdp({ payload, source, destination }: Datagram): UdpDatagram | undefined {
  if (payload.length < HEADER) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const length = view.getUint16(4)
  if (length < HEADER || length > payload.length) return undefined
  const whole = payload.subarray(0, length)
  // IPv4 may leave the checksum out.
  const isChecked = view.getUint16(6) !== 0 || source.length === 16
  if (isChecked && transportChecksum(source, destination, UDP, whole) !== 0) return undefined
  return { from: view.getUint16(0), to: view.getUint16(2), data: whole.subarray(HEADER) }
}

export function writeUdp(
  path: Pick<Outgoing, 'mac' | 'source' | 'destination'>,
  { from, to, data }: UdpDatagram,
): Outgoing {
  const payload = new Uint8Array(HEADER + data.length)
  const view = new DataView(payload.buffer)
  view.setUint16(0, from)
  view.setUint16(2, to)
  view.setUint16(4, payload.length)
  payload.set(data, HEADER)
  // Zero would say that there is none.
  view.setUint16(6, transportChecksum(path.source, path.destination, UDP, payload) || 0xffff)
  return { ...path, protocol: UDP, payload }
}
