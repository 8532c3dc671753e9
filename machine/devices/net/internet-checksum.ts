/** The Internet checksum (RFC 1071), and where the protocols above Ethernet keep it, as cards with offloads know them. */

import { sumWords } from '../../network/lan/checksum.js'

const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd
const ETHERTYPE_VLAN = 0x8100
const TCP = 6
const UDP = 17

/** The ones' complement sum of 16-bit words in network order, folded; an odd byte at the end counts as the upper one. */
export function onesSum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let sum = sumWords(bytes.subarray(from, to), start)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return sum
}

/** Where the headers of a frame are. */
export interface Layers {
  /** Of the IP header. */
  ip: number
  version: 4 | 6
  /** Of the header of TCP or UDP. */
  transport: number
  protocol: number
  /** Behind the last byte of the datagram; what follows is padding. */
  end: number
  /** A part of a datagram: its transport's checksum covers more. */
  fragment: boolean
}

/** undefined: no IP, or cut off. IPv6 without extension headers alone, as these cards know it. */
export function layersOf(frame: Uint8Array, length = frame.length): Layers | undefined {
  const word = (at: number) => (frame[at] << 8) | frame[at + 1]
  let ip = 14
  if (length >= 18 && word(12) === ETHERTYPE_VLAN) ip = 18
  if (length < ip + 20) return undefined
  const type = word(ip - 2)
  if (type === ETHERTYPE_IPV4) {
    const transport = ip + 4 * (frame[ip] & 0x0f)
    const end = ip + word(ip + 2)
    if (frame[ip] >>> 4 !== 4 || transport < ip + 20 || end < transport || end > length) return undefined
    return { ip, version: 4, transport, protocol: frame[ip + 9], end, fragment: (word(ip + 6) & 0x3fff) !== 0 }
  }
  if (type !== ETHERTYPE_IPV6 || length < ip + 40 || frame[ip] >>> 4 !== 6) return undefined
  const end = ip + 40 + word(ip + 4)
  if (end > length) return undefined
  return { ip, version: 6, transport: ip + 40, protocol: frame[ip + 6], end, fragment: false }
}

export function ipHeaderIsRight(frame: Uint8Array, { ip, transport }: Layers): boolean {
  return onesSum(frame, ip, transport) === 0xffff
}

/** undefined: neither TCP nor UDP, a fragment, or a UDP datagram without a checksum. */
export function transportIsRight(frame: Uint8Array, layers: Layers): boolean | undefined {
  const { transport, protocol, end, fragment } = layers
  if (fragment || (protocol !== TCP && protocol !== UDP) || end < transport + (protocol === TCP ? 20 : 8))
    return undefined
  if (protocol === UDP && frame[transport + 6] === 0 && frame[transport + 7] === 0) return undefined
  return onesSum(frame, transport, end, pseudoHeader(frame, layers)) === 0xffff
}

/** The sum of the addresses, the protocol and the length (RFC 9293, 3.1; RFC 8200, 8.1). */
export function pseudoHeader(frame: Uint8Array, { ip, version, transport, protocol, end }: Layers): number {
  const [addresses, size] = version === 4 ? [ip + 12, 8] : [ip + 8, 32]
  return onesSum(frame, addresses, addresses + size, protocol + (end - transport))
}
