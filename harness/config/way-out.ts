/**
 * Where a guest with a way out may go. What is the host's own, private or of the link is refused, unless a rule names it: at
 * the moment when it is dialled, so that no name that leads there helps (rebinding).
 */
import { BlockList, isIP } from 'node:net'

/** An address or a network, and a port where only that is meant. */
export interface AllowRule {
  address: string
  /** Bits of the network. */
  prefix?: number
  port?: number
}

/** Connections to a port of the host's are the guest's, or the datagrams that come to it. */
export interface ForwardConfig {
  protocol?: 'udp'
  /** Of the host. */
  address: string
  /** 0: any that is free. */
  port: number
  /** Where the guest is not the one that got its address last. */
  guest?: string
  guestPort: number
}

/** A server that the guest finds at an address and a port of the LAN's. */
export interface GuestForwardConfig {
  /** Of the LAN, and nobody's there. */
  address: string
  port: number
  /** Where it really is: at an address or name, or what a program says that is run for each connection. In files it is left out. */
  to?: { host: string; port: number } | { command: string }
}

/** A card's `net=user`. */
export interface UserNetConfig {
  /** Nothing goes out; what is forwarded comes in. */
  restrict?: true
  allow?: readonly AllowRule[]
  forwards?: readonly ForwardConfig[]
  guestForwards?: readonly GuestForwardConfig[]
  /** The host's addresses when the machine was started. */
  host?: readonly string[]
}

/** Special-purpose addresses (IANA's registry, RFC 6890), with those that stand for others by translation. */
const REFUSED4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
]
/** Of IPv6 what is global is in 2000::/3; of that these are not, or lead into IPv4. */
const REFUSED6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address, prefix] = network.split('/')
    list.addSubnet(address, Number(prefix), familyOf(address))
  }
  return list
}

export type Protocol = 'tcp' | 'udp' | 'icmp'
export type MayReach = (protocol: Protocol, address: string, port: number) => boolean

/** What the cards' rules say together; undefined where there is no way out. */
export function wayOut(nets: readonly UserNetConfig[]): MayReach | undefined {
  const open = nets.filter(({ restrict }) => !restrict)
  if (open.length === 0) return undefined
  const rules = open.flatMap(({ allow = [] }) => allow.map((rule) => ({ rule, list: ruleList(rule) })))
  const host = new Set(open.flatMap((net) => net.host ?? []))
  const refused = blockList([...REFUSED4, ...REFUSED6])
  const global6 = blockList(['2000::/3'])
  return (_, address, port) => {
    const family = isIP(address)
    if (family === 0) return false
    const type = family === 4 ? 'ipv4' : 'ipv6'
    if (rules.some(({ rule, list }) => list.check(address, type) && (rule.port === undefined || rule.port === port)))
      return true
    if (host.has(address) || refused.check(address, type)) return false
    return family === 4 || global6.check(address, 'ipv6')
  }
}

function ruleList({ address, prefix }: AllowRule): BlockList {
  const family = familyOf(address)
  const list = new BlockList()
  list.addSubnet(address, prefix ?? (family === 'ipv4' ? 32 : 128), family)
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
