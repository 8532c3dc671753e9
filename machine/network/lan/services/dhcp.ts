/**
 * The DHCP server (RFC 2131): leases from 10.0.2.15 on, in the order in which cards ask, and where a boot file is for
 * those who boot from the network (RFC 4578). BOOTP's clients get the same without a lease's end.
 */
import type { Clock } from '../../../clock.js'
import type { Stateful, StateTable } from '../../../device.js'
import { flag, integer, list, record, text, time } from '../../../state/fields.js'
import {
  type Address,
  ANY,
  addressText,
  FIRST_LEASE,
  GATEWAY,
  LAST_LEASE,
  macBytes,
  macText,
  NAME_SERVER,
  NET_BROADCAST,
  NETMASK,
  sameBytes,
} from '../addresses.js'
import { type DhcpMessage, OPTION, readDhcp, TYPE, writeDhcp } from './dhcp-message.js'
import type { RequestLog } from './request-log.js'

export const DHCP_SERVER = 67
export const DHCP_CLIENT = 68
export const DOMAIN = 'lan.internal'
/** QEMU's: a day, in seconds. */
const LEASE = 86400
/** How long an address stays unused of which a client said that another has it, ns. */
const DECLINED = 600e9
/** Of architectures (RFC 4578, IANA's registry) those that are no PC BIOS are UEFI's. */
const BIOS_ARCHITECTURE = 0

const NAMES: { readonly [type: number]: string } = Object.fromEntries(
  Object.entries(TYPE).map(([name, type]) => [type, name.toUpperCase()]),
)

interface Lease {
  /** The address's last byte. */
  host: number
  /** As in 52:54:00:12:34:56; empty of a declined address. */
  mac: string
  name: string
  /** Guest time, ns. */
  until: number
  isBound: boolean
}

const HOSTS = LAST_LEASE - FIRST_LEASE + 1
const LEASE_STATE = record({
  ...{ host: integer(FIRST_LEASE, LAST_LEASE), mac: text(17), name: text(63), until: time, isBound: flag },
})

export interface BootFiles {
  bios?: string
  efi?: string
}

export interface DhcpReply {
  data: Uint8Array
  to: Address
  /** To all stations, as the client asked. */
  isBroadcast: boolean
}

export class DhcpServer implements Stateful {
  readonly state: StateTable = { leases: list(LEASE_STATE, 0, HOSTS) }
  private leases: Lease[] = []

  constructor(
    private readonly clock: Clock,
    private readonly log: RequestLog,
    private readonly bootFiles: BootFiles,
  ) {}

  /** Machines that have told their names, by them. */
  addressOf(name: string): Address | undefined {
    const lease = this.leases.find((one) => one.name !== '' && one.name.toLowerCase() === name && one.isBound)
    return lease && hostAddress(lease.host)
  }

  /** The address of the machine that got one last. */
  get last(): string | undefined {
    const bound = this.leases.filter(({ isBound }) => isBound).sort((a, b) => b.until - a.until)[0]
    return bound && addressText(hostAddress(bound.host))
  }

  /** Of a station that has one. */
  leaseOf(mac: string): string | undefined {
    const lease = this.leases.find((one) => one.mac === mac && one.isBound)
    return lease && addressText(hostAddress(lease.host))
  }

  /** Whose an address is. */
  station(address: string): Uint8Array | undefined {
    const lease = this.leases.find(({ host, isBound }) => isBound && addressText(hostAddress(host)) === address)
    return lease && macBytes(lease.mac)
  }

  nameOf(address: Address): string | undefined {
    const lease = this.leases.find(({ host }) => sameBytes(hostAddress(host), address))
    return lease?.name || undefined
  }

  answer(data: Uint8Array): DhcpReply | undefined {
    const request = readDhcp(data)
    if (!request) return undefined
    const type = request.options.get(OPTION.messageType)?.[0]
    switch (type) {
      case undefined:
        return this.give(request, undefined)
      case TYPE.discover:
        return this.give(request, TYPE.offer)
      case TYPE.request:
        return this.request(request)
      case TYPE.inform:
        return this.inform(request)
      case TYPE.decline:
        this.decline(request)
        return undefined
      case TYPE.release:
        this.release(request)
        return undefined
    }
    return undefined
  }

  private request(request: DhcpMessage): DhcpReply | undefined {
    const server = request.options.get(OPTION.serverIdentifier)
    // It took another server's offer.
    if (server && !sameBytes(server, GATEWAY)) return undefined
    const wanted = request.options.get(OPTION.requestedAddress) ?? request.client
    const lease = this.leases.find(({ mac }) => mac === macText(request.mac)) ?? this.lease(request, wanted)
    if (lease && sameBytes(wanted, hostAddress(lease.host))) return this.give(request, TYPE.ack)
    this.note(request, 'refused: it is not its address')
    return this.reply(request, TYPE.nak, ANY, [])
  }

  private inform(request: DhcpMessage): DhcpReply {
    this.note(request, 'told')
    return this.reply(request, TYPE.ack, ANY, this.settings(request))
  }

  private decline(request: DhcpMessage): void {
    const lease = this.leases.find(({ mac }) => mac === macText(request.mac))
    this.note(request, 'noted')
    if (!lease) return
    Object.assign(lease, { mac: '', name: '', until: this.clock.now() + DECLINED, isBound: false })
  }

