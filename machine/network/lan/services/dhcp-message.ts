/** Messages of DHCP (RFC 2131) and BOOTP (RFC 951), and their options (RFC 2132). */
import { type Address, ANY, sameBytes } from '../addresses.js'

const FIXED = 236
const COOKIE = Uint8Array.of(99, 130, 83, 99)
const BOOT_REQUEST = 1
const BOOT_REPLY = 2
const BROADCAST_FLAG = 0x8000
/** BOOTP's least, which some clients still ask for. */
const SHORTEST = 300
const PAD = 0
const END = 255

export const OPTION = {
  subnetMask: 1,
  router: 3,
  nameServer: 6,
  hostName: 12,
  domainName: 15,
  interfaceMtu: 26,
  broadcastAddress: 28,
  ntpServer: 42,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  serverIdentifier: 54,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  tftpServerName: 66,
  bootFileName: 67,
  architecture: 93,
} as const

/** Option 53. */
export const TYPE = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const

export interface DhcpMessage {
  transaction: Uint8Array
  seconds: Uint8Array
  isBroadcast: boolean
  /** The client's own, where it has one already. */
  client: Address
  /** Hardware address. */
  mac: Uint8Array
  relay: Address
  options: Map<number, Uint8Array>
}

/** undefined: it is no request from an Ethernet client. */
export function readDhcp(data: Uint8Array): DhcpMessage | undefined {
  const isRequest = data.length >= FIXED && data[0] === BOOT_REQUEST && data[1] === 1 && data[2] === 6
  if (!isRequest) return undefined
  const pieces = new Map<number, Uint8Array[]>()
  if (sameBytes(data.subarray(FIXED, FIXED + 4), COOKIE)) {
    for (let at = FIXED + 4; at < data.length && data[at] !== END; ) {
      if (data[at] === PAD) {
        at++
        continue
      }
      const length = data[at + 1] ?? 0
      if (at + 2 + length > data.length) return undefined
      // What is given in several pieces is one (RFC 3396).
      const before = pieces.get(data[at])
      const piece = data.slice(at + 2, at + 2 + length)
      if (before) before.push(piece)
      else pieces.set(data[at], [piece])
      at += 2 + length
    }
  }
  return {
    transaction: data.slice(4, 8),
    seconds: data.slice(8, 10),
    isBroadcast: (((data[10] << 8) | data[11]) & BROADCAST_FLAG) !== 0,
    client: data.slice(12, 16),
    mac: data.slice(28, 34),
    relay: data.slice(24, 28),
    options: new Map([...pieces].map(([code, parts]) => [code, parts.length === 1 ? parts[0] : Buffer.concat(parts)])),
  }
}

export interface DhcpAnswer {
  /** `yiaddr`: what the client gets. */
  address: Address
  /** `siaddr`: where its boot file is. */
  nextServer: Address
  bootFile: string | undefined
  options: readonly [number, Uint8Array | readonly number[]][]
}

export function writeDhcp(request: DhcpMessage, { address, nextServer, bootFile, options }: DhcpAnswer): Uint8Array {
  const all = [...COOKIE, ...options.flatMap(([code, value]) => [code, value.length, ...value]), END]
  const message = new Uint8Array(Math.max(SHORTEST, FIXED + all.length))
  message.set([BOOT_REPLY, 1, 6, 0])
  message.set(request.transaction, 4)
  message[10] = request.isBroadcast ? BROADCAST_FLAG >>> 8 : 0
  message.set(sameBytes(address, ANY) ? ANY : request.client, 12)
  message.set(address, 16)
  message.set(nextServer, 20)
  message.set(request.relay, 24)
  message.set(request.mac, 28)
  if (bootFile !== undefined) message.set(Buffer.from(bootFile).subarray(0, 127), 108)
  message.set(all, FIXED)
  return message
}
