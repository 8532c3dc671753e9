/** TCP's end point: which connection a segment is for, who listens, and what is due when. */
import type { Clock, Timer } from '../../clock.js'
import type { Stateful, StateTable } from '../../device.js'
import { count, timer } from '../../state/fields.js'
import { made } from '../../state/state-table.js'
import { type Address, addressText } from './addresses.js'
import type { Datagram, Send } from './datagram.js'
import { TCP } from './datagram.js'
import { HEADER as ETHERNET, MTU } from './ethernet.js'
import { type TcpApplication, TcpConnection, type TcpHost } from './tcp-connection.js'
import { ACK, FIN, lengthOf, RST, readSegment, type Segment, SYN, writeSegment } from './tcp-segment.js'

export const MOST_CONNECTIONS = 1100
/** RFC 9293 3.4.1: the clock behind initial sequence numbers ticks every 4 µs. */
const SEQUENCE_TICK = 4000

export class TcpEndPoint implements Stateful, TcpHost {
  readonly state: StateTable = { open: made(() => new TcpConnection(this), MOST_CONNECTIONS), opened: count, timer }
  private readonly connections = new Map<string, TcpConnection>()
  private opened = 0
  private readonly timer: Timer

  constructor(
    readonly clock: Clock,
    private readonly send: Send,
    /** Somebody listens at this port. */
    private readonly listens: (port: number) => boolean,
    /** How long a frame to a station may be. */
    private readonly longestFor: (mac: Uint8Array) => number,
    private readonly makeApplication: (connection: TcpConnection) => TcpApplication,
  ) {
    this.timer = clock.timer('tcp', () => this.tick())
  }

  application(connection: TcpConnection): TcpApplication {
    return this.makeApplication(connection)
  }

  receive(datagram: Datagram): void {
    const segment = readSegment(datagram)
    if (!segment) return
    const { source, destination, mac } = datagram
    const key = keyOf(source, segment.from, destination, segment.to)
    const connection = this.connections.get(key)
    const isReused =
      connection?.status === 'TIME-WAIT' && segment.flags & SYN && !(segment.flags & ACK) && this.listens(segment.to)
    if (connection && !isReused) {
      connection.mac = mac
      connection.receive(segment)
      if (connection.status === 'CLOSED') this.connections.delete(key)
      return
    }
    const isOpening = (segment.flags & (SYN | ACK | RST | FIN)) === SYN
    if (!isOpening || !this.listens(segment.to) || !this.makeRoom()) {
      this.refuse(datagram, segment)
      return
    }
    const fresh = new TcpConnection(this)
    Object.assign(fresh, {
      ...{ mac, remoteAddress: source, remotePort: segment.from },
      ...{ localAddress: destination, localPort: segment.to },
    })
    this.connections.set(key, fresh)
    this.opened++
    const initial = (Math.floor(this.clock.now() / SEQUENCE_TICK) + this.opened * 64009) % 2 ** 32
    fresh.accept(segment, initial, MTU - headersOf(source))
  }

  transmit({ mac, localAddress, remoteAddress }: TcpConnection, segment: Segment): void {
    const payload = writeSegment(segment, localAddress, remoteAddress)
    this.send({ mac, source: localAddress, destination: remoteAddress, protocol: TCP, payload, isWhole: true })
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
    if (this.connections.size < MOST_CONNECTIONS) return true
    for (const status of ['TIME-WAIT', 'SYN-RECEIVED']) {
      for (const [key, connection] of this.connections) {
        if (connection.status !== status) continue
        this.connections.delete(key)
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
    this.send({ mac, source: destination, destination: source, protocol: TCP, payload })
  }
}

/** Of IP and TCP, without options. */
const headersOf = ({ length }: Address) => (length === 4 ? 40 : 60)

function keyOf(remote: Address, remotePort: number, local: Address, localPort: number): string {
  return `${addressText(remote)} ${remotePort} ${addressText(local)} ${localPort}`
}
