/**
 * A guest's way out (`net=user`): what it asks of the world goes through sockets of the host's, where the rules let it, and
 * ports of the host's that were forwarded lead to it. What comes in is input to the machine, so that a recording has it all.
 */
import { isIPv6, type Server } from 'node:net'
import { HostError } from '../../machine/errors.js'
import type { OutsideEvent, OutsideInput } from '../../machine/network/outside.js'
import {
  type ForwardConfig,
  type GuestForwardConfig,
  type MayReach,
  type UserNetConfig,
  wayOut,
} from '../config/way-out.js'
import { type Dialer, HOST } from './dialer.js'
import { ForwardedDatagrams } from './forwarded-datagrams.js'
import { HostDatagrams, type UdpOut } from './host-datagrams.js'
import { HostStream } from './host-stream.js'
import { answerName } from './name-server.js'

/** A port of the host's cannot be had; one sentence. */
export class ForwardError extends HostError {
  override readonly name = 'ForwardError'
}

/** Connections that come to a forwarded port at a time. */
const MOST_FORWARDED = 256
/** Echoes that are under way. */
const MOST_ECHOES = 8
/** Questions for names that are. */
const MOST_QUESTIONS = 64
const DNS = 53
const NAME_SERVERS = ['10.0.2.3', 'fec0::3']
/** What the guest calls the host itself. */
const HOST_ITSELF: { readonly [gateway: string]: string } = { '10.0.2.2': '127.0.0.1', 'fec0::2': '::1' }
const GATEWAYS = [...Object.keys(HOST_ITSELF), 'fe80::2']
/** Streams of the host's own; a test's connections count from 1. */
const FIRST_NUMBER = 2 ** 31

export interface MachineSide {
  /** @param isLate It is of no use to a machine that stands still. */
  say(event: OutsideInput, isLate?: boolean): void
  /** A datagram of the guest's was looked at. */
  datagramSeen(): void
}

/** A forward with the port that was taken. */
export interface Forwarded extends ForwardConfig {
  port: number
}

export class WayOut {
  private readonly streams = new Map<number, HostStream>()
  private readonly datagrams: HostDatagrams
  private readonly mayReach: MayReach | undefined
  private readonly servers: Server[] = []
  private readonly forwardedDatagrams: ForwardedDatagrams[] = []
  readonly forwarded: Forwarded[] = []
  private last = FIRST_NUMBER
  private echoes = 0
  private questions = 0

  constructor(
    private readonly nets: readonly UserNetConfig[],
    private readonly machine: MachineSide,
    private readonly dialer: Dialer = HOST,
  ) {
    this.mayReach = wayOut(nets)
    this.datagrams = new HostDatagrams(dialer, (event) => machine.say(event, true))
  }

  /** Takes the ports that are forwarded. Rejects with a ForwardError. */
  async open(): Promise<void> {
    for (const forward of this.nets.flatMap(({ forwards = [] }) => forwards)) await this.forward(forward)
  }

  hear(event: OutsideEvent): void {
    switch (event.kind) {
      case 'asked':
        this.dial(event.stream, event.address, event.port)
        break
      case 'udp-out':
        this.machine.datagramSeen()
        this.sendDatagram(event)
        break
      case 'echo-out':
        this.machine.datagramSeen()
        void this.echo(event)
        break
      default:
        this.streams.get(event.stream)?.hear(event)
        if (event.kind === 'closed') this.streams.delete(event.stream)
    }
  }

  /** The machine went back: nobody there knows of these. */
  reset(): void {
    for (const stream of this.streams.values()) stream.end()
    this.streams.clear()
  }

  close(): void {
    this.reset()
    this.datagrams.close()
    for (const server of this.servers) server.close()
    for (const datagrams of this.forwardedDatagrams) datagrams.close()
  }

  private dial(number: number, address: string, port: number): void {
    const server = this.nets
      .flatMap(({ guestForwards = [] }) => guestForwards)
      .find((one) => one.address === address && one.port === port)
    if (server) {
      this.dialServer(number, server.to)
      return
    }
    const real = HOST_ITSELF[address] ?? address
    // The machine has asked this before; nothing is dialled that was not asked here.
    if (!this.mayReach?.('tcp', real, port)) {
      this.machine.say({ kind: 'stream-gone', stream: number, why: 'it is not allowed' })
      return
    }
    const socket = this.dialer.connect(real, port)
    this.streams.set(number, new HostStream(number, socket, (event) => this.machine.say(event), true))
  }

