/** The connections between guests and the world outside the machine, by the numbers of their streams. */
import type { Clock } from '../../clock.js'
import type { Stateful, StateTable } from '../../device.js'
import { count, integer } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import type { OutsideEvent, OutsideInput } from '../outside.js'
import { type Address, addressText, GATEWAY, GATEWAY6, ROUTER6 } from './addresses.js'
import type { Datagram, Send } from './datagram.js'
import { Relay } from './relay.js'
import { TcpEndPoint } from './tcp/tcp.js'

/** A guest that opens more is refused. */
export const MOST_RELAYS = 512
/** RFC 6335: ports for whoever opens connections. */
const FIRST_PORT = 49152
const LAST_PORT = 65535
/** Streams that a guest asked for have numbers from here on; those of the world outside are below. */
const FIRST_ASKED = 2 ** 32

/** Where a guest is. */
export interface Place {
  mac: Uint8Array
  address: Address
}

type StreamInput = Extract<OutsideInput, { stream: number }>

export class Relays implements Stateful {
  readonly state: StateTable = { tcp: part(), asked: count, port: integer(FIRST_PORT, LAST_PORT) }
  private readonly tcp: TcpEndPoint
  private asked = 0
  private port = FIRST_PORT
  private readonly streams = new Map<number, Relay>()

  constructor(
    clock: Clock,
    send: Send,
    longestFor: (mac: Uint8Array) => number,
    private readonly tell: (event: OutsideEvent) => void,
  ) {
    const host = { tell, forget: ({ stream }: Relay) => this.streams.delete(stream) }
    const options = {
      most: MOST_RELAYS,
      // Who asks here has been looked at.
      listens: () => true,
      application: (connection: Relay['connection']) => new Relay(connection, host),
      holds: (connection: Relay['connection']) => this.ask(connection.application as Relay),
    }
    this.tcp = new TcpEndPoint(clock, send, longestFor, options, 'tcp relays')
  }

  loaded(): void {
    this.streams.clear()
    for (const { application, status } of this.tcp.open)
      if (status !== 'TIME-WAIT' && status !== 'CLOSED')
        this.streams.set((application as Relay).stream, application as Relay)
  }

  /** Whether a segment is of one of them. */
  knows(datagram: Datagram): boolean {
    return this.tcp.knows(datagram)
  }

  receive(datagram: Datagram): void {
    this.tcp.receive(datagram)
  }

  /** A connection to a guest's port; nothing where its number is another's. */
  dial(stream: number, port: number, { mac, address }: Place): void {
    if (this.streams.has(stream) || stream >= FIRST_ASKED) return
    const localAddress = gatewayFor(address)
    for (let tries = 0; tries <= LAST_PORT - FIRST_PORT; tries++) {
      const localPort = this.port
      this.port = localPort === LAST_PORT ? FIRST_PORT : localPort + 1
      const ends = { mac, localAddress, localPort, remoteAddress: address, remotePort: port }
      const connection = this.tcp.connect(ends, ({ application }) => this.begin(application as Relay, stream))
      if (connection || this.tcp.open.length >= MOST_RELAYS) {
        if (!connection) this.tell({ kind: 'closed', stream, why: 'there are too many connections' })
        return
      }
    }
  }

  input(event: StreamInput): void {
    const relay = this.streams.get(event.stream)
    if (!relay) return
    const { connection } = relay
    switch (event.kind) {
      case 'stream-answered':
        connection.answer()
        break
      case 'stream-data':
        relay.write(event.bytes)
        break
      case 'stream-taken':
        relay.handedOn(event.count)
        break
      case 'stream-ended':
        connection.end()
        break
      case 'stream-gone':
        connection.abort(event.why)
        this.tcp.drop(connection)
        break
    }
  }

  /** What they led to is gone. */
  reset(): void {
    for (const stream of this.streams.keys())
      this.input({ kind: 'stream-gone', stream, why: 'the machine goes on from a snapshot' })
  }

  private ask(relay: Relay): void {
    this.begin(relay, FIRST_ASKED + ++this.asked)
    const { localAddress, localPort } = relay.connection
    this.tell({ kind: 'asked', stream: relay.stream, address: addressText(localAddress), port: localPort })
  }

  private begin(relay: Relay, stream: number): void {
    relay.stream = stream
    this.streams.set(stream, relay)
  }
}

/** From whom it seems to come what comes to a guest from outside. */
export function gatewayFor(address: Address): Address {
  const isLocal = address.length === 16 && address[0] === 0xfe
  if (address.length === 4) return GATEWAY
  return isLocal ? ROUTER6 : GATEWAY6
}
