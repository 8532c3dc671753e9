/**
 * A guest with a way out that lies: frames and fragments to loopback, link-local and private addresses, to the whole world,
 * and questions for names that lead there; all of it cut and changed, too. Behind the way out stands a host that dials nobody
 * and says anything. Nobody is ever dialled, and no name told, but what is public, and what is kept is bounded.
 */
import type { Socket as DatagramSocket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { decode, encode } from 'dns-packet'
import { wayOut } from '../../harness/config/way-out.js'
import type { Dialer } from '../../harness/outside/dialer.js'
import { WayOut } from '../../harness/outside/way-out.js'
import { type Address, addressText, ipv4, ipv6 } from '../../machine/network/lan/addresses.js'
import { ICMP, ICMPV6, TCP, UDP } from '../../machine/network/lan/datagram.js'
import { SYN, writeSegment } from '../../machine/network/lan/tcp/tcp-segment.js'
import { writeUdp } from '../../machine/network/lan/udp.js'
import type { OutsideInput } from '../../machine/network/outside.js'
import { saveState } from '../../machine/state/state-table.js'
import { ipFrame, LAN_MAC, MAC, Peer } from '../machine/network/lan/peer.js'
import type { Random } from '../random.js'
import { echo, fragment, GUEST, lastOf, spoilt, whole } from './frames.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'
import { sizeOfState } from './state-size.js'

const FRAMES = 400
/** Frames between two turns of the host's. */
const TURN = 20
/** Connections that a guest may have open, and a turn's more that the host has not closed yet. */
const MOST_SOCKETS = 512 + TURN
const LARGEST_STATE = 48 << 20

const FORBIDDEN = ['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '10.0.2.77', '172.16.0.1', '172.31.255.255']
const FORBIDDEN_TOO = ['192.168.0.1', '169.254.169.254', '100.64.0.1', '224.0.0.1', '255.255.255.255', '198.18.0.1']
const FORBIDDEN6 = ['::1', '::', 'fe80::1', 'fc00::1', 'fd12::1', 'fec0::9', 'ff02::1', '2001:db8::1', '2002:7f00:1::']
const PUBLIC = ['8.8.8.8', '9.9.9.9', '2600::1', '2a00:1450::1']
const PLACES = [...FORBIDDEN, ...FORBIDDEN_TOO, ...FORBIDDEN6, ...PUBLIC, ...PUBLIC]
const GATES = ['10.0.2.2', 'fec0::2', 'fe80::2', '10.0.2.3', 'fec0::3']
const GUEST6 = ipv6('fec0::5054:ff:fe12:3456')

const addressOf = (text: string) => (text.includes(':') ? ipv6(text) : ipv4(text))

/** Written anew here, from IANA's registries and not from the rules that are tried. */
function isPublic(text: string): boolean {
  if (isIP(text) === 6) {
    const [first, second] = addressWords(ipv6(text))
    if (first >>> 13 !== 1) return false
    return !(first === 0x2002 || (first === 0x2001 && (second < 0x200 || second === 0xdb8)) || first === 0x3fff)
  }
  const [a, b, c] = text.split('.').map(Number)
  if (isIP(text) !== 4 || [0, 10, 127].includes(a) || a >= 224) return false
  if (a === 100) return b < 64 || b > 127
  if (a === 172) return b < 16 || b > 31
  if (a === 192) return b !== 168 && !(b === 0 && (c === 0 || c === 2)) && !(b === 88 && c === 99)
  if (a === 198) return b !== 18 && b !== 19 && !(b === 51 && c === 100)
  return !(a === 169 && b === 254) && !(a === 203 && b === 0 && c === 113)
}

function addressWords(address: Address): number[] {
  return Array.from({ length: 8 }, (_, i) => (address[2 * i] << 8) | address[2 * i + 1])
}

/** A host that reaches nobody: each of its sockets does what it likes. */
class LyingHost implements Dialer {
  /** Whoever was to be reached. */
  readonly reached: string[] = []
  readonly open = new Set<Duplex>()
  datagramSockets = 0

  constructor(private readonly random: Random) {}

  connect(address: string): Socket {
    this.reached.push(address)
    const { random } = this
    const socket: Duplex = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() })
    this.open.add(socket)
    socket.once('close', () => this.open.delete(socket))
    const acts = Array.from({ length: random.below(4) }, () => random.below(5))
    setImmediate(() => {
      for (const act of acts) {
        if (socket.destroyed) return
        if (act === 0) socket.emit('connect')
        else if (act === 1) socket.push(Buffer.alloc(1 + random.below(random.pick([10, 3000, 300_000]))))
        else if (act === 2) socket.push(null)
        else if (act === 3) socket.destroy(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))
        else socket.emit('connect')
        if (act === 2) return
      }
    })
    return Object.assign(socket, { setTimeout() {}, setNoDelay() {}, resetAndDestroy: () => socket.destroy() }) as never
  }

  datagrams(): DatagramSocket {
    this.datagramSockets++
    const socket = Object.assign(new EventEmitter(), {
      send: (_bytes: Uint8Array, port: number, address: string) => {
        this.reached.push(address)
        // An answer, and somebody who was never spoken to.
        const from = this.random.pick([address, '10.0.0.1'])
        socket.emit('message', Buffer.alloc(this.random.below(2000)), { address: from, port })
      },
      close: () => {
        this.datagramSockets--
      },
      unref() {},
    })
    return socket as never
  }

  async addresses(_name: string, family: 4 | 6): Promise<string[]> {
    if (this.random.below(5) === 0) throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    const known = PLACES.filter((place) => isIP(place) === family)
    return Array.from({ length: this.random.below(6) }, () => this.random.pick(known))
  }

  async records(): Promise<unknown> {
    return this.random.pick([[], [['text']], [{ priority: 1, exchange: 'x.example' }], 'nonsense', [{}]])
  }

  async echo(address: string): Promise<string | undefined> {
    this.reached.push(address)
    return this.random.chance(2) ? undefined : 'no answer came'
  }

  run(): never {
    throw new Error('a program was to be run')
  }

  listen(): never {
    throw new Error('a port was to be taken')
  }

  ownAddresses(): string[] {
    return []
  }
}

