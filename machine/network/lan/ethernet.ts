/** Ethernet II frames as the LAN sends them, and the types that it knows. */
import { type Address, LAN_MAC } from './addresses.js'

export const IPV4 = 0x0800
export const ARP = 0x0806
export const IPV6 = 0x86dd
export const HEADER = 14
/** Most bytes behind Ethernet's header. */
export const MTU = 1500

/** Shorter ones are filled up with zeros (IEEE 802.3 4.2.3.3); without the check sequence. */
const SHORTEST = 60
/** From here on it takes longer to clear memory than to ask for some that is not. */
const LARGE = 4096

/** A frame with its header, and room for so much behind it. */
export function ethernet(to: Uint8Array, type: number, length: number): Uint8Array {
  const frame = new Uint8Array(Math.max(SHORTEST, HEADER + length))
  address(frame, to, type)
  return frame
}

function address(frame: Uint8Array, to: Uint8Array, type: number): void {
  frame.set(to, 0)
  frame.set(LAN_MAC, 6)
  frame[12] = type >>> 8
  frame[13] = type & 0xff
}

/** In front of a payload that is made where its frame is going to stand: of Ethernet and IP. */
export const roomFor = ({ length }: Address) => HEADER + (length === 4 ? 20 : 40)

/** A payload's bytes, with such room in front of them; `header` of them and the room are zeros, what follows is to be filled in. */
export function payloadWithRoom(room: number, header: number, length: number): Uint8Array {
  const size = Math.max(SHORTEST, room + length)
  if (size < LARGE) return new Uint8Array(size).subarray(room, room + length)
  const { buffer } = Buffer.allocUnsafeSlow(size)
  new Uint8Array(buffer, 0, room + header).fill(0)
  return new Uint8Array(buffer, room, length)
}

/**
 * The frame of a payload behind `header` bytes, which are to be filled in: around it where it was made with room, else
 * around a copy.
 */
export function frameOf(
  to: Uint8Array,
  type: number,
  header: number,
  payload: Uint8Array,
  hasRoom = false,
): Uint8Array {
  const room = HEADER + header
  if (!hasRoom) {
    const frame = ethernet(to, type, header + payload.length)
    frame.set(payload, room)
    return frame
  }
  const frame = new Uint8Array(payload.buffer, payload.byteOffset - room, Math.max(SHORTEST, room + payload.length))
  address(frame, to, type)
  return frame
}

export function typeOf(frame: Uint8Array): number {
  return (frame[12] << 8) | frame[13]
}
