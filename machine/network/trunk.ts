/**
 * Where a machine's switch is connected with those of the other machines of its network, over cables that take their time,
 * and lose, double and reorder frames by a seed. What happens to a frame on its way is decided where it arrives.
 *
 * Who is where is learnt from what comes in, so that frames for one machine are not sent to all.
 */
import type { Clock } from '../clock.js'
import type { Stateful, StateTable, Warn } from '../device.js'
import { RandomNumbers } from '../random-numbers.js'
import { integer, list } from '../state/fields.js'
import { part } from '../state/state-table.js'
import { Arrivals, LONGEST_FRAME } from './port.js'
import { type SwitchPort, station } from './switch.js'

/** Machines of one network, its services among them. */
export const MOST_MEMBERS = 32
/** In place of a member's number. */
export const EVERYONE = 255

/** Between any two members. */
export interface CableOptions {
  /** From the last bit in to the last bit out, ns. */
  latency: number
  /** Bits a second. */
  bandwidth: number
  /** Of all frames, from 0 to 1. */
  loss: number
  /** Of all frames, those that come twice. */
  duplicate: number
  /** Of all frames, those that are held up so that later ones overtake them. */
  reorder: number
  seed: number
}

export interface TrunkOptions extends CableOptions {
  /** Which machine of the network this is, from 0 on. */
  member: number
}

/** A frame that is held up comes so many latencies later at most, and at least a millisecond can be between. */
const HELD_UP = 10
const HELD_UP_NS = 1e6
/** Frames on their way to a machine. */
const MOST_ON_THE_WAY = 8192
const MOST_STATIONS = 1024

export class Trunk implements Stateful {
  readonly state: StateTable = {
    ...{ arrivals: part(), numbers: part(), cut: list(integer(0, MOST_MEMBERS - 1), 0, MOST_MEMBERS) },
    learnt: list(list(integer(0, 2 ** 48 - 1), 2), 0, MOST_STATIONS),
  }
  private readonly arrivals: Arrivals
  private readonly numbers: RandomNumbers
  /** Members of which nothing comes. */
  cut: number[] = []
  /** Which member a station is of, the one heard of last at the end. */
  private readonly stations = new Map<number, number>()

  constructor(
    private readonly options: TrunkOptions,
    clock: Clock,
    warn: Warn,
    port: SwitchPort,
    /** A frame leaves for another member, or EVERYONE. */
    send: (to: number, frame: Uint8Array, time: number) => void,
  ) {
    this.numbers = new RandomNumbers((options.seed ^ Math.imul(options.member + 1, 0x85ebca6b)) >>> 0)
    const arrive = (frame: Uint8Array) => port.send(frame, clock.now())
    this.arrivals = new Arrivals('trunk', clock, warn, arrive, LONGEST_FRAME, MOST_ON_THE_WAY)
    port.speed = options.bandwidth
    port.receive = (frame, time) => send(this.stations.get(station(frame, 0)) ?? EVERYONE, frame, time)
  }

  /** The stations with their members, for the state. */
  get learnt(): number[][] {
    return [...this.stations]
  }

  set learnt(saved: number[][]) {
    this.stations.clear()
    for (const [address, member] of saved) this.stations.set(address, member)
  }

  /** A frame of another member's, which left there at `time`. */
  receive(from: number, frame: Uint8Array, time: number): void {
    if (this.cut.includes(from)) return
    const { latency, loss, duplicate, reorder } = this.options
    if (!(frame[6] & 1)) this.learn(station(frame, 6), from)
    if (this.happens(loss)) return
    const copies = this.happens(duplicate) ? 2 : 1
    for (let n = 0; n < copies; n++) {
      const heldUp = this.happens(reorder) ? this.numbers.fraction() * (HELD_UP * latency + HELD_UP_NS) : 0
      this.arrivals.add(frame, Math.ceil(time + latency + heldUp))
    }
  }

  /** By chance; what never happens takes no number. */
  private happens(share: number): boolean {
    return share > 0 && this.numbers.fraction() < share
  }

  private learn(address: number, member: number): void {
    this.stations.delete(address)
    if (this.stations.size >= MOST_STATIONS) {
      const [oldest] = this.stations.keys()
      this.stations.delete(oldest)
    }
    this.stations.set(address, member)
  }
}
