/**
 * An Ethernet switch that learns who is where, as IEEE 802.1D has it: frames for a station that it knows go to that port
 * alone, others to all. Each port takes frames at its own speed, and what comes too fast for its queue is lost.
 */
import type { Clock } from '../clock.js'
import type { Stateful, StateTable } from '../device.js'
import { flag, integer, list, time } from '../state/fields.js'
import { parts } from '../state/state-table.js'
import { typeOf } from './lan/ethernet.js'
import { LONGEST_FRAME, type NetworkPort, SHORTEST_FRAME } from './port.js'

/** From the last bit in to the first bit out, ns. */
const LATENCY = 5000
/** Preamble, check sequence and the gap to the next frame, bytes. */
const AROUND = 24
/** On the wire a frame is filled up to this, without its check sequence. */
const SHORTEST_ON_WIRE = 60
export const DEFAULT_SPEED = 1e9
/** Of each port, bytes. */
const QUEUE = 512 << 10
/** Stations whose ports are known; the one heard of longest ago is forgotten. */
const MOST_STATIONS = 1024
/** 01-80-C2-00-00-00 to 0F are for the switch itself and never forwarded (802.1D, table 7-10). */
const RESERVED_GROUP = 0x0180c2000000

/** Every frame of a port's, to and from its card. `now` is when it is told, `time` when it is on the cable. */
export type Tap = (frame: Uint8Array, time: number, now: number) => void

const STATION = integer(0, 2 ** 48 - 1)
const PORT_STATE: StateTable = { link: flag, free: time }

export class SwitchPort implements NetworkPort, Stateful {
  readonly state = PORT_STATE
  receive?: (frame: Uint8Array, time: number) => void
  linkChanged?: (up: boolean) => void
  speed?: number
  longest?: () => number
  link = true
  /** When the last frame to the card is through, ns. */
  free = 0
  tap: Tap | undefined
  /** Types of frames (IEEE 802.3 3.2.6) that it lets neither in nor out. */
  blocked: readonly number[] = []

  constructor(
    readonly name: string,
    /** It leads nowhere. */
    readonly isAlone: boolean,
    private readonly clock: Clock,
    private readonly forward: (frame: Uint8Array, time: number) => void,
    private readonly find: (station: Uint8Array) => SwitchPort | undefined,
  ) {}

  longestFor(to: Uint8Array): number {
    return this.find(to)?.longest?.() ?? LONGEST_FRAME
  }

  carriesFor(to: Uint8Array, type: number): boolean {
    return !this.find(to)?.blocked.includes(type)
  }

  send(frame: Uint8Array, time: number): void {
    if (!this.link || frame.length < SHORTEST_FRAME) return
    if (frame.length > LONGEST_FRAME && frame.length > this.longestFor(frame)) return
    this.tap?.(frame, time, this.clock.now())
    if (!this.blocks(frame)) this.forward(frame, time)
  }

  /** A frame that the switch had in hand at `time`. */
  deliver(frame: Uint8Array, time: number): void {
    if (!this.link || !this.receive || this.blocks(frame)) return
    if (frame.length > LONGEST_FRAME && frame.length > (this.longest?.() ?? 0)) return
    const { speed = DEFAULT_SPEED } = this
    const start = Math.max(time + LATENCY, this.free)
    if (((start - time) * speed) / 8e9 > QUEUE) return
    const bytes = Math.max(frame.length, SHORTEST_ON_WIRE) + AROUND
    this.free = start + Math.ceil((bytes * 8e9) / speed)
    this.tap?.(frame, this.free, this.clock.now())
    this.receive(frame, this.free)
  }

  private blocks(frame: Uint8Array): boolean {
    return this.blocked.length > 0 && this.blocked.includes(typeOf(frame))
  }

  /** The cable is plugged in or pulled out. */
  setLink(up: boolean): void {
    if (up === this.link) return
    this.link = up
    this.linkChanged?.(up)
  }
}

export class Switch implements Stateful {
  readonly state: StateTable = { ports: parts, learnt: list(list(STATION, 2), 0, MOST_STATIONS) }
  readonly ports: { [name: string]: SwitchPort } = {}
  /** Ports of stations, the one heard of last at the end. */
  private readonly stations = new Map<number, SwitchPort>()
  /** That one: most frames are of one that has just been heard of. */
  private latest: { station: number; port: SwitchPort } | undefined

  constructor(private readonly clock: Clock) {}

  /** @param isAlone Nothing that comes in here goes anywhere. */
  port(name: string, isAlone = false): SwitchPort {
    const port: SwitchPort = new SwitchPort(
      name,
      isAlone,
      this.clock,
      (frame, time) => this.forward(port, frame, time),
      (to) => this.stations.get(station(to, 0)),
    )
    this.ports[name] = port
    return port
  }

  /** The stations by the places of their ports, for the state. */
  get learnt(): number[][] {
    const order = Object.values(this.ports)
    return [...this.stations].map(([station, port]) => [station, order.indexOf(port)])
  }

  set learnt(saved: number[][]) {
    const order = Object.values(this.ports)
    this.stations.clear()
    this.latest = undefined
    for (const [station, place] of saved) if (order[place]) this.stations.set(station, order[place])
  }

  private forward(from: SwitchPort, frame: Uint8Array, time: number): void {
    if (from.isAlone) return
    const to = station(frame, 0)
    const source = station(frame, 6)
    if (!isGroup(frame[6])) this.learn(source, from)
    if (to >= RESERVED_GROUP && to <= RESERVED_GROUP + 15) return
    const known = isGroup(frame[0]) ? undefined : this.stations.get(to)
    if (known) {
      if (known !== from) known.deliver(frame, time)
      return
    }
    for (const port of Object.values(this.ports)) if (port !== from && !port.isAlone) port.deliver(frame, time)
  }

  private learn(source: number, port: SwitchPort): void {
    if (this.latest?.station === source && this.latest.port === port) return
    this.latest = { station: source, port }
    this.stations.delete(source)
    if (this.stations.size >= MOST_STATIONS) {
      const [oldest] = this.stations.keys()
      this.stations.delete(oldest)
    }
    this.stations.set(source, port)
  }
}

const isGroup = (first: number) => (first & 1) !== 0

/** The address that stands there, as a number. */
export function station(frame: Uint8Array, at: number): number {
  let address = 0
  for (let i = 0; i < 6; i++) address = address * 256 + frame[at + i]
  return address
}
