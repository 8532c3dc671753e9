/** The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. */

/** The sum so far, not folded; an odd last byte is filled up with zero. */
export function sumWords(bytes: Uint8Array, sum = 0): number {
  const even = bytes.length & ~1
  for (let i = 0; i < even; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
  return even < bytes.length ? sum + (bytes[even] << 8) : sum
}

export function checksumOf(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}

/** Of TCP, UDP and ICMPv6: with the addresses, the length and the protocol (RFC 9293 3.1, RFC 8200 8.1). */
export function transportChecksum(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  payload: Uint8Array,
): number {
  return checksumOf(sumWords(payload, sumWords(source, sumWords(destination, protocol + payload.length))))
}
