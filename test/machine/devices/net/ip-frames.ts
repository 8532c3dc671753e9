/** Frames of TCP and UDP over IPv4 whose sums are right, made apart from the cards' own arithmetic. */
import { BROADCAST, MAC } from './card.js'

/** The Internet checksum, as RFC 1071 describes it, by big numbers. */
function checksum(bytes: readonly number[]): [number, number] {
  let value = 0n
  for (let i = 0; i < bytes.length; i += 2) value += BigInt((bytes[i] << 8) | (bytes[i + 1] ?? 0))
  const folded = value === 0n ? 0n : ((value - 1n) % 0xffffn) + 1n
  const sum = Number(0xffffn - folded)
  return [sum >> 8, sum & 0xff]
}

const word = (value: number) => [(value >> 8) & 0xff, value & 0xff]
const long = (value: number) => [...word(value >>> 16), ...word(value)]
const SOURCE = [10, 0, 2, 15]
const DESTINATION = [10, 0, 2, 2]

function packet(protocol: number, segment: number[], sumAt: number, identification: number): Uint8Array {
  const pseudo = [...SOURCE, ...DESTINATION, 0, protocol, ...word(segment.length)]
  segment.splice(sumAt, 2, ...checksum([...pseudo, ...segment]))
  const header = [
    ...[0x45, 0, ...word(20 + segment.length), ...word(0x7700 + identification), 0x40, 0, 64, protocol],
    ...[0, 0, ...SOURCE, ...DESTINATION],
  ]
  header.splice(10, 2, ...checksum(header))
  return Uint8Array.from([...BROADCAST, ...MAC, 0x08, 0x00, ...header, ...segment])
}

/** `data` bytes of a stream, from its byte `from` on. */
export function tcpFrame({ data = 0, from = 0, sequence = 1, flags = 0x18, identification = 0 } = {}): Uint8Array {
  const bytes = Array.from({ length: data }, (_, i) => ((from + i) * 11 + ((from + i) >> 8)) & 0xff)
  const header = [
    ...word(80),
    ...word(4711),
    ...long((sequence + from) >>> 0),
    ...long(7),
    0x50,
    flags,
    ...word(8192),
    0,
    0,
    0,
    0,
  ]
  return packet(6, [...header, ...bytes], 16, identification)
}

export function udpFrame({ data = 0 } = {}): Uint8Array {
  const bytes = Array.from({ length: data }, (_, i) => (i * 13) & 0xff)
  return packet(17, [...word(53), ...word(1024), ...word(8 + data), 0, 0, ...bytes], 6, 0)
}

/** Where the sums of such a frame lie. */
export const ipv4Sums = (frame: Uint8Array): number[] => [24, frame[23] === 6 ? 50 : 40]
