/** The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. */

/** Fewer bytes are summed up one by one. */
const WORTH_IT = 64
/** So many pairs of words have a sum of 31 bits at most, which needs no look at where it overflows. */
const AT_ONCE = 0x4000

/** The sum so far, not folded; an odd last byte is filled up with zero. */
export function sumWords(bytes: Uint8Array, sum = 0): number {
  const even = bytes.length & ~1
  const last = even < bytes.length ? bytes[even] << 8 : 0
  if (bytes.length < WORTH_IT || bytes.byteOffset & 1) {
    for (let i = 0; i < even; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
    return sum + last
  }
  // The sum does not depend on the order of a word's bytes, but that its own are then the other way round (RFC 1071, 2 B).
  let at = 0
  let swapped = 0
  const toPair = bytes.byteOffset & 2
  if (toPair) swapped = bytes[0] | (bytes[1] << 8)
  at = toPair
  const pairs = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (even - at) >>> 2)
  for (let from = 0; from < pairs.length; from += AT_ONCE) swapped += sumPairs(pairs, from)
  at += pairs.length * 4
  if (at < even) swapped += bytes[at] | (bytes[at + 1] << 8)
  while (swapped > 0xffff) swapped = (swapped & 0xffff) + Math.floor(swapped / 0x10000)
  return sum + last + ((swapped << 8) & 0xff00) + (swapped >>> 8)
}

/** Of up to `AT_ONCE` of them, each two words beside each other. */
function sumPairs(pairs: Uint32Array, from: number): number {
  const to = Math.min(from + AT_ONCE, pairs.length)
  let lower = 0
  let upper = 0
  for (let i = from; i < to; i++) {
    const pair = pairs[i]
    lower = (lower + (pair & 0xffff)) | 0
    upper = (upper + (pair >>> 16)) | 0
  }
  return lower + upper
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
