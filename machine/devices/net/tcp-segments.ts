/** A TCP packet longer than the wire carries, as a guest leaves it to its card, in segments (RFC 9293, 3.7). */
import { type Layers, onesSum, pseudoHeader } from './internet-checksum.js'

const FIN_PSH = 0x09

/** Frames of the headers and up to `most` bytes of payload each; their lengths, sequence numbers and checksums are right. */
export function* tcpSegments(packet: Uint8Array, layers: Layers, most: number): Generator<Uint8Array> {
  const { ip, version, transport } = layers
  const header = transport + 4 * (packet[transport + 12] >>> 4)
  const source = new DataView(packet.buffer, packet.byteOffset)
  const sequence = source.getUint32(transport + 4)
  const identification = source.getUint16(ip + 4)
  for (let at = header, n = 0; at < packet.length; at += most, n++) {
    const end = Math.min(at + most, packet.length)
    const frame = new Uint8Array(header + end - at)
    frame.set(packet.subarray(0, header))
    frame.set(packet.subarray(at, end), header)
    const view = new DataView(frame.buffer)
    if (version === 4) {
      view.setUint16(ip + 2, frame.length - ip)
      view.setUint16(ip + 4, identification + n)
      view.setUint16(ip + 10, 0)
      view.setUint16(ip + 10, ~onesSum(frame, ip, transport))
    } else view.setUint16(ip + 4, frame.length - transport)
    view.setUint32(transport + 4, sequence + at - header)
    if (end < packet.length) frame[transport + 13] &= ~FIN_PSH
    view.setUint16(transport + 16, 0)
    const sum = pseudoHeader(frame, { ...layers, end: frame.length })
    view.setUint16(transport + 16, ~onesSum(frame, transport, frame.length, sum))
    yield frame
  }
}
