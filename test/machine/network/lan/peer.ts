/** A station beside the LAN, frame by frame: what a guest's driver would send, and what it would hear. */
import { ManualClock } from '../../../../machine/clock.js'
import type { FileTree, NetworkContents } from '../../../../machine/network/contents.js'
import { type Address, ipv4 } from '../../../../machine/network/lan/addresses.js'
import { checksumOf, sumWords } from '../../../../machine/network/lan/checksum.js'
import { type Datagram, TCP, UDP } from '../../../../machine/network/lan/datagram.js'
import { Ipv4 } from '../../../../machine/network/lan/ipv4.js'
import { Lan } from '../../../../machine/network/lan/lan.js'
import { Reassembly } from '../../../../machine/network/lan/reassembly.js'
import { readSegment, type Segment, writeSegment } from '../../../../machine/network/lan/tcp/tcp-segment.js'
import { readUdp, type UdpDatagram, writeUdp } from '../../../../machine/network/lan/udp.js'
import type { OutsideEvent, OutsideInput } from '../../../../machine/network/outside.js'
import { Switch, type SwitchPort } from '../../../../machine/network/switch.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

export const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)
export const LAN_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2)
export const EPOCH = 1767225600

export class Peer {
  readonly clock = new ManualClock()
  readonly net = new Switch(this.clock)
  readonly port: SwitchPort
  readonly lan: Lan
  readonly heard: Uint8Array[] = []
  /** What left for the world outside. */
  readonly told: OutsideEvent[] = []
  private readonly reader = new Ipv4(new Reassembly(this.clock))

  constructor(contents: Partial<NetworkContents> = {}) {
    this.port = this.net.port('card')
    this.port.receive = (frame) => this.heard.push(frame)
    const options = { clock: this.clock, warn: () => {}, port: this.net.port('services') }
    const onOutside = (event: OutsideEvent) => this.told.push(event)
    const own = { epoch: EPOCH, firstCard: MAC, onOutside }
    this.lan = new Lan({ ...options, contents: { http: {}, ...contents }, ...own })
  }

  /** From the world outside, and a millisecond for what comes of it. */
  outside(event: OutsideInput): void {
    this.lan.input(event)
    this.clock.advance(1e6)
  }

  /** A frame, and a millisecond for its answer. */
  frame(frame: Uint8Array): void {
    this.port.send(frame, this.clock.now())
    this.clock.advance(1e6)
  }

  ip(protocol: number, payload: Uint8Array, to: Address = ipv4('10.0.2.2'), from: Address = ipv4('10.0.2.15')): void {
    this.frame(ipFrame(protocol, payload, to, from))
  }

  udp(datagram: UdpDatagram, to: Address = ipv4('10.0.2.2'), from: Address = ipv4('10.0.2.15')): void {
    this.ip(UDP, writeUdp({ mac: LAN_MAC, source: from, destination: to }, datagram).payload, to, from)
  }

  tcp(segment: Partial<Segment>, to: Address = ipv4('10.0.2.2')): void {
    const whole = {
      from: 40000,
      to: 80,
      sequence: 0,
      acknowledgment: 0,
      flags: 0,
      window: 65535,
      data: NOTHING,
      ...segment,
    }
    this.ip(TCP, writeSegment(whole, ipv4('10.0.2.15'), to), to)
  }

  /** What was heard since the last time, of IPv4. */
  datagrams(): Datagram[] {
    return this.heard
      .splice(0)
      .flatMap((frame) => (frame[12] === 8 && frame[13] === 0 ? (this.reader.read(frame) ?? []) : []))
  }

  segments(): Segment[] {
    return this.datagrams().flatMap((one) => (one.protocol === TCP ? (readSegment(one) ?? []) : []))
  }

  answers(): UdpDatagram[] {
    return this.datagrams().flatMap((one) => (one.protocol === UDP ? (readUdp(one) ?? []) : []))
  }

  /** Another one like it that goes on from here. */
  copy(contents: Partial<NetworkContents> = {}): Peer {
    const other = new Peer(contents)
    other.clock.advance(this.clock.now())
    loadState(other.net, structuredClone(saveState(this.net)))
    loadState(other.lan, structuredClone(saveState(this.lan)))
    return other
  }
}

export const NOTHING = new Uint8Array()

export function ipFrame(protocol: number, payload: Uint8Array, to: Address, from: Address): Uint8Array {
  const frame = new Uint8Array(34 + payload.length)
  frame.set(LAN_MAC, 0)
  frame.set(MAC, 6)
  frame.set([8, 0, 0x45, 0, (20 + payload.length) >>> 8, (20 + payload.length) & 0xff, 0, 1, 0, 0, 64, protocol], 12)
  frame.set(from, 26)
  frame.set(to, 30)
  const checksum = checksumOf(sumWords(frame.subarray(14, 34)))
  frame.set([checksum >>> 8, checksum & 0xff], 24)
  frame.set(payload, 34)
  return frame
}

/** A folder in memory. */
export function filesOf(files: { readonly [path: string]: Uint8Array }): FileTree {
  return {
    open(path) {
      if (path === '' || path.endsWith('/')) return 'folder'
      if (!Object.hasOwn(files, path)) return undefined
      const file = files[path]
      return {
        size: file.length,
        read: (offset, into) => into.set(file.subarray(offset, offset + into.length)),
        close: () => {},
      }
    },
    list: () => Object.keys(files).sort(),
  }
}