function ip6Frame(next: number, payload: Uint8Array, to: Address): Uint8Array {
  const head = [...LAN_MAC, ...MAC, 0x86, 0xdd, 0x60, 0, 0, 0, payload.length >>> 8, payload.length & 0xff, next, 64]
  return Uint8Array.from([...head, ...GUEST6, ...to, ...payload])
}

/** To somewhere, or to the world by way of a name. */
function outwards(random: Random): Uint8Array {
  const isName = random.below(4) === 0
  const to = addressOf(isName ? random.pick(['10.0.2.3', 'fec0::3']) : random.pick([...PLACES, ...GATES]))
  const [source, protocol] = [to.length === 4 ? GUEST : GUEST6, random.below(5)]
  const frameOf = (next: number, payload: Uint8Array) =>
    to.length === 4 ? ipFrame(next, payload, to, GUEST) : ip6Frame(next, payload, to)
  if (isName || protocol === 0) {
    const type = random.pick(['A', 'AAAA', 'A', 'AAAA', 'TXT', 'MX', 'PTR'] as const)
    const name = random.pick(['near.example', 'far.example', 'localhost', 'x'.repeat(60)])
    const question = encode({ type: 'query', id: random.below(65536), questions: [{ name, type: type as 'A' }] })
    const data = isName ? new Uint8Array(question) : new Uint8Array(random.below(1400))
    const datagram = { from: 1024 + random.below(300), to: isName ? 53 : random.below(65536), data }
    return frameOf(UDP, writeUdp({ mac: LAN_MAC, source, destination: to }, datagram).payload)
  }
  if (protocol === 1) {
    const payload = echo(random)
    return frameOf(to.length === 4 ? ICMP : ICMPV6, payload)
  }
  const segment = {
    ...{ from: 1024 + random.below(random.pick([3, 60_000])), to: random.pick([22, 80, 443]), sequence: random.u32() },
    ...{ acknowledgment: random.u32(), flags: random.pick([SYN, SYN, SYN, 16, 24, 17, 4]), window: 65535 },
    data: new Uint8Array(random.below(random.pick([1, 1400]))),
  }
  return frameOf(TCP, writeSegment(segment, source, to))
}

const fuzzer: Fuzzer = {
  name: 'user-net',
  title: `a guest knocks everywhere with ${FRAMES} frames`,
  dose: 8,
  unit: 'frames',
  async run(random, { size, count }) {
    const may = wayOut([{}])
    const peer = new Peer({
      wayOut: (protocol, address, port) => may?.(protocol, addressText(address), port) ?? false,
    })
    const host = new LyingHost(random)
    const said: OutsideInput[] = []
    const way = new WayOut([{}], { say: (event) => said.push(event), datagramSeen() {} }, host)
    const sent: Uint8Array[] = []
    const check = (isRight: boolean, what: string) => {
      if (!isRight) throw new FuzzFailure(what, lastOf(sent))
    }
    const exchange = () => {
      for (const event of said.splice(0)) {
        if (event.kind === 'udp-in' && event.farPort === 53) checkNames(event.bytes, check)
        peer.outside(structuredClone(event))
      }
      for (const event of peer.told.splice(0)) way.hear(structuredClone(event))
    }
    try {
      for (let n = 0; n < FRAMES * size; n++) {
        let frame = random.below(4) === 0 ? whole(random, random.u32()) : outwards(random)
        if (frame[12] === 8 && frame[13] === 0 && random.below(6) === 0) frame = fragment(frame, random)
        frame = spoilt(frame, random).slice(0, 1518)
        sent.push(frame)
        peer.frame(frame)
        peer.clock.advance(random.pick([0, 0, 0, 0, 1e6, 300e6, 70e9]))
        peer.heard.length = 0
        exchange()
        if (n % TURN !== 0) continue
        await new Promise((resolve) => setImmediate(resolve))
        exchange()
        for (const one of host.reached.splice(0)) check(isPublic(one), `${one} was to be reached`)
        check(host.open.size <= MOST_SOCKETS, `${host.open.size} sockets are open`)
        check(host.datagramSockets <= 64, `${host.datagramSockets} sockets for datagrams are open`)
      }
      count(FRAMES * size)
      const bytes = sizeOfState(saveState(peer.lan))
      check(bytes <= LARGEST_STATE, `the LAN holds ${bytes} bytes`)
    } finally {
      way.close()
    }
    await new Promise((resolve) => setImmediate(resolve))
    check(host.open.size === 0 && host.datagramSockets === 0, 'sockets are left open')
  },
}

function checkNames(bytes: Uint8Array, check: (isRight: boolean, what: string) => void): void {
  // Whoever sends from port 53 may say anything.
  try {
    for (const answer of decode(Buffer.from(bytes)).answers ?? [])
      if (answer.type === 'A' || answer.type === 'AAAA') check(isPublic(answer.data), `${answer.data} was told`)
  } catch (error) {
    if (error instanceof FuzzFailure) throw error
  }
}

export default fuzzer
