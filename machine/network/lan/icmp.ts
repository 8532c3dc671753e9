/** ICMP (RFC 792) and what of ICMPv6 (RFC 4443) is its like: echoes, and that something cannot be reached. */
import { checksumOf, sumWords, transportChecksum } from './checksum.js'
import { type Datagram, ICMP, ICMPV6, type Outgoing } from './datagram.js'

const ECHO_REPLY = 0
const UNREACHABLE = 3
const ECHO = 8
const ECHO6 = 128
const ECHO_REPLY6 = 129
const UNREACHABLE6 = 1

/** Codes of what cannot be reached, of both families. */
export const NO_PORT = { v4: 3, v6: 4 }
/** "Communication administratively prohibited". */
export const PROHIBITED = { v4: 13, v6: 1 }

/** The answer to an echo request, undefined for all else. */
export function answerEcho(datagram: Datagram): Outgoing | undefined {
  if (!isEcho(datagram)) return undefined
  const { mac, source, destination, payload } = datagram
  return echoReply({ mac, source: destination, destination: source }, payload.subarray(4))
}

/** An echo request that is as it should be. */
export function isEcho({ payload, protocol, source, destination }: Datagram): boolean {
  if (payload.length < 8) return false
  if (protocol === ICMP) return payload[0] === ECHO && checksumOf(sumWords(payload)) === 0
  return payload[0] === ECHO6 && transportChecksum(source, destination, ICMPV6, payload) === 0
}

/** A reply with these bytes behind its type, code and checksum: identifier, number, data. */
export function echoReply(ends: Pick<Outgoing, 'mac' | 'source' | 'destination'>, rest: Uint8Array): Outgoing {
  const isV4 = ends.source.length === 4
  const payload = new Uint8Array(4 + rest.length)
  payload[0] = isV4 ? ECHO_REPLY : ECHO_REPLY6
  payload.set(rest, 4)
  const protocol = isV4 ? ICMP : ICMPV6
  return { ...ends, protocol, payload: isV4 ? sealed(payload) : sealed6(payload, ends.source, ends.destination) }
}

/** What tells the sender that it did not arrive. `from`: whose word that is. */
export function unreachable(datagram: Datagram, from: Uint8Array, code: { v4: number; v6: number }): Outgoing {
  const { mac, source, start } = datagram
  const isV4 = source.length === 4
  const payload = new Uint8Array(8 + start.length)
  payload[0] = isV4 ? UNREACHABLE : UNREACHABLE6
  payload[1] = isV4 ? code.v4 : code.v6
  payload.set(start, 8)
  const protocol = isV4 ? ICMP : ICMPV6
  return {
    mac,
    source: from,
    destination: source,
    protocol,
    payload: isV4 ? sealed(payload) : sealed6(payload, from, source),
  }
}

function sealed(payload: Uint8Array): Uint8Array {
  return withChecksum(payload, () => checksumOf(sumWords(payload)))
}

/** With the checksum that ICMPv6 has. */
export function sealed6(payload: Uint8Array, source: Uint8Array, destination: Uint8Array): Uint8Array {
  return withChecksum(payload, () => transportChecksum(source, destination, ICMPV6, payload))
}

function withChecksum(payload: Uint8Array, compute: () => number): Uint8Array {
  payload[2] = payload[3] = 0
  const checksum = compute()
  payload[2] = checksum >>> 8
  payload[3] = checksum & 0xff
  return payload
}
