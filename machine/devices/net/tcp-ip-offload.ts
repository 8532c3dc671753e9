/**
 * What a card does on its own for TCP/IP over IPv4 (RFC 791, 793, 768): fills in checksums, cuts a large send into segments.
 * Every length in a header is the sender's word and no more: what does not fit in the frame is no packet.
 */
import { type Layers, layersOf, onesSum, pseudoHeader } from './internet-checksum.js'

export const TCP = 6
export const UDP = 17

const FIN_PSH = 0x09
const CWR = 0x80

const word = (bytes: Uint8Array, at: number) => (bytes[at] << 8) | bytes[at + 1]
const long = (bytes: Uint8Array, at: number) => ((word(bytes, at) << 16) | word(bytes, at + 2)) >>> 0

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function fillHeaderSum(frame: Uint8Array, { ip, transport }: Layers): void {
  setWord(frame, ip + 10, 0)
  setWord(frame, ip + 10, ~onesSum(frame, ip, transport))
}

/** Of TCP or UDP; a fragment and a packet that is too short are left as they are. */
export function fillTransportSum(frame: Uint8Array, layers: Layers): void {
  const { transport, end, protocol, fragment } = layers
  const [at, least] = protocol === TCP ? [transport + 16, 20] : [transport + 6, 8]
  if (fragment || transport + least > end) return
  setWord(frame, at, 0)
  const value = ~onesSum(frame, transport, end, pseudoHeader(frame, layers)) & 0xffff
  // A UDP sum of 0 would say that there is none.
  setWord(frame, at, value === 0 && protocol === UDP ? 0xffff : value)
}

/**
 * A frame of TCP over IPv4 of any length as segments of at most `mss` bytes, each whole with all its sums; none where it is
 * something else. The IP header's total length does not count: it has 16 bits, and drivers leave it as they like.
 */
export function segments(frame: Uint8Array, mss: number): Uint8Array[] {
  const first = frame.slice(0, 0x1_0000)
  setWord(first, 16, Math.min(first.length - 14, 0xffff))
  const layers = layersOf(first)
  if (layers?.version !== 4 || layers.protocol !== TCP || layers.transport + 20 > frame.length) return []
  const { ip, transport } = layers
  const header = transport + 4 * (frame[transport + 12] >>> 4)
  if (header < transport + 20 || header > frame.length || mss < 1) return []
  const found: Uint8Array[] = []
  let at = header
  do {
    const end = Math.min(at + mss, frame.length)
    const segment = new Uint8Array(header + end - at)
    segment.set(frame.subarray(0, header))
    segment.set(frame.subarray(at, end), header)
    setWord(segment, ip + 2, segment.length - ip)
    setWord(segment, ip + 4, word(frame, ip + 4) + found.length)
    const sequence = (long(frame, transport + 4) + at - header) >>> 0
    setWord(segment, transport + 4, sequence >>> 16)
    setWord(segment, transport + 6, sequence)
    if (end < frame.length) segment[transport + 13] &= ~FIN_PSH
    if (at > header) segment[transport + 13] &= ~CWR
    const own = { ...layers, end: segment.length }
    fillHeaderSum(segment, own)
    fillTransportSum(segment, own)
    found.push(segment)
    at = end
  } while (at < frame.length)
  return found
}
