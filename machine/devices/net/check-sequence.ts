/** The frame check sequence of IEEE 802.3 (3.2.9), and the hash of group addresses that receivers take from its generator. */

import { crc32 } from 'node:zlib'

/** Its bytes. */
export const FCS = 4

/** CRC-32 as the register stands after these bytes, its first bit lowest. */
export function crc(bytes: Uint8Array): number {
  return ~crc32(bytes) >>> 0
}

export function checkSequence(frame: Uint8Array): number[] {
  const value = ~crc(frame)
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
}

export function endsInCheckSequence(frame: Uint8Array): boolean {
  return checkSequence(frame.subarray(0, -FCS)).every((byte, i) => byte === frame[frame.length - FCS + i])
}

/** The six bits that leave the generator first. */
export function multicastHash(address: Uint8Array): number {
  const register = crc(address)
  let hash = 0
  for (let bit = 0; bit < 6; bit++) hash = (hash << 1) | ((register >>> bit) & 1)
  return hash
}
