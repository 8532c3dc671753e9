/** Addresses of IPv4 (four bytes) and IPv6 (sixteen): as text, and what the LAN's own are. They are QEMU's user network's. */

export type Address = Uint8Array

export function addressText(address: Address): string {
  if (address.length === 4) return address.join('.')
  const words = Array.from({ length: 8 }, (_, i) => (address[2 * i] << 8) | address[2 * i + 1])
  // The longest run of zeros, of two words or more, is left out (RFC 5952).
  let [start, length] = [-1, 1]
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && words[end] === 0) end++
    if (end - i > length) [start, length] = [i, end - i]
  }
  const text = (part: number[]) => part.map((word) => word.toString(16)).join(':')
  return start < 0 ? text(words) : `${text(words.slice(0, start))}::${text(words.slice(start + length))}`
}

export function ipv4(text: string): Address {
  return Uint8Array.from(text.split('.'), Number)
}

/** Of the form `fec0::2`: what is left out stands before the last word. */
export function ipv6(text: string): Address {
  const [head, tail = ''] = text.split('::')
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)))
  const [first, last] = [words(head), words(tail)]
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
  return Uint8Array.from(all.flatMap((word) => [word >>> 8, word & 0xff]))
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

export function macText(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (digits) => Number.parseInt(digits, 16))
}

export const LAN_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2)
export const BROADCAST_MAC = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)

export const GATEWAY = ipv4('10.0.2.2')
export const NAME_SERVER = ipv4('10.0.2.3')
export const NETMASK = ipv4('255.255.255.0')
export const BROADCAST = ipv4('255.255.255.255')
export const NET_BROADCAST = ipv4('10.0.2.255')
export const ANY = ipv4('0.0.0.0')
/** The first lease's last byte; what is below is for services. */
export const FIRST_LEASE = 15
export const LAST_LEASE = 254

export const PREFIX6 = ipv6('fec0::')
export const GATEWAY6 = ipv6('fec0::2')
export const NAME_SERVER6 = ipv6('fec0::3')
export const ROUTER6 = ipv6('fe80::2')
export const ALL_NODES6 = ipv6('ff02::1')

const OWN = [GATEWAY, NAME_SERVER, GATEWAY6, NAME_SERVER6, ROUTER6]

export function isOwn(address: Address): boolean {
  return OWN.some((own) => sameBytes(own, address))
}

/** Of the LAN, and not the LAN's own: a machine's, if there is one. */
export function isNeighbour(address: Address): boolean {
  if (address.length === 4) return address[0] === 10 && address[1] === 0 && address[2] === 2
  return (
    sameBytes(address.subarray(0, 8), PREFIX6.subarray(0, 8)) || (address[0] === 0xfe && (address[1] & 0xc0) === 0x80)
  )
}

/** For IPv4 multicast and broadcast and IPv6 multicast: to more than one. */
export function isGroup(address: Address): boolean {
  if (address.length === 16) return address[0] === 0xff
  return address[0] >= 224 || sameBytes(address, NET_BROADCAST)
}
