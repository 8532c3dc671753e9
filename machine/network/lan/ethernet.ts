/** Ethernet II frames as the LAN sends them, and the types that it knows. */
import { LAN_MAC } from './addresses.js'

export const IPV4 = 0x0800
export const ARP = 0x0806
export const IPV6 = 0x86dd
export const HEADER = 14
/** Most bytes behind Ethernet's header. */
export const MTU = 1500

/** Shorter ones are filled up with zeros (IEEE 802.3 4.2.3.3); without the check sequence. */
const SHORTEST = 60

/** A frame with its header, and room for so much behind it. */
export function ethernet(to: Uint8Array, type: number, length: number): Uint8Array {
  const frame = new Uint8Array(Math.max(SHORTEST, HEADER + length))
  frame.set(to, 0)
  frame.set(LAN_MAC, 6)
  frame[12] = type >>> 8
  frame[13] = type & 0xff
  return frame
}

export function typeOf(frame: Uint8Array): number {
  return (frame[12] << 8) | frame[13]
}