  /** What the guest finds at an address of its LAN. */
  private dialServer(number: number, to: GuestForwardConfig['to']): void {
    if (!to) {
      this.machine.say({ kind: 'stream-gone', stream: number, why: 'nothing is there any more' })
      return
    }
    const end = 'command' in to ? this.dialer.run(to.command) : this.dialer.connect(to.host, to.port)
    this.streams.set(number, new HostStream(number, end, (event) => this.machine.say(event), true))
  }

  private sendDatagram(event: UdpOut): void {
    if (GATEWAYS.includes(event.far) && this.forwardedDatagrams.some((one) => one.answer(event))) return
    if (NAME_SERVERS.includes(event.far) && event.farPort === DNS) {
      void this.resolve(event)
      return
    }
    const real = HOST_ITSELF[event.far] ?? event.far
    if (this.mayReach?.('udp', real, event.farPort)) this.datagrams.send(event, real)
  }

  private async resolve({ mac, guest, far, guestPort, farPort, bytes }: UdpOut): Promise<void> {
    const { mayReach } = this
    if (this.questions >= MOST_QUESTIONS || !mayReach) return
    this.questions++
    try {
      // Of whatever port: a rule for one port of an address is a reason to tell the address.
      const answer = await answerName(bytes, this.dialer, (address) => this.isNamed(address))
      if (answer) this.machine.say({ kind: 'udp-in', mac, guest, far, guestPort, farPort, bytes: answer }, true)
    } finally {
      this.questions--
    }
  }

  private isNamed(address: string): boolean {
    const ports = this.nets.flatMap(({ allow = [] }) => allow.map(({ port }) => port ?? 0))
    return [0, ...ports].some((port) => this.mayReach?.('tcp', address, port))
  }

  private async echo(event: Extract<OutsideEvent, { kind: 'echo-out' }>): Promise<void> {
    const { mac, guest, far, bytes } = event
    if (this.echoes >= MOST_ECHOES || !this.mayReach?.('icmp', far, 0)) return
    this.echoes++
    // Behind its identifier and number.
    const why = await this.dialer.echo(far, Math.max(0, bytes.length - 4))
    this.echoes--
    if (why === undefined) this.machine.say({ kind: 'echo-in', mac, guest, far, bytes }, true)
    else this.machine.say({ kind: 'outside-note', guest, what: `ICMP ${far}`, result: why })
  }

  private async forward(forward: ForwardConfig): Promise<void> {
    const port = await (forward.protocol === 'udp' ? this.forwardDatagrams(forward) : this.forwardConnections(forward))
    this.forwarded.push({ ...forward, port })
  }

  private async forwardDatagrams(forward: ForwardConfig): Promise<number> {
    const { address, port } = forward
    const socket = this.dialer.datagrams(isIPv6(address) ? 6 : 4)
    await taken(forward, (done, failed) => {
      socket.once('error', failed)
      socket.bind({ address, port, exclusive: true }, done)
    })
    socket.unref()
    this.forwardedDatagrams.push(new ForwardedDatagrams(socket, forward, (event) => this.machine.say(event, true)))
    return socket.address().port
  }

  private async forwardConnections(forward: ForwardConfig): Promise<number> {
    const { guest, guestPort, address } = forward
    const server = this.dialer.listen()
    server.maxConnections = MOST_FORWARDED
    server.on('connection', (socket) => {
      const number = ++this.last
      const say = (event: OutsideInput) => this.machine.say(event)
      this.streams.set(number, new HostStream(number, socket, say, false))
      say({ kind: 'dial', stream: number, port: guestPort, ...(guest !== undefined && { guest }) })
    })
    await taken(forward, (done, failed) => {
      server.once('error', failed)
      server.listen(forward.port, address, done)
    })
    server.unref()
    this.servers.push(server)
    const bound = server.address()
    return typeof bound === 'object' && bound ? bound.port : forward.port
  }
}

function taken(
  { address, port }: ForwardConfig,
  begin: (done: () => void, failed: (error: Error) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    begin(resolve, (error: NodeJS.ErrnoException) => {
      const where = `port ${port} of ${address}`
      const whys: { readonly [code: string]: string } = {
        EADDRINUSE: 'is in use; name another one in hostfwd, or 0 for any',
        EACCES: 'may not be taken by this user; name one above 1023 in hostfwd',
        EADDRNOTAVAIL: 'is not at an address of this host; name one of its own in hostfwd',
      }
      reject(new ForwardError(`${where} ${whys[error.code ?? ''] ?? `cannot be taken (${error.message})`}`))
    })
  })
}
