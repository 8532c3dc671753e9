/** TCP's end point: which connection a segment is for, who listens, and what is due when. */
import type { Clock, Timer } from '../../../clock.js'
import type { Stateful, StateTable } from '../../../device.js'
import { count, timer } from '../../../state/fields.js'
import { made } from '../../../state/state-table.js'
import { type Address, addressText } from '../addresses.js'
import type { Datagram, Send } from '../datagram.js'
import { TCP } from '../datagram.js'
import { HEADER as ETHERNET } from '../ethernet.js'
import { headersOf, type TcpApplication, TcpConnection, type TcpHost } from './tcp-connection.js'
import { ACK, FIN, lengthOf, RST, readSegment, type Segment, SYN, writeSegment } from './tcp-segment.js'

export const MOST_CONNECTIONS = 1100
/** RFC 9293 3.4.1: the clock behind initial sequence numbers ticks every 4 µs. */
const SEQUENCE_TICK = 4000

/** The two ends of a connection. */
type Ends = Pick<TcpConnection, 'mac' | 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'>

export interface TcpOptions {
  /** Somebody listens at this port of this address. */
  listens(port: number, address: Address): boolean
  application(connection: TcpConnection): TcpApplication
  /** A SYN is not answered yet: somebody is asked first, who calls `answer` or `abort`. */
  holds?(connection: TcpConnection): void
  /** Connections at a time. */
  most: number
}

export class TcpEndPoint implements Stateful, TcpHost {
  readonly state: StateTable
  private readonly connections = new Map<string, TcpConnection>()
  private opened = 0
  private readonly timer: Timer

  constructor(
    readonly clock: Clock,
    private readonly send: Send,
    /** How long a frame to a station may be. */
    private readonly longestFor: (mac: Uint8Array) => number,
    private readonly options: TcpOptions,
    name = 'tcp',
  ) {
    this.timer = clock.timer(name, () => this.tick())
    this.state = { open: made(() => new TcpConnection(this), options.most), opened: count, timer }
  }

  application(connection: TcpConnection): TcpApplication {
    return this.options.application(connection)
  }

  /** Whether there is a connection that the segment is for. */
  knows({ source, destination, payload }: Datagram): boolean {
    if (this.connections.size === 0 || payload.length < 4) return false
    const [from, to] = [(payload[0] << 8) | payload[1], (payload[2] << 8) | payload[3]]
    return this.connections.has(keyOf(source, from, destination, to))
  }

  /** Opens a connection to a guest; undefined where there are too many. `prepare` is called before anything is sent. */
  connect(ends: Ends, prepare: (connection: TcpConnection) => void): TcpConnection | undefined {
    const { remoteAddress, remotePort, localAddress, localPort } = ends
    const key = keyOf(remoteAddress, remotePort, localAddress, localPort)
    if (this.connections.has(key) || !this.makeRoom()) return undefined
    const fresh = this.begin(key, ends)
    prepare(fresh)
    fresh.open(this.initialSequence())
    return fresh
  }

  /** One that was aborted. */
  drop({ remoteAddress, remotePort, localAddress, localPort }: Ends): void {
    this.connections.delete(keyOf(remoteAddress, remotePort, localAddress, localPort))
  }

  private begin(key: string, ends: Ends): TcpConnection {
    const fresh = Object.assign(new TcpConnection(this), ends)
    this.connections.set(key, fresh)
    this.opened++
    return fresh
  }

  private initialSequence(): number {
    return (Math.floor(this.clock.now() / SEQUENCE_TICK) + this.opened * 64009) % 2 ** 32
  }

  receive(datagram: Datagram): void {
    const segment = readSegment(datagram)
    if (!segment) return
    const { source, destination, mac } = datagram
    const key = keyOf(source, segment.from, destination, segment.to)
    const connection = this.connections.get(key)
    const isReused =
      connection?.status === 'TIME-WAIT' &&
      segment.flags & SYN &&
      !(segment.flags & ACK) &&
      this.options.listens(segment.to, destination)
    if (connection && !isReused) {
      connection.mac = mac
      connection.receive(segment)
      if (connection.status === 'CLOSED') this.connections.delete(key)
      return
    }
    const isOpening = (segment.flags & (SYN | ACK | RST | FIN)) === SYN
    if (!isOpening || !this.options.listens(segment.to, destination) || !this.makeRoom()) {
      this.refuse(datagram, segment)
      return
    }
    const fresh = this.begin(key, {
      ...{ mac, remoteAddress: source, remotePort: segment.from },
      ...{ localAddress: destination, localPort: segment.to },
    })
    const initial = this.initialSequence()
    if (!this.options.holds) {
      fresh.accept(segment, initial)
      return
    }
    fresh.hold(segment, initial)
    this.options.holds(fresh)
  }

  transmit({ mac, localAddress, remoteAddress }: TcpConnection, segment: Segment): void {
    const payload = writeSegment(segment, localAddress, remoteAddress)
    this.send({
      mac,
      source: localAddress,
      destination: remoteAddress,
      protocol: TCP,
      payload,
      isWhole: true,
      hasRoom: true,
    })
  }

  longest({ mac, remoteAddress }: TcpConnection): number {
    return this.longestFor(mac) - ETHERNET - headersOf(remoteAddress)
  }

  due(time: number): void {
    if (time < this.timer.deadline) this.timer.at(time)
  }

  /** The connections, for the state. */
  get open(): TcpConnection[] {
    return [...this.connections.values()]
  }

  set open(connections: TcpConnection[]) {
    this.connections.clear()
    for (const connection of connections) {
      const { remoteAddress, remotePort, localAddress, localPort } = connection
      this.connections.set(keyOf(remoteAddress, remotePort, localAddress, localPort), connection)
    }
  }

  private tick(): void {
    const now = this.clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const [key, connection] of this.connections) {
      if (connection.deadline >= 0 && connection.deadline <= now) connection.tick()
      if (connection.status === 'CLOSED') this.connections.delete(key)
      else if (connection.deadline >= 0) next = Math.min(next, connection.deadline)
    }
    this.timer.set(next)
  }

  /** Of those that nobody needs any more, the oldest goes. */
  private makeRoom(): boolean {
    if (this.connections.size < this.options.most) return true
    for (const status of ['TIME-WAIT', 'SYN-RECEIVED']) {
      for (const [key, connection] of this.connections) {
        if (connection.status !== status) continue
        this.connections.delete(key)
        connection.abort('others needed its place')
        return true
      }
    }
    return false
  }

  /** RFC 9293 3.10.7.1: a reset for whatever is for no connection, and none for resets. */
  private refuse({ mac, source, destination }: Datagram, segment: Segment): void {
    if (segment.flags & RST) return
    const hasAck = (segment.flags & ACK) !== 0
    const reset: Segment = {
      ...{ from: segment.to, to: segment.from, flags: hasAck ? RST : RST | ACK, window: 0, data: new Uint8Array() },
      sequence: hasAck ? segment.acknowledgment : 0,
      acknowledgment: hasAck ? 0 : (segment.sequence + lengthOf(segment)) >>> 0,
    }
    const payload = writeSegment(reset, destination, source)
    this.send({ mac, source: destination, destination: source, protocol: TCP, payload, hasRoom: true })
  }
}

function keyOf(remote: Address, remotePort: number, local: Address, localPort: number): string {
  return `${addressText(remote)} ${remotePort} ${addressText(local)} ${localPort}`
}