  private release(request: DhcpMessage): void {
    const lease = this.leases.find(({ mac }) => mac === macText(request.mac))
    this.note(request, 'noted')
    // It may have the address again, if nobody else takes it.
    if (lease) Object.assign(lease, { until: this.clock.now(), isBound: false })
  }

  private give(request: DhcpMessage, type: number | undefined): DhcpReply | undefined {
    const lease = this.lease(request, request.options.get(OPTION.requestedAddress))
    if (!lease) {
      this.note(request, 'refused: there is no address left')
      return undefined
    }
    if (type !== TYPE.offer) {
      lease.until = this.clock.now() + LEASE * 1e9
      lease.isBound = true
    }
    const address = hostAddress(lease.host)
    this.note(request, addressText(address))
    return this.reply(request, type, address, [...(type === undefined ? [] : leaseTimes()), ...this.settings(request)])
  }

  /** The client's, or a new one: the address that it asks for where that is free, else the next. */
  private lease(request: DhcpMessage, wanted: Address | undefined): Lease | undefined {
    const mac = macText(request.mac)
    const name = hostName(request.options.get(OPTION.hostName))
    const own = this.leases.find((lease) => lease.mac === mac)
    if (own) {
      if (name !== '') own.name = name
      return own
    }
    const isFree = (host: number) => !this.leases.some((lease) => lease.host === host)
    const asked = wanted && sameBytes(wanted.subarray(0, 3), GATEWAY.subarray(0, 3)) ? wanted[3] : 0
    let host = asked >= FIRST_LEASE && asked <= LAST_LEASE && isFree(asked) ? asked : FIRST_LEASE
    while (host <= LAST_LEASE && !isFree(host)) host++
    if (host > LAST_LEASE) {
      const now = this.clock.now()
      const over = this.leases.filter(({ until }) => until <= now).sort((a, b) => a.until - b.until)[0]
      if (!over) return undefined
      this.leases = this.leases.filter((lease) => lease !== over)
      host = over.host
    }
    // What is offered only is kept for a while.
    const lease = { host, mac, name, until: this.clock.now() + 60e9, isBound: false }
    this.leases.push(lease)
    return lease
  }

  private settings({ options, mac }: DhcpMessage): [number, Uint8Array | number[]][] {
    const lease = this.leases.find((one) => one.mac === macText(mac))
    const bootFile = this.bootFile(options)
    return [
      [OPTION.subnetMask, NETMASK],
      [OPTION.router, GATEWAY],
      [OPTION.nameServer, NAME_SERVER],
      ...(lease?.name ? [[OPTION.hostName, Buffer.from(lease.name)] as [number, Uint8Array]] : []),
      [OPTION.domainName, Buffer.from(DOMAIN)],
      [OPTION.broadcastAddress, NET_BROADCAST],
      [OPTION.ntpServer, GATEWAY],
      ...(bootFile === undefined
        ? []
        : ([
            [OPTION.tftpServerName, Buffer.from(addressText(GATEWAY))],
            [OPTION.bootFileName, Buffer.from(bootFile)],
          ] as [number, Uint8Array][])),
    ]
  }

  private bootFile(options: DhcpMessage['options']): string | undefined {
    const architecture = options.get(OPTION.architecture)
    const isEfi =
      architecture && architecture.length >= 2 && ((architecture[0] << 8) | architecture[1]) !== BIOS_ARCHITECTURE
    return isEfi ? (this.bootFiles.efi ?? this.bootFiles.bios) : this.bootFiles.bios
  }

  private reply(
    request: DhcpMessage,
    type: number | undefined,
    address: Address,
    settings: readonly [number, Uint8Array | readonly number[]][],
  ): DhcpReply {
    const isNak = type === TYPE.nak
    const options: [number, Uint8Array | readonly number[]][] =
      type === undefined
        ? [...settings]
        : [[OPTION.messageType, [type]], [OPTION.serverIdentifier, GATEWAY], ...settings]
    const bootFile = isNak ? undefined : this.bootFile(request.options)
    const data = writeDhcp(request, { address, nextServer: isNak ? ANY : GATEWAY, bootFile, options })
    const hasAddress = !sameBytes(request.client, ANY) && !isNak
    const to = hasAddress ? request.client : sameBytes(address, ANY) ? NET_BROADCAST : address
    return { data, to, isBroadcast: isNak || (request.isBroadcast && !hasAddress) }
  }

  private note({ mac, options }: DhcpMessage, result: string): void {
    const type = options.get(OPTION.messageType)?.[0]
    const kind = type === undefined ? 'BOOTP' : (NAMES[type] ?? `type ${type}`)
    const loader = Buffer.from(options.get(OPTION.vendorClass) ?? []).toString('latin1')
    const what = loader.startsWith('PXEClient') ? `${kind} of ${loader}` : kind
    this.log.add(this.clock.now(), 'dhcp', macText(mac), what, result)
  }
}

function hostAddress(host: number): Address {
  return Uint8Array.of(...GATEWAY.subarray(0, 3), host)
}

/** A name that can be one, of one label. */
function hostName(option: Uint8Array | undefined): string {
  const name = Buffer.from(option ?? [])
    .toString('latin1')
    .split('.')[0]
  return /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i.test(name) ? name : ''
}

function leaseTimes(): [number, number[]][] {
  const seconds = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
  return [
    [OPTION.leaseTime, seconds(LEASE)],
    [OPTION.renewalTime, seconds(LEASE / 2)],
    [OPTION.rebindingTime, seconds((LEASE * 7) / 8)],
  ]
}
