/**
 * What a network card is plugged into: Ethernet frames in and out, each with a guest time, and a link. A card finds its
 * port as the back end `net` of its slot; a switch, the services of a LAN, a tap for pcap and other machines are ports.
 */
import type { Clock, Timer } from '../clock.js'
import type { Field, Stateful, StateTable, StateValue, Warn } from '../device.js'
import { bytes, damaged, list, record, time, timer } from '../state/fields.js'

/** Without preamble and check sequence; with a VLAN tag. Ports and cards drop what is longer or shorter. */
export const LONGEST_FRAME = 1518
/** A TCP segment of up to 64 KiB in one piece, for a card whose driver takes those; with its Ethernet header. */
export const LONGEST_PIECE = 65549
/** Destination, source, type. */
export const SHORTEST_FRAME = 14

export interface NetworkPort {
  /** A frame of the card's, from its destination address on, whose last bit left at guest time `time` (ns). The port may keep it. */
  send(frame: Uint8Array, time: number): void
  /** The card sets it. `time` is when the last bit arrives; what has arrived already counts as of now. The card may keep the frame. */
  receive?: (frame: Uint8Array, time: number) => void
  readonly link: boolean
  /** The card sets it: the cable was plugged in or pulled out. */
  linkChanged?: (up: boolean) => void
  /**
   * The card sets it: its driver takes TCP segments of up to this length in one piece, as if they came one by one and the
   * card put them together. Only who knows that (`longestFor`) sends such.
   */
  longest?: () => number
  /** How long a frame to a station may be. */
  longestFor?(station: Uint8Array): number
  /** Whether a station's cable lets frames of this type (IEEE 802.3 3.2.6) through. */
  carriesFor?(station: Uint8Array, type: number): boolean
  /** The card sets it: bits a second that come to it at most; 1 Gbit/s where it does not. */
  speed?: number
}

/** Frames that a card keeps until their time has come. */
const MOST_ARRIVALS = 1024

/** Frames of up to `longest` bytes, `most` of them, in the order of their times. */
function framesInOrder(longest: number, most: number): Field {
  return {
    ...list(record({ time, frame: bytes(SHORTEST_FRAME, longest) }), 0, most),
    check(saved, _present, where) {
      const times = (saved as StateValue[]).map((one) => (one as { time: number }).time)
      if (times.some((when, i) => i > 0 && when < times[i - 1])) throw damaged(where, 'it is out of order')
    },
  }
}

/** Frames on their way to a card, part of its saved state. */
export class Arrivals implements Stateful {
  readonly state: StateTable
  private readonly timer: Timer
  private frames: { time: number; frame: Uint8Array }[] = []

  constructor(
    private readonly name: string,
    private readonly clock: Clock,
    private readonly warn: Warn,
    /** A frame is there. */
    private readonly arrive: (frame: Uint8Array) => void,
    /** A card that takes jumbo frames says so. */
    private readonly longest = LONGEST_FRAME,
    private readonly most = MOST_ARRIVALS,
  ) {
    this.state = { frames: framesInOrder(longest, most), timer }
    this.timer = clock.timer(`${name} arrivals`, () => this.due())
  }

  /** In the order of their times; never from inside the call, so that a card is not called while it sends. */
  add(frame: Uint8Array, time: number): void {
    if (frame.length < SHORTEST_FRAME || frame.length > this.longest) {
      this.warn(`${this.name}: a frame that is too short or too long was dropped`, frame.length)
      return
    }
    if (this.frames.length >= this.most) {
      this.warn(`${this.name}: frames come in faster than the wire carries them; one was dropped`)
      return
    }
    const when = Math.max(time, this.clock.now())
    const before = this.frames.findLastIndex((other) => other.time <= when)
    this.frames.splice(before + 1, 0, { time: when, frame })
    this.timer.at(this.frames[0].time)
  }

  private due(): void {
    const now = this.clock.now()
    while (this.frames.length > 0 && this.frames[0].time <= now) {
      const { frame } = this.frames.shift() as { frame: Uint8Array }
      this.arrive(frame)
    }
    if (this.frames.length > 0) this.timer.at(this.frames[0].time)
  }
}

/** A plug that leads back: what a card sends, it receives; and everything that it sent can be read. */
export class LoopbackPort implements NetworkPort {
  readonly sent: { frame: Uint8Array; time: number }[] = []
  receive?: (frame: Uint8Array, time: number) => void
  linkChanged?: (up: boolean) => void
  private up = true

  /** `answer`: what comes back for a frame; the frame itself, where it is left out. */
  constructor(private readonly answer: (frame: Uint8Array) => Uint8Array | undefined = (frame) => frame) {}

  get link(): boolean {
    return this.up
  }

  set link(up: boolean) {
    if (up === this.up) return
    this.up = up
    this.linkChanged?.(up)
  }

  send(frame: Uint8Array, time: number): void {
    if (!this.up) return
    this.sent.push({ frame, time })
    const back = this.answer(frame)
    if (back) this.receive?.(back, time)
  }
}
