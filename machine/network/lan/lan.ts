/**
 * The LAN of a machine: one station behind the switch that is gateway, name server and all services, at the addresses of
 * QEMU's user network. It answers in guest time, the same in every run. What is for elsewhere is refused at once and noted,
 * unless there is a way out; then it goes out as events, and what comes back is input (`outside.ts`).
 *
 *   10.0.2.2, fec0::2, fe80::2   gateway, DHCP, HTTP (80), TFTP, NTP
 *   10.0.2.3, fec0::3            DNS
 *   10.0.2.15 and on             guests, by DHCP
 */
import type { Clock } from '../../clock.js'
import type { Stateful, StateTable, Warn } from '../../device.js'
import { list, record, text, u16 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import type { NetworkContents } from '../contents.js'
import type { DatagramEnds, OutsideEvent, OutsideInput } from '../outside.js'
import { Arrivals, LONGEST_FRAME, type NetworkPort } from '../port.js'
import {
  addressText,
  BROADCAST,
  BROADCAST_MAC,
  GATEWAY,
  GATEWAY6,
  ipv4,
  ipv6,
  isGroup,
  isNeighbour,
  isOwn,
  macBytes,
  macText,
  NAME_SERVER,
  NAME_SERVER6,
  ROUTER6,
  sameBytes,
} from './addresses.js'
import { answerArp, senderOf } from './arp.js'
import { type Datagram, ICMP, ICMPV6, type Outgoing, TCP, UDP } from './datagram.js'
import { ARP, IPV4, IPV6, typeOf } from './ethernet.js'
import { answerEcho, echoReply, isEcho, NO_PORT, PROHIBITED, unreachable } from './icmp.js'
import { Ipv4 } from './ipv4.js'
import { Ipv6 } from './ipv6.js'
import { answerSolicitation } from './neighbour-discovery.js'
import { Neighbours } from './neighbours.js'
import { Reassembly } from './reassembly.js'
import { gatewayFor, type Place, Relays } from './relays.js'
import { DHCP_CLIENT, DHCP_SERVER, DhcpServer } from './services/dhcp.js'
import { answerDns, type Families } from './services/dns.js'
import { HTTP, HttpServer } from './services/http-server.js'
import { HttpSession } from './services/http-session.js'
import { answerNtp } from './services/ntp.js'
import { RequestLog } from './services/request-log.js'
import { TFTP, TftpServer } from './services/tftp.js'
import { MOST_CONNECTIONS, TcpEndPoint } from './tcp/tcp.js'
import { readUdp, type UdpDatagram, writeUdp } from './udp.js'

const DNS = 53
const NTP = 123
/** Places elsewhere that were asked for and are noted; each once. */
const MOST_REFUSED = 256

export interface LanOptions {
  clock: Clock
  warn: Warn
  /** Where it is plugged into the switch. */
  port: NetworkPort
  contents: NetworkContents
  /** Guest time 0, in seconds since 1970. */
  epoch: number
  /** The address of the machine's first card. */
  firstCard?: Uint8Array
  /** Something leaves for the world outside. */
  onOutside?: (event: OutsideEvent) => void
}

const LOOPBACK = ipv4('127.0.0.1')
const LOOPBACK6 = ipv6('::1')
/** Those outside who have sent a guest a datagram that it did not ask for. */
const MOST_PEERS = 256
/** A guest's address before it was heard of: QEMU's first. */
const FIRST_GUEST = '10.0.2.15'

export class Lan implements Stateful {
  readonly state: StateTable = {
    ...{ arrivals: part(), ipv4: part(), ipv6: part(), tcp: part(), dhcp: part(), tftp: part(), log: part() },
    ...{ relays: part(), neighbours: part(), refused: list(text(128), 0, MOST_REFUSED) },
    peers: list(record({ guest: text(64), guestPort: u16, farPort: u16 }), 0, MOST_PEERS),
  }
  readonly log = new RequestLog()
  private readonly clock: Clock
  private readonly port: NetworkPort
  private readonly epoch: number
  private readonly arrivals: Arrivals
  private readonly ipv4: Ipv4
  private readonly ipv6: Ipv6
  private readonly tcp: TcpEndPoint
  private readonly dhcp: DhcpServer
  private readonly tftp: TftpServer
  private readonly relays: Relays
  private readonly neighbours: Neighbours
  private readonly wayOut: NetworkContents['wayOut']
  private readonly guestForwards: NonNullable<NetworkContents['guestForwards']>
  private readonly tell: (event: OutsideEvent) => void
  private refused: string[] = []
  /** What guests send back to them goes out, the one heard of last at the end. */
  private peers: Peer[] = []

  constructor({ clock, warn, port, contents, epoch, firstCard, onOutside = () => {} }: LanOptions) {
    this.clock = clock
    this.port = port
    this.epoch = epoch
    this.arrivals = new Arrivals('lan', clock, warn, (frame) => this.receive(frame))
    port.receive = (frame, time) => this.arrivals.add(frame, time)
    this.ipv4 = new Ipv4(new Reassembly(clock))
    this.ipv6 = new Ipv6(new Reassembly(clock))
    const server = new HttpServer(contents)
    const http = { clock, log: this.log, server, now: () => this.seconds, kept: () => this.keptByHttp }
    const send = (datagram: Outgoing) => this.send(datagram)
    const longestFor = (mac: Uint8Array) => port.longestFor?.(mac) ?? LONGEST_FRAME
    this.tcp = new TcpEndPoint(clock, send, longestFor, {
      most: MOST_CONNECTIONS,
      listens: (to, address) => to === HTTP && !isNameServer(address),
      application: (connection) => new HttpSession(connection, http),
    })
    this.wayOut = contents.wayOut
    this.guestForwards = contents.guestForwards ?? []
    this.tell = onOutside
    this.relays = new Relays(clock, send, longestFor, onOutside)
    this.neighbours = new Neighbours(firstCard)
    this.dhcp = new DhcpServer(clock, this.log, contents.bootFiles ?? {})
    this.tftp = new TftpServer(clock, this.log, contents.tftp, ({ mac, source, destination, port: to }, from, data) =>
      this.send(writeUdp({ mac, source: destination, destination: source }, { from, to, data })),
    )
  }

  /** Guest time, since 1970. */
  private get seconds(): number {
    return this.epoch + this.clock.now() / 1e9
  }

  private get keptByHttp(): number {
    return this.tcp.open.reduce((sum, { application }) => sum + (application as HttpSession).kept, 0)
  }

  /** What comes from the world outside. */
  input(event: OutsideInput): void {
    switch (event.kind) {
      case 'dial':
        this.dial(event)
        break
      case 'outside-gone':
        this.relays.reset()
        break
      case 'outside-note':
        this.log.add(this.clock.now(), 'refused', event.guest, event.what, event.result)
        break
      case 'udp-in': {
        const { farPort: from, guestPort: to, bytes: data } = event
        this.send(writeUdp(inward(event), { from, to, data }))
        break
      }
      case 'udp-forward':
        this.forward(event)
        break
      case 'echo-in':
        this.send(echoReply(inward(event), event.bytes))
        break
      default:
        this.relays.input(event)
    }
  }

  private dial({ stream, port, guest, macs }: Extract<OutsideInput, { kind: 'dial' }>): void {
    const place = this.placeOf(guest, macs)
    if (typeof place === 'string') this.tell({ kind: 'closed', stream, why: place })
    else this.relays.dial(stream, port, place)
  }

  private forward({ guest, guestPort, farPort, bytes: data }: Extract<OutsideInput, { kind: 'udp-forward' }>): void {
    const place = this.placeOf(guest)
    if (typeof place === 'string') return
    const { mac, address } = place
    const peer = { guest: addressText(address), guestPort, farPort }
    this.peers = [...this.peers.filter((one) => !isSamePeer(one, peer)), peer].slice(-MOST_PEERS)
    const ends = { mac, source: gatewayFor(address), destination: address }
    this.send(writeUdp(ends, { from: farPort, to: guestPort, data }))
  }

  /** Whether a datagram answers one that came so. */
  private isForPeer({ source, destination }: Datagram, { from, to }: UdpDatagram): boolean {
    if (!sameBytes(destination, gatewayFor(source))) return false
    const peer = { guest: addressText(source), guestPort: from, farPort: to }
    return this.peers.some((one) => isSamePeer(one, peer))
  }

  /** Where a guest is; else one sentence. */
  private placeOf(guest: string | undefined, macs: readonly string[] = []): Place | string {
    const stations = macs.map((mac) => this.dhcp.leaseOf(mac) ?? this.neighbours.addressOf(macBytes(mac)))
    const known = guest ?? stations.find((one) => one !== undefined)
    if (known === undefined && macs.length > 0) return 'the guest has no address that it was heard with'
    const wanted = known ?? this.dhcp.last ?? this.neighbours.last ?? FIRST_GUEST
    const mac = this.neighbours.station(wanted) ?? this.dhcp.station(wanted)
    return mac ? { mac, address: addressOf(wanted) } : `no machine at ${wanted} was heard of`
  }

  private receive(frame: Uint8Array): void {
    switch (typeOf(frame)) {
      case ARP: {
        const sender = senderOf(frame)
        if (sender) this.neighbours.note(addressText(sender), frame.subarray(6, 12))
        const answer = answerArp(frame, (address) => isOwn(address) || this.standsFor(address))
        if (answer) this.port.send(answer, this.clock.now())
        break
      }
      case IPV4: {
        const datagram = this.ipv4.read(frame)
        if (datagram) this.take(datagram)
        break
      }
      case IPV6: {
        const datagram = this.ipv6.read(frame)
        if (!datagram) break
        const answer = datagram.protocol === ICMPV6 ? answerSolicitation(datagram) : undefined
        if (answer && !isGroup(answer.destination)) this.neighbours.note(addressText(datagram.source), datagram.mac)
        if (answer) this.send(answer)
        else this.take(datagram)
      }
    }
  }

  private take(datagram: Datagram): void {
    const { destination, protocol, source } = datagram
    const isForAll = isGroup(destination) || sameBytes(destination, BROADCAST)
    if (isForAll) {
      if (protocol === UDP) this.takeUdp(datagram, true)
      return
    }
    // Who has no address of its own, or gives one that is many's, gets no answer.
    if (isGroup(source) || isOwn(source)) return
    if (this.standsFor(destination)) {
      this.takeForwarded(datagram)
      return
    }
    if (!isOwn(destination)) {
      if (!isNeighbour(destination) && !this.passOut(datagram)) this.refuse(datagram)
      return
    }
    if (protocol === TCP) this.takeTcp(datagram)
    else if (protocol === UDP) this.takeUdp(datagram, false)
    else if (protocol === (destination.length === 4 ? ICMP : ICMPV6)) {
      const answer = answerEcho(datagram)
      if (answer) this.send(answer)
    }
  }

  /** At this address is a server outside, or several. */
  private standsFor(address: Uint8Array): boolean {
    return this.guestForwards.some((one) => sameBytes(one.address, address))
  }

  private takeForwarded(datagram: Datagram): void {
    const { destination, protocol } = datagram
    const isThere = ({ address, port }: { address: Uint8Array; port: number }) =>
      sameBytes(address, destination) && port === portOf(datagram)
    if (protocol === TCP && (this.relays.knows(datagram) || this.guestForwards.some(isThere)))
      this.relays.receive(datagram)
    else if (protocol === TCP || protocol === UDP) this.send(unreachable(datagram, destination, NO_PORT))
    else {
      const answer = protocol === ICMP ? answerEcho(datagram) : undefined
      if (answer) this.send(answer)
    }
  }

  private takeTcp(datagram: Datagram): void {
    const isRelayed = this.relays.knows(datagram) || (portOf(datagram) !== HTTP && this.mayPass(datagram))
    if (isRelayed) this.relays.receive(datagram)
    else this.tcp.receive(datagram)
  }

  /** Whether the datagram may leave, for where its address stands: at the gateway's the host itself is. */
  private mayPass({ protocol, destination, payload }: Datagram): boolean {
    if (!this.wayOut || payload.length < 8) return false
    const name = ({ [TCP]: 'tcp', [UDP]: 'udp', [ICMP]: 'icmp', [ICMPV6]: 'icmp' } as const)[protocol]
    return name !== undefined && this.wayOut(name, hostAddress(destination), portOf({ payload }))
  }

  /** false: it may not. */
  private passOut(datagram: Datagram): boolean {
    const { protocol } = datagram
    if (protocol === TCP && this.relays.knows(datagram)) this.relays.receive(datagram)
    else if (!this.mayPass(datagram)) return false
    else if (protocol === TCP) this.relays.receive(datagram)
    else if (protocol === UDP) this.passUdp(datagram)
    else if (isEcho(datagram)) this.tell({ kind: 'echo-out', ...outward(datagram), bytes: datagram.payload.slice(4) })
    else return false
    return true
  }

  private passUdp(datagram: Datagram): void {
    const udp = readUdp(datagram)
    if (!udp) return
    const ports = { guestPort: udp.from, farPort: udp.to }
    this.tell({ kind: 'udp-out', ...outward(datagram), ...ports, bytes: udp.data.slice() })
  }

  private takeUdp(datagram: Datagram, isForAll: boolean): void {
    const udp = readUdp(datagram)
    if (!udp) return
    if (udp.to === DHCP_SERVER) this.takeDhcp(datagram, udp)
    else if (isForAll || this.serve(datagram, udp)) return
    else if (this.isForPeer(datagram, udp) || this.mayPass(datagram)) this.passUdp(datagram)
    else this.send(unreachable(datagram, datagram.destination, NO_PORT))
  }

  /** Whether somebody is at that port. */
  private serve(datagram: Datagram, udp: UdpDatagram): boolean {
    const { mac, source, destination } = datagram
    const reply = (data: Uint8Array) =>
      this.send(writeUdp({ mac, source: destination, destination: source }, { from: udp.to, to: udp.from, data }))
    const now = this.clock.now()
    if (isNameServer(destination)) {
      if (udp.to !== DNS) return false
      const answer = answerDns(udp.data, this.dhcp, this.familiesOf(mac))
      if (!answer) return true
      if (answer.isElsewhere && this.wayOut) {
        this.log.add(now, 'dns', addressText(source), answer.question, "asked of the host's resolver")
        this.passUdp(datagram)
        return true
      }
      this.log.add(now, 'dns', addressText(source), answer.question, answer.result)
      reply(answer.data)
      return true
    }
    if (udp.to === NTP) {
      const answer = answerNtp(udp.data, this.seconds)
      if (!answer) return true
      this.log.add(now, 'ntp', addressText(source), 'the time', new Date(Math.floor(this.seconds) * 1000).toISOString())
      reply(answer)
      return true
    }
    if (udp.to !== TFTP && !this.tftp.has(udp.to)) return false
    this.tftp.receive({ mac, source, destination, port: udp.from }, udp.to, udp.data)
    return true
  }

  private familiesOf(station: Uint8Array): Families {
    const carries = (type: number) => this.port.carriesFor?.(station, type) ?? true
    return { v4: carries(IPV4), v6: carries(IPV6) }
  }

  private takeDhcp({ mac }: Datagram, { data }: UdpDatagram): void {
    const reply = this.dhcp.answer(data)
    if (!reply) return
    const path = reply.isBroadcast
      ? { mac: BROADCAST_MAC, source: GATEWAY, destination: BROADCAST }
      : { mac, source: GATEWAY, destination: reply.to }
    this.send(writeUdp(path, { from: DHCP_SERVER, to: DHCP_CLIENT, data: reply.data }))
  }

  /** There is no way out: the guest hears it at once, and the test reads whereto it wanted. */
  private refuse(datagram: Datagram): void {
    const { source, destination, protocol, payload } = datagram
    const port = payload.length >= 4 ? (payload[2] << 8) | payload[3] : 0
    const name = { [TCP]: 'TCP', [UDP]: 'UDP', [ICMP]: 'ICMP', [ICMPV6]: 'ICMP' }[protocol] ?? `protocol ${protocol}`
    const place = `${name} ${addressText(destination)}${protocol === TCP || protocol === UDP ? ` port ${port}` : ''}`
    if (!this.refused.includes(place) && this.refused.length < MOST_REFUSED) {
      this.refused.push(place)
      const why = this.wayOut ? 'no rule lets it out' : 'this LAN has no way out'
      this.log.add(this.clock.now(), 'refused', addressText(source), place, why)
    }
    const isError = protocol === ICMP ? ![8, 13, 17].includes(payload[0]) : protocol === ICMPV6 && payload[0] < 128
    if (!isError) this.send(unreachable(datagram, source.length === 4 ? GATEWAY : ROUTER6, PROHIBITED))
  }

  private send(datagram: Outgoing): void {
    const frames = datagram.source.length === 4 ? this.ipv4.write(datagram) : this.ipv6.write(datagram)
    for (const frame of frames) this.port.send(frame, this.clock.now())
  }
}

/** Nothing but names is asked there: on QEMU's user network it stands for the host's name server, not for the host. */
function isNameServer(address: Uint8Array): boolean {
  return sameBytes(address, NAME_SERVER) || sameBytes(address, NAME_SERVER6)
}

type Ends = Pick<Outgoing, 'mac' | 'source' | 'destination'>

interface Peer {
  guest: string
  guestPort: number
  farPort: number
}

function isSamePeer(one: Peer, other: Peer): boolean {
  return one.guest === other.guest && one.guestPort === other.guestPort && one.farPort === other.farPort
}

function addressOf(text: string): Uint8Array {
  return text.includes(':') ? ipv6(text) : ipv4(text)
}

/** Of UDP and TCP, where it is for. */
function portOf({ payload }: Pick<Datagram, 'payload'>): number {
  return (payload[2] << 8) | payload[3]
}

/** As on QEMU's user network: who asks the gateway for what it does not serve asks the host's loopback. */
function hostAddress(destination: Uint8Array): Uint8Array {
  if (sameBytes(destination, GATEWAY)) return LOOPBACK
  return sameBytes(destination, GATEWAY6) ? LOOPBACK6 : destination
}

function outward({ mac, source, destination }: Datagram): DatagramEnds {
  return { mac: macText(mac), guest: addressText(source), far: addressText(destination) }
}

function inward({ mac, guest, far }: DatagramEnds): Ends {
  return { mac: macBytes(mac), source: addressOf(far), destination: addressOf(guest) }
}
