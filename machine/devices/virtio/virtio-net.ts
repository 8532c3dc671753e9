/**
 * QEMU's `virtio-net-pci`: the network device of Virtual I/O Device 1.2, 5.1, with checksums and TCP segments left to the
 * card, merged receive buffers, and filters by the control queue.
 */
import type { Timer } from '../../clock.js'
import type { StateTable } from '../../device.js'
import { Arrivals, LONGEST_FRAME, LONGEST_PIECE, type NetworkPort, SHORTEST_FRAME } from '../../network/port.js'
import { bytes, list, starts, time, timer, u8 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { layersOf, onesSum, pseudoHeader, transportIsRight } from '../net/internet-checksum.js'
import { macBytes, macOption } from '../net/mac-option.js'
import { tcpSegments } from '../net/tcp-segments.js'
import { bytesOf, gather, scatter } from '../segments.js'
import { VERSION_1, type VirtioDevice, type VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'
import type { Chain } from './virtqueue.js'

const RECEIVE = 0
const TRANSMIT = 1
const CONTROL = 2

// Features
const CSUM = 0
const GUEST_CSUM = 1
const MAC = 5
const GUEST_TSO4 = 7
const GUEST_TSO6 = 8
const GUEST_ECN = 9
const HOST_TSO4 = 11
const HOST_TSO6 = 12
const HOST_ECN = 13
const MRG_RXBUF = 15
const STATUS = 16
const CTRL_VQ = 17
const CTRL_RX = 18
const CTRL_VLAN = 19
const CTRL_RX_EXTRA = 20
const CTRL_MAC_ADDR = 23

/** The address, and the status. */
const CONFIGURATION = 8
const LINK_UP = 1

// The header before each packet
const NEEDS_CSUM = 1
const DATA_VALID = 2
const GSO_NONE = 0
const GSO_TCPV4 = 1
const GSO_TCPV6 = 4
const GSO_ECN = 0x80
const HEADER = 10
/** With the number of buffers. */
const MERGED_HEADER = 12

const TCP = 6
const TCP_HEADER = 20
/** From the TCP header on. */
const TCP_CHECKSUM = 16
/** The longest frame without a tag. */
const UNTAGGED = 1514

// Commands of the control queue: class, command
const CLASS_RX = 0
const CLASS_MAC = 1
const CLASS_VLAN = 2
const ACK_OK = 0
const ACK_ERROR = 1
/** Bits of `modes`, in the order of the class's commands. */
const PROMISCUOUS = 1
const ALL_GROUPS = 2
const ALL_UNICAST = 4
const NO_GROUPS = 8
const NO_UNICAST = 16
const NO_BROADCAST = 32
const MOST_ADDRESSES = 64

/** A packet that is left to the card to cut up, with its headers. */
const LONGEST_PACKET = 65550
/** Frames that wait for buffers. */
const MOST_WAITING = 256
const PACKETS_AT_ONCE = 64
/** 10 Gbit/s: what a driver that is asked takes it for. Preamble, check sequence and gap. */
const NS_PER_BYTE = 0.8
const BYTES_AROUND = 24
/** It takes no more from the driver while so much waits for the wire. */
const AHEAD_NS = 100e3

const STATE: StateTable = {
  ...{
    address: bytes(6),
    modes: u8,
    unicast: list(bytes(6), 0, MOST_ADDRESSES),
    groups: list(bytes(6), 0, MOST_ADDRESSES),
  },
  ...{ vlans: bytes(512), waiting: list(bytes(SHORTEST_FRAME, LONGEST_PIECE), 0, MOST_WAITING) },
  ...{ wireFree: starts(time, 0), wire: timer, arrivals: part() },
}

export class VirtioNet implements VirtioDevice {
  readonly state = STATE
  readonly configurationSize = CONFIGURATION
  readonly features = [
    ...[CSUM, GUEST_CSUM, MAC, GUEST_TSO4, GUEST_TSO6, GUEST_ECN, HOST_TSO4, HOST_TSO6, HOST_ECN, MRG_RXBUF, STATUS],
    ...[CTRL_VQ, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, CTRL_MAC_ADDR],
  ]
  private readonly address: Uint8Array
  private modes = PROMISCUOUS
  private unicast: Uint8Array[] = []
  private groups: Uint8Array[] = []
  private readonly vlans = new Uint8Array(512)
  /** Frames for which the driver has given no buffers yet. */
  private waiting: Uint8Array[] = []
  private wireFree = 0
  /** The wire has room again. */
  private readonly wire: Timer
  private readonly arrivals: Arrivals
  private readonly packet = new Uint8Array(LONGEST_PACKET)
  private readonly header = new Uint8Array(MERGED_HEADER)
  private readonly view = new DataView(this.header.buffer)

  constructor(
    private readonly host: VirtioHost,
    private readonly port: NetworkPort | undefined,
    private readonly mac: readonly number[],
  ) {
    const { name, clock, warn } = host
    this.address = Uint8Array.from(mac)
    this.vlans.fill(0xff)
    this.wire = clock.timer(`${name} wire`, () => host.wake(TRANSMIT))
    this.arrivals = new Arrivals(name, clock, warn, (frame) => this.arrive(frame), LONGEST_PIECE)
    if (!port) return
    port.receive = (frame, time) => this.arrivals.add(frame, time)
    port.longest = () => this.longest
    port.linkChanged = () => host.configurationChanged()
    port.speed = 8e9 / NS_PER_BYTE
  }

  reset(): void {
    this.address.set(this.mac)
    this.modes = PROMISCUOUS
    this.unicast = []
    this.groups = []
    this.vlans.fill(0xff)
    this.waiting = []
    this.wireFree = 0
    this.wire.cancel()
  }

  /** Segments in one piece are for drivers that take both kinds, and have buffers that can be put together. */
  private get longest(): number {
    const { host } = this
    const takesPieces = host.has(GUEST_TSO4) && host.has(GUEST_TSO6) && host.has(MRG_RXBUF) && host.isRunning
    return takesPieces ? LONGEST_PIECE : LONGEST_FRAME
  }

  started(): void {
    // A driver that can tell its VLANs begins with none.
    this.vlans.fill(this.host.has(CTRL_VLAN) ? 0 : 0xff)
  }

  readConfiguration(offset: number): number {
    if (offset < 6) return this.address[offset]
    return offset === 6 && this.port?.link !== false && this.port ? LINK_UP : 0
  }

  /** The address, by drivers of 0.9 that have no command for it. */
  writeConfiguration(offset: number, value: number): void {
    if (offset < 6 && !this.host.has(VERSION_1)) this.address[offset] = value
  }

  private get headerSize(): number {
    return this.host.has(VERSION_1) || this.host.has(MRG_RXBUF) ? MERGED_HEADER : HEADER
  }

  serve(queue: number): boolean {
    if (queue === TRANSMIT) return this.transmit()
    if (queue === CONTROL) return this.control()
    this.store()
    return false
  }

  // Transmission

  private transmit(): boolean {
    const { host } = this
    const queue = host.queues[TRANSMIT]
    const now = host.clock.now()
    for (let n = 0; n < PACKETS_AT_ONCE; n++) {
      if (this.wireFree > now + AHEAD_NS) {
        host.tell(TRANSMIT)
        this.wire.at(this.wireFree - AHEAD_NS / 2)
        return false
      }
      const chain = queue.take()
      if (!chain) {
        host.tell(TRANSMIT)
        return false
      }
      this.send(chain)
      queue.give(chain, 0)
    }
    host.tell(TRANSMIT)
    return true
  }

  private send({ readable }: Chain): void {
    const { host, packet, header, view, headerSize } = this
    const length = bytesOf(readable) - headerSize
    gather(host.memory, readable, header.subarray(0, headerSize))
    if (length < SHORTEST_FRAME || length > LONGEST_PACKET) {
      host.warn(`${host.name}: a packet of ${length} bytes is none and was not sent`)
      return
    }
    gather(host.memory, readable, packet.subarray(0, length), headerSize)
    const contents = packet.subarray(0, length)
    const kind = header[1] & ~GSO_ECN
    if (kind === GSO_NONE) {
      if (header[0] & NEEDS_CSUM) insertChecksum(contents, view.getUint16(6, true), view.getUint16(8, true))
      this.put(contents.slice())
      return
    }
    const size = view.getUint16(4, true)
    const layers = layersOf(contents)
    const isTcp = layers?.protocol === 6 && layers.version === (kind === GSO_TCPV4 ? 4 : 6)
    const headers = layers ? layers.transport + 4 * (contents[layers.transport + 12] >>> 4) : 0
    if (
      !isTcp ||
      (kind !== GSO_TCPV4 && kind !== GSO_TCPV6) ||
      size === 0 ||
      headers < layers.transport + 20 ||
      headers >= length
    ) {
      host.warn(`${host.name}: a packet that is to go out in segments is no TCP packet and was not sent`)
      return
    }
    for (const frame of tcpSegments(contents, layers, size)) this.put(frame)
  }

  private put(frame: Uint8Array): void {
    const { host, port } = this
    if (frame.length > LONGEST_FRAME) {
      host.warn(`${host.name}: a frame of ${frame.length} bytes is too long for the wire and was not sent`)
      return
    }
    this.wireFree = Math.max(this.wireFree, host.clock.now()) + Math.ceil((frame.length + BYTES_AROUND) * NS_PER_BYTE)
    if (port?.link) port.send(frame, this.wireFree)
  }

  // Reception

  private arrive(frame: Uint8Array): void {
    if (!this.host.isRunning || !this.isFor(frame) || this.waiting.length >= MOST_WAITING) return
    this.waiting.push(frame)
    // What arrives in the meantime is stored with it.
    this.host.wake(RECEIVE)
  }

  private isFor(frame: Uint8Array): boolean {
    const { modes } = this
    if (modes & PROMISCUOUS) return true
    if (frame[12] === 0x81 && frame[13] === 0x00) {
      const id = ((frame[14] << 8) | frame[15]) & 0xfff
      if (!((this.vlans[id >>> 3] >>> (id & 7)) & 1)) return false
    }
    const is = (address: Uint8Array) => address.every((byte, i) => byte === frame[i])
    if (!(frame[0] & 1)) {
      if (modes & NO_UNICAST) return false
      return (modes & ALL_UNICAST) !== 0 || is(this.address) || this.unicast.some(is)
    }
    if (frame.subarray(0, 6).every((byte) => byte === 0xff)) return !(modes & NO_BROADCAST)
    if (modes & NO_GROUPS) return false
    return (modes & ALL_GROUPS) !== 0 || this.groups.some(is)
  }

  /** Frames that wait go into buffers, as far as there are any. */
  private store(): void {
    let stored = 0
    while (stored < this.waiting.length && this.storeFrame(this.waiting[stored])) stored++
    if (stored === 0) return
    this.waiting.splice(0, stored)
    this.host.tell(RECEIVE)
  }

  /** false: the driver has to give more buffers first. */
  private storeFrame(frame: Uint8Array): boolean {
    const { host, header, view, headerSize } = this
    const queue = host.queues[RECEIVE]
    const whole = headerSize + frame.length
    const chains: { chain: Chain; room: number }[] = []
    for (let room = 0; room < whole; ) {
      const chain = queue.take()
      if (!chain) {
        for (const _ of chains) queue.putBack()
        return false
      }
      const size = bytesOf(chain.writable)
      room += size
      chains.push({ chain, room: size })
      if ((room < whole && !host.has(MRG_RXBUF)) || size === 0) {
        host.warn(`${host.name}: a receive buffer of ${size} bytes is too short for a frame, which was dropped`)
        for (const one of chains) queue.give(one.chain, 0)
        return true
      }
    }
    header.fill(0)
    const contents = frame.length > LONGEST_FRAME ? this.describePiece(frame) : frame
    if (!contents) {
      host.warn(`${host.name}: a frame of ${frame.length} bytes is no TCP segment and was dropped`)
      for (const _ of chains) queue.putBack()
      return true
    }
    if (contents === frame && host.has(GUEST_CSUM)) {
      const layers = layersOf(frame)
      if (layers && transportIsRight(frame, layers)) header[0] = DATA_VALID
    }
    view.setUint16(HEADER, chains.length, true)
    let done = 0
    for (const { chain, room } of chains) {
      const isFirst = done === 0
      const part = Math.min(room, whole - done)
      if (isFirst) scatter(host.memory, chain.writable, header.subarray(0, headerSize))
      const from = isFirst ? 0 : done - headerSize
      const to = done + part - headerSize
      if (to > from) scatter(host.memory, chain.writable, contents.subarray(from, to), isFirst ? headerSize : 0)
      done += part
      queue.give(chain, part)
    }
    return true
  }

  /**
   * Several segments in one piece: the header says into how long ones it could be cut, and the checksum is left to whoever
   * does (5.1.6.4.1). A driver that no longer takes them, as after a change of its features, gets none.
   */
  private describePiece(frame: Uint8Array): Uint8Array | undefined {
    const { header, view, packet } = this
    const layers = layersOf(frame)
    if (layers?.protocol !== TCP || layers.fragment || !this.host.has(layers.version === 4 ? GUEST_TSO4 : GUEST_TSO6))
      return undefined
    const headers = layers.transport + 4 * (frame[layers.transport + 12] >>> 4)
    if (headers < layers.transport + TCP_HEADER || headers > LONGEST_FRAME) return undefined
    const contents = packet.subarray(0, frame.length)
    contents.set(frame)
    const sum = pseudoHeader(frame, layers)
    contents[layers.transport + TCP_CHECKSUM] = sum >>> 8
    contents[layers.transport + TCP_CHECKSUM + 1] = sum
    header[0] = NEEDS_CSUM
    header[1] = layers.version === 4 ? GSO_TCPV4 : GSO_TCPV6
    view.setUint16(2, headers, true)
    view.setUint16(4, UNTAGGED - headers, true)
    view.setUint16(6, layers.transport, true)
    view.setUint16(8, TCP_CHECKSUM, true)
    return contents
  }

  // The control queue

  private control(): boolean {
    const { host } = this
    const queue = host.queues[CONTROL]
    for (let n = 0; n < PACKETS_AT_ONCE; n++) {
      const chain = queue.take()
      if (!chain) {
        host.tell(CONTROL)
        return false
      }
      const command = new Uint8Array(Math.min(bytesOf(chain.readable), 4 + 2 * (4 + 6 * 1024)))
      gather(host.memory, chain.readable, command)
      const isOk = command.length >= 2 && this.obey(command[0], command[1], command.subarray(2))
      queue.give(chain, scatter(host.memory, chain.writable, Uint8Array.of(isOk ? ACK_OK : ACK_ERROR)))
    }
    host.tell(CONTROL)
    return true
  }

  private obey(kind: number, command: number, data: Uint8Array): boolean {
    if (kind === CLASS_RX && command < 6 && data.length >= 1) {
      this.modes = data[0] ? this.modes | (1 << command) : this.modes & ~(1 << command)
      return true
    }
    if (kind === CLASS_MAC) {
      if (command === 0) return this.setTables(data)
      if (command !== 1 || data.length < 6) return false
      this.address.set(data.subarray(0, 6))
      return true
    }
    if (kind !== CLASS_VLAN || command > 1 || data.length < 2) return false
    const id = data[0] | (data[1] << 8)
    if (id > 0xfff) return false
    if (command === 0) this.vlans[id >>> 3] |= 1 << (id & 7)
    else this.vlans[id >>> 3] &= ~(1 << (id & 7))
    return true
  }

  /** Two lists of addresses, each after its length; where one is too long, all of its kind are taken. */
  private setTables(data: Uint8Array): boolean {
    const tables: Uint8Array[][] = []
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    let at = 0
    for (let n = 0; n < 2; n++) {
      if (at + 4 > data.length) return false
      const count = view.getUint32(at, true)
      at += 4
      if (count > (data.length - at) / 6) return false
      tables.push(Array.from({ length: count }, (_, i) => data.slice(at + 6 * i, at + 6 * i + 6)))
      at += 6 * count
    }
    const [unicast, groups] = tables
    this.unicast = unicast.length > MOST_ADDRESSES ? [] : unicast
    this.groups = groups.length > MOST_ADDRESSES ? [] : groups
    if (unicast.length > MOST_ADDRESSES) this.modes |= ALL_UNICAST
    if (groups.length > MOST_ADDRESSES) this.modes |= ALL_GROUPS
    return true
  }
}

/** The driver has summed up the pseudo-header; the rest, from `start` on, is the card's. */
function insertChecksum(frame: Uint8Array, start: number, offset: number): void {
  const at = start + offset
  if (start >= frame.length || at + 2 > frame.length) return
  const sum = ~onesSum(frame, start, frame.length) & 0xffff
  frame[at] = sum >>> 8
  frame[at + 1] = sum
}

export const virtioNet = virtioPciType({
  ...{ type: 'virtio-net-pci', title: 'virtio network card', category: 'Network' },
  ...{ id: 1, transitionalId: 0x1000, classCode: 0x020000, queues: [256, 256, 64] },
  options: () => ({ mac: macOption() }),
  rom: 'efi-virtio.rom',
  create: (host, { mac }, slot) => new VirtioNet(host, slot.backend<NetworkPort>('net'), macBytes(mac)),
})
