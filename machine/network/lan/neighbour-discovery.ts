/**
 * Neighbour discovery (RFC 4861): where the LAN's addresses are, and router advertisements with the prefix from which
 * guests make addresses (RFC 4862) and the name server (RFC 8106).
 */
import { ALL_NODES6, isOwn, LAN_MAC, NAME_SERVER6, PREFIX6, ROUTER6 } from './addresses.js'
import { transportChecksum } from './checksum.js'
import { type Datagram, ICMPV6, type Outgoing } from './datagram.js'
import { sealed6 } from './icmp.js'

const ROUTER_SOLICITATION = 133
const ROUTER_ADVERTISEMENT = 134
const NEIGHBOUR_SOLICITATION = 135
const NEIGHBOUR_ADVERTISEMENT = 136
/** From the router, solicited, in place of what was known. */
const NA_FLAGS = 0xe0
const TARGET_LINK_LAYER = 2
const SOURCE_LINK_LAYER = 1
/** On the link alone: what a router passed on has less. */
const HOPS = 255
const LIFETIME = 1800
const PREFIX_LIFETIME = 86400
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1)

/** The answer to a solicitation, undefined for all else. */
export function answerSolicitation(datagram: Datagram & { hopLimit: number }): Outgoing | undefined {
  const { payload, source, destination, hopLimit, mac } = datagram
  if (hopLimit !== HOPS || payload.length < 8 || payload[1] !== 0) return undefined
  if (transportChecksum(source, destination, ICMPV6, payload) !== 0) return undefined
  // One without an address yet has no place of its own that an answer could go to.
  const isNobody = source.every((byte) => byte === 0)
  if (payload[0] === ROUTER_SOLICITATION)
    return isNobody
      ? outgoing(ALL_NODES_MAC, ROUTER6, ALL_NODES6, advertisement())
      : outgoing(mac, ROUTER6, source, advertisement())
  if (payload[0] !== NEIGHBOUR_SOLICITATION || payload.length < 24 || isNobody) return undefined
  const target = payload.slice(8, 24)
  if (!isOwn(target)) return undefined
  const answer = new Uint8Array(32)
  answer[0] = NEIGHBOUR_ADVERTISEMENT
  answer[4] = NA_FLAGS
  answer.set(target, 8)
  answer.set([TARGET_LINK_LAYER, 1, ...LAN_MAC], 24)
  return outgoing(mac, target, source, answer)
}

function outgoing(mac: Uint8Array, source: Uint8Array, destination: Uint8Array, payload: Uint8Array): Outgoing {
  return { mac, source, destination, protocol: ICMPV6, payload: sealed6(payload, source, destination), hopLimit: HOPS }
}

function advertisement(): Uint8Array {
  const message = new Uint8Array(16 + 8 + 32 + 24)
  const view = new DataView(message.buffer)
  view.setUint8(0, ROUTER_ADVERTISEMENT)
  view.setUint8(4, 64)
  view.setUint16(6, LIFETIME)
  message.set([SOURCE_LINK_LAYER, 1, ...LAN_MAC], 16)
  // The prefix: on the link, and for addresses of one's own.
  message.set([3, 4, 64, 0xc0], 24)
  view.setUint32(28, PREFIX_LIFETIME)
  view.setUint32(32, PREFIX_LIFETIME)
  message.set(PREFIX6, 40)
  // The recursive name server.
  message.set([25, 3], 56)
  view.setUint32(60, LIFETIME)
  message.set(NAME_SERVER6, 64)
  return message
}
