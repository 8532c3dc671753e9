/**
 * A machine without a CPU whose guest is a station that takes TCP connections: for tests of what a test says to a server in
 * its guest, in milliseconds. As a module for a worker. Port 80 answers HTTP, port 7 sends back what it gets, and a line
 * `10.0.2.2 4711 hello` that comes by COM1 has it connect to there, say hello, and tell COM1 what it hears, or the MD5 of that.
 */
import { createHash } from 'node:crypto'
import { MachineClock } from '../../../../machine/clock.js'
import type { Stateful } from '../../../../machine/device.js'
import { NO_DISPLAY } from '../../../../machine/devices/display/no-display.js'
import type { InputEvent } from '../../../../machine/input.js'
import type { Machine, MachineExit, MachineOptions } from '../../../../machine/machine.js'
import { type Address, ipv4, LAN_MAC, macBytes } from '../../../../machine/network/lan/addresses.js'
import { type Outgoing, TCP } from '../../../../machine/network/lan/datagram.js'
import { Ipv4 } from '../../../../machine/network/lan/ipv4.js'
import { Reassembly } from '../../../../machine/network/lan/reassembly.js'
import { HttpServer } from '../../../../machine/network/lan/services/http-server.js'
import { HttpSession } from '../../../../machine/network/lan/services/http-session.js'
import { RequestLog } from '../../../../machine/network/lan/services/request-log.js'
import { TcpEndPoint } from '../../../../machine/network/lan/tcp/tcp.js'
import type { TcpApplication, TcpConnection } from '../../../../machine/network/lan/tcp/tcp-connection.js'
import { MachineNetwork } from '../../../../machine/network/machine-network.js'
import { Arrivals, LONGEST_FRAME, type NetworkPort } from '../../../../machine/network/port.js'
import { hashParts } from '../../../../machine/state/compare.js'
import type { MachineState } from '../../../../machine/state/machine-state.js'
import { part, saveState, takeState } from '../../../../machine/state/state-table.js'

/** The address of the first machine, and the fifth byte of its station; those of other machines of a network are behind it. */
const FIRST_ADDRESS = 15
const FIRST_MAC = 0x34
const LARGE = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)

/** Says what it hears; what it hears first is told by COM1 where the guest has opened the connection. */
class Echo implements TcpApplication {
  readonly state = {}
  private waiting: Uint8Array[] = []

  constructor(private readonly connection: TcpConnection) {}

  received(data: Uint8Array): void {
    this.waiting.push(data)
    this.writable()
  }

  ended(): void {
    this.connection.end()
  }

  writable(): void {
    while (this.waiting.length > 0 && this.connection.room >= this.waiting[0].length)
      this.connection.write(this.waiting.shift() as Uint8Array)
  }

  closed(): void {}
}

/** A connection that the guest has opened: it says a byte, and what comes back goes to COM1. */
class Asking implements TcpApplication {
  readonly state = {}
  readonly isPatient = true
  text = ''
  private heard = ''

  constructor(
    private readonly connection: TcpConnection,
    private readonly say: (text: string) => void,
  ) {}

  opened(): void {
    this.connection.write(Buffer.from(this.text))
  }

  received(data: Uint8Array): void {
    this.heard += Buffer.from(data)
    if (this.heard.length < this.text.length) return
    const { heard } = this
    this.say(`heard ${heard.length > 80 ? createHash('md5').update(heard).digest('hex') : heard}\n`)
    this.connection.end()
  }

  ended(): void {}
  writable(): void {}

  closed(why = 'in order'): void {
    this.say(`over: ${why}\n`)
  }
}

class Station implements Stateful {
  readonly state = { arrivals: part(), tcp: part(), asking: part(), ip: part() }
  readonly arrivals: Arrivals
  readonly tcp: TcpEndPoint
  readonly asking: TcpEndPoint
  readonly ip: Ipv4
  private readonly address: Address
  private port = 40000

  constructor(
    private readonly clock: MachineClock,
    private readonly card: NetworkPort,
    private readonly mac: Uint8Array,
    say: (text: string) => void,
  ) {
    this.address = ipv4(`10.0.2.${FIRST_ADDRESS + mac[4] - FIRST_MAC}`)
    this.arrivals = new Arrivals(
      'station',
      clock,
      () => {},
      (frame) => this.receive(frame),
    )
    card.receive = (frame, time) => this.arrivals.add(frame, time)
    this.ip = new Ipv4(new Reassembly(clock))
    const server = new HttpServer({
      http: { '/hello': { kind: 'bytes', body: Buffer.from('welcome\n') }, '/large': { kind: 'bytes', body: LARGE } },
    })
    const http = { clock, log: new RequestLog(), server, now: () => 1767225600, kept: () => 0 }
    const send = (datagram: Outgoing) => this.send(datagram)
    this.tcp = new TcpEndPoint(clock, send, () => LONGEST_FRAME, {
      ...{ most: 100, listens: (port: number) => port === 80 || port === 7 },
      application: (connection) => new Either(connection, () => new HttpSession(connection, http)),
    })
    const application = (connection: TcpConnection) => new Asking(connection, say)
    const asks = { most: 100, listens: () => false, application }
    this.asking = new TcpEndPoint(clock, send, () => LONGEST_FRAME, asks, 'asking')
  }

