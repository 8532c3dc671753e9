/** What the layers hand to each other: a payload of IPv4 or IPv6, whole, with the station that it came from. */
import type { Address } from './addresses.js'

export const ICMP = 1
export const TCP = 6
export const UDP = 17
export const ICMPV6 = 58

export interface Datagram {
  /** The sender's station. */
  mac: Uint8Array
  source: Address
  destination: Address
  protocol: number
  payload: Uint8Array
  /** Its first bytes as they came, for those that tell of an error: IP's header and eight bytes more. */
  start: Uint8Array
}

export interface Outgoing {
  /** The station that it is for. */
  mac: Uint8Array
  source: Address
  destination: Address
  protocol: number
  payload: Uint8Array
  /** It goes in one piece, however long it is. */
  isWhole?: true
  /** The payload was made with room for the headers in front of it (`ethernet.ts`), and belongs to the frame from now on. */
  hasRoom?: true
  /** IPv6's, where it is not 64. */
  hopLimit?: number
}

/** Takes a datagram to the wire. */
export type Send = (datagram: Outgoing) => void
