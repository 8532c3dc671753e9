/** TCP segments (RFC 9293 3.1) with the options that are known here: MSS, window scale (RFC 7323) and SACK (RFC 2018). */
import type { Address } from '../addresses.js'
import { transportChecksum } from '../checksum.js'
import { type Datagram, TCP } from '../datagram.js'
import { payloadWithRoom, roomFor } from '../ethernet.js'

const HEADER = 20
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10

const OPTION_END = 0
const OPTION_NOTHING = 1
const OPTION_MSS = 2
const OPTION_WINDOW_SCALE = 3
const OPTION_SACK_PERMITTED = 4
const OPTION_SACK = 5

export interface Segment {
  from: number
  to: number
  sequence: number
  acknowledgment: number
  flags: number
  window: number
  data: Uint8Array
  mss?: number
  windowScale?: number
  sackPermitted?: boolean
  /** Edges: what came out of order. */
  sack?: readonly (readonly [start: number, end: number])[]
}

/** How far `a` is behind `b`, negative where it is before it: sequence numbers go round. */
export function after(a: number, b: number): number {
  return (a - b) | 0
}

/** Bytes of sequence space. */
export function lengthOf({ data, flags }: Segment): number {
  return data.length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)
}

/** undefined: it is damaged. */
export function readSegment({ payload, source, destination }: Datagram): Segment | undefined {
  if (payload.length < HEADER || transportChecksum(source, destination, TCP, payload) !== 0) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const header = (payload[12] >>> 4) * 4
  if (header < HEADER || header > payload.length) return undefined
  return {
    from: view.getUint16(0),
    to: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: payload[13] & 0x3f,
    window: view.getUint16(14),
    data: payload.subarray(header),
    ...readOptions(payload.subarray(HEADER, header)),
  }
}

function readOptions(options: Uint8Array): Partial<Segment> {
  const found: { -readonly [name in keyof Segment]?: Segment[name] } = {}
  const view = new DataView(options.buffer, options.byteOffset, options.length)
  for (let at = 0; at < options.length && options[at] !== OPTION_END; ) {
    if (options[at] === OPTION_NOTHING) {
      at++
      continue
    }
    const length = options[at + 1] ?? 0
    if (length < 2 || at + length > options.length) break
    const kind = options[at]
    if (kind === OPTION_MSS && length === 4) found.mss = view.getUint16(at + 2)
    else if (kind === OPTION_WINDOW_SCALE && length === 3) found.windowScale = Math.min(14, options[at + 2])
    else if (kind === OPTION_SACK_PERMITTED && length === 2) found.sackPermitted = true
    else if (kind === OPTION_SACK && length % 8 === 2)
      found.sack = Array.from({ length: (length - 2) / 8 }, (_, i) => [
        view.getUint32(at + 2 + 8 * i),
        view.getUint32(at + 6 + 8 * i),
      ])
    at += length
  }
  return found
}

/** The payload of a datagram, with room for its headers. */
export function writeSegment(segment: Segment, source: Address, destination: Address): Uint8Array {
  const options = writeOptions(segment)
  const header = HEADER + options.length
  const payload = payloadWithRoom(roomFor(destination), header, header + segment.data.length)
  const view = new DataView(payload.buffer, payload.byteOffset)
  view.setUint16(0, segment.from)
  view.setUint16(2, segment.to)
  view.setUint32(4, segment.sequence)
  view.setUint32(8, segment.acknowledgment)
  view.setUint8(12, (header / 4) << 4)
  view.setUint8(13, segment.flags)
  view.setUint16(14, segment.window)
  payload.set(options, HEADER)
  payload.set(segment.data, header)
  view.setUint16(16, transportChecksum(source, destination, TCP, payload))
  return payload
}

const NO_OPTIONS: readonly number[] = []

function writeOptions({ mss, windowScale, sackPermitted, sack = [] }: Segment): readonly number[] {
  if (mss === undefined && windowScale === undefined && !sackPermitted && sack.length === 0) return NO_OPTIONS
  const options: number[] = []
  if (mss !== undefined) options.push(OPTION_MSS, 4, mss >>> 8, mss & 0xff)
  if (windowScale !== undefined) options.push(OPTION_NOTHING, OPTION_WINDOW_SCALE, 3, windowScale)
  if (sackPermitted) options.push(OPTION_NOTHING, OPTION_NOTHING, OPTION_SACK_PERMITTED, 2)
  if (sack.length > 0) {
    options.push(OPTION_NOTHING, OPTION_NOTHING, OPTION_SACK, 2 + 8 * sack.length)
    for (const edge of sack.flat()) options.push(edge >>> 24, (edge >>> 16) & 0xff, (edge >>> 8) & 0xff, edge & 0xff)
  }
  return options
}