  ask(address: Address, port: number, text: string): void {
    const ends = {
      mac: LAN_MAC,
      localAddress: this.address,
      localPort: this.port++,
      remoteAddress: address,
      remotePort: port,
    }
    this.asking.connect(ends, ({ application }) => Object.assign(application, { text }))
  }

  /** Who is at its address: by ARP, to all. */
  announce(): void {
    const frame = new Uint8Array(60)
    frame.fill(0xff, 0, 6)
    frame.set(this.mac, 6)
    frame.set([8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...this.mac, ...this.address, 0, 0, 0, 0, 0, 0, ...this.address], 12)
    this.card.send(frame, this.clock.now())
  }

  private receive(frame: Uint8Array): void {
    const datagram = frame[12] === 8 && frame[13] === 0 ? this.ip.read(frame) : undefined
    if (datagram?.protocol !== TCP) return
    if (this.asking.knows(datagram)) this.asking.receive(datagram)
    else this.tcp.receive(datagram)
  }

  private send(datagram: Outgoing): void {
    for (const frame of this.ip.write(datagram)) {
      frame.set(this.mac, 6)
      this.card.send(frame, this.clock.now())
    }
  }
}

/** HTTP at port 80, an echo elsewhere: known when something comes. */
class Either implements TcpApplication {
  readonly state = {}
  private chosen: TcpApplication | undefined

  constructor(
    private readonly connection: TcpConnection,
    private readonly http: () => TcpApplication,
  ) {}

  private get one(): TcpApplication {
    this.chosen ??= this.connection.localPort === 80 ? this.http() : new Echo(this.connection)
    return this.chosen
  }

  received(data: Uint8Array): void {
    this.one.received(data)
  }

  ended(): void {
    this.one.ended()
  }

  writable(): void {
    this.one.writable()
  }

  closed(why?: string): void {
    this.one.closed(why)
  }
}

class ServerMachine implements Machine {
  readonly engine = 'soft'
  readonly engineReason = 'it has no CPU'
  readonly display = NO_DISPLAY
  private time = 0
  private readonly clock = new MachineClock(() => this.time)
  private readonly network: MachineNetwork
  private readonly station: Station
  private stopRequested = false

  constructor({ nics = [], network: contents, onSerial, epoch = 0, ...options }: MachineOptions) {
    const { clock } = this
    const { onRequest, onOutside, trunk, onTrunk } = options
    const told = { onRequest, onOutside, onTrunk }
    this.network = new MachineNetwork({ nics, clock, warn: () => {}, epoch, contents, trunk, ...told })
    const say = (text: string) => {
      for (const byte of Buffer.from(text)) onSerial?.(0, byte)
    }
    const [{ id, mac }] = nics
    this.station = new Station(clock, this.network.port(id) as NetworkPort, macBytes(mac), say)
    if (trunk) clock.timer('announcement', () => this.station.announce()).at(1e6)
  }

  idleUntil(): number {
    return Math.max(this.time, this.clock.nextDeadline())
  }

  now(): number {
    return this.time
  }

  instructions(): number {
    return this.time
  }

  run(until: number, hostEnd = Number.POSITIVE_INFINITY): MachineExit | undefined {
    this.stopRequested = false
    while (!this.stopRequested) {
      const next = this.clock.nextDeadline()
      this.time = Math.max(this.time, Math.min(until, next))
      if (next > until) return undefined
      this.clock.runDue(1)
      if (performance.now() >= hostEnd) return undefined
    }
    return undefined
  }

  requestStop(): void {
    this.stopRequested = true
  }

  input(event: InputEvent): void {
    if (event.kind === 'serial') {
      const [address, port, text] = Buffer.from(event.bytes).toString().trim().split(' ')
      this.station.ask(ipv4(address), Number(port), text)
    } else if (!['key', 'mouse', 'power-button', 'reset'].includes(event.kind)) this.network.input(event as never)
  }

  pending(): number {
    return 0
  }

  biosKeys(): undefined {
    return undefined
  }

  suspectStuck(): void {}
  insert(): void {}
  close(): void {}

  isStuck(): undefined {
    return undefined
  }

  requests() {
    return this.network.requests()
  }

  report() {
    return { unhandled: [], lastIo: [], faults: [], registers: '', backtraces: [], mouse: false, warnings: [] }
  }

  save(): MachineState {
    return {
      ...{ shape: this.shape(), time: { kind: 'soft', ns: this.time, counts: {} }, cpus: [], clock: this.clock.save() },
      devices: { network: saveState(this.network), station: saveState(this.station) },
      ...{ media: {}, machine: {}, memory: { size: 0, layers: [] } },
    }
  }

  load({ time, clock, devices }: MachineState): void {
    this.time = time.ns
    takeState(this.network, devices.network)
    takeState(this.station, devices.station)
    this.clock.load(clock)
  }

  fingerprint(): string {
    return hashParts(this.save()).digest('hex')
  }

  shape() {
    const none = { cpu: '', cpus: 0, ram: 0, memory: [], memorySize: 0, media: {} }
    return { ...none, engine: 'soft' as const, devices: { network: 'network', station: 'station' } }
  }
}

export function createMachine(options: MachineOptions): Machine {
  return new ServerMachine(options)
}
