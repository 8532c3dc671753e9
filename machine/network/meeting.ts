/**
 * Where the threads of a network's machines meet: memory that they share. Each runs up to a guest time, the horizon, waits
 * there until all others have come, and hands over the frames that it sent. The cable's latency is how far they can look
 * ahead: what is sent behind the horizon arrives a latency later at the earliest, so the next horizon is a latency behind the
 * first moment at which any of them can do something. Times are the network's.
 *
 * Whoever comes last opens the next round, and calls those who have something to do in it; others sleep on. A lock holds
 * what belongs together; it is held for microseconds.
 */
import { EVERYONE, MOST_MEMBERS } from './trunk.js'

export interface TrunkFrame {
  from: number
  to: number
  time: number
  frame: Uint8Array
}

// Words of the memory
const LOCK = 0
/** Counts the rounds. */
const ROUND = 1
/** One a member; its thread sleeps on it. */
const PLACES = 2
const WORDS = PLACES + MOST_MEMBERS

// Places
const ABSENT = 0
const UNDER_WAY = 1
/** It waits for the others. */
const ARRIVED = 2
/** The next round is open for it, and it has not looked yet. */
const CALLED = 3

// Times: the horizon, and when each member can do something at the earliest.
const TIMES_AT = (WORDS * 4 + 7) & ~7
const EARLIEST = 1
const BOXES_AT = TIMES_AT + (1 + MOST_MEMBERS) * 8

/** Of frames that a member hands over in a round, bytes with their headers. */
export const BOX = 512 << 10
/** Its frames' bytes; then for each member and time, length, and the frame. */
const BOX_HEAD = 8
const FRAME_HEAD = 16

export class Meeting {
  private readonly words: Int32Array
  private readonly times: Float64Array
  private readonly bytes: Uint8Array
  private readonly view: DataView

  constructor(
    readonly memory: SharedArrayBuffer,
    private readonly latency: number,
  ) {
    this.words = new Int32Array(memory, 0, WORDS)
    this.times = new Float64Array(memory, TIMES_AT, 1 + MOST_MEMBERS)
    this.bytes = new Uint8Array(memory)
    this.view = new DataView(memory)
  }

  /** `horizon` is where a network that goes on from another one stands. */
  static create(latency: number, horizon = 0): Meeting {
    const meeting = new Meeting(new SharedArrayBuffer(BOXES_AT + MOST_MEMBERS * 2 * BOX), latency)
    meeting.times[0] = horizon
    return meeting
  }

  get horizon(): number {
    return this.times[0]
  }

  join(member: number): void {
    this.locked(() => {
      for (const round of [0, 1]) this.view.setUint32(boxAt(member, round), 0, true)
      this.words[PLACES + member] = UNDER_WAY
    })
  }

  /** The others need not wait for it any more. */
  leave(member: number): void {
    this.locked(() => {
      this.words[PLACES + member] = ABSENT
      this.openNext()
    })
  }

  /** Of a member that stands at its horizon. @param earliest It does nothing before, unless it is told to. */
  arrive(member: number, earliest: number, frames: readonly Omit<TrunkFrame, 'from'>[]): void {
    this.locked(() => {
      this.fill(boxAt(member, this.words[ROUND]), frames)
      this.times[EARLIEST + member] = earliest
      this.words[PLACES + member] = ARRIVED
      this.openNext()
    })
  }

  /** It is about to be told something, and the others wait until it has come again. */
  withdraw(member: number): void {
    this.locked(() => {
      if (this.words[PLACES + member] !== ARRIVED) return
      Atomics.store(this.words, PLACES + member, UNDER_WAY)
      Atomics.notify(this.words, PLACES + member)
    })
  }

  /** All members have gone back to where the network stood then. */
  goBack(horizon: number): void {
    this.locked(() => {
      this.times[0] = horizon
      for (let member = 0; member < MOST_MEMBERS; member++)
        if (this.words[PLACES + member] !== ABSENT) this.words[PLACES + member] = UNDER_WAY
    })
  }

  hasArrived(member: number): boolean {
    return Atomics.load(this.words, PLACES + member) === ARRIVED
  }

  /** Sleeps until it is called or withdrawn, or so many milliseconds of the host's have passed. */
  sleep(member: number, ms: number): void {
    Atomics.wait(this.words, PLACES + member, ARRIVED, ms)
  }

  isCalled(member: number): boolean {
    return Atomics.load(this.words, PLACES + member) === CALLED
  }

  /** Of one that was called: its new horizon, and what was sent to it, in an order that is the same every time. */
  answer(member: number): { horizon: number; frames: TrunkFrame[] } {
    const answer = { horizon: this.horizon, frames: this.framesFor(member, Atomics.load(this.words, ROUND) - 1) }
    Atomics.store(this.words, PLACES + member, UNDER_WAY)
    return answer
  }

  private framesFor(member: number, round: number): TrunkFrame[] {
    const frames: TrunkFrame[] = []
    this.eachFrame(round, (from, to, at) => {
      if (from === member || (to !== member && to !== EVERYONE)) return
      const [time, start] = [this.view.getFloat64(at + 8, true), at + FRAME_HEAD]
      frames.push({ from, to, time, frame: this.bytes.slice(start, start + this.view.getUint32(at + 4, true)) })
    })
    return frames.sort((a, b) => a.time - b.time)
  }

  private eachFrame(round: number, look: (from: number, to: number, at: number) => void): void {
    for (let from = 0; from < MOST_MEMBERS; from++) {
      if (Atomics.load(this.words, PLACES + from) === ABSENT) continue
      const box = boxAt(from, round)
      const end = box + BOX_HEAD + this.view.getUint32(box, true)
      for (let at = box + BOX_HEAD; at < end; at += FRAME_HEAD + ((this.view.getUint32(at + 4, true) + 7) & ~7))
        look(from, this.view.getUint32(at, true), at)
    }
  }

  private fill(box: number, frames: readonly Omit<TrunkFrame, 'from'>[]): void {
    let at = box + BOX_HEAD
    for (const { to, time, frame } of frames) {
      this.view.setUint32(at, to, true)
      this.view.setUint32(at + 4, frame.length, true)
      this.view.setFloat64(at + 8, time, true)
      this.bytes.set(frame, at + FRAME_HEAD)
      at += sizeInBox(frame)
    }
    this.view.setUint32(box, at - box - BOX_HEAD, true)
  }

  /** If all have come. */
  private openNext(): void {
    let earliest = Number.POSITIVE_INFINITY
    for (let member = 0; member < MOST_MEMBERS; member++) {
      const place = this.words[PLACES + member]
      if (place === UNDER_WAY || place === CALLED) return
      if (place === ARRIVED) earliest = Math.min(earliest, this.times[EARLIEST + member])
    }
    if (earliest === Number.POSITIVE_INFINITY) return
    this.times[0] = Math.max(this.times[0], earliest + this.latency)
    const isWanted = this.wanted(this.words[ROUND])
    this.words[ROUND]++
    for (let member = 0; member < MOST_MEMBERS; member++) {
      if (this.words[PLACES + member] !== ARRIVED) continue
      if (!isWanted(member) && this.times[EARLIEST + member] >= this.times[0]) {
        // It sleeps on, and hands over nothing in the round that begins.
        this.view.setUint32(boxAt(member, this.words[ROUND]), 0, true)
        continue
      }
      Atomics.store(this.words, PLACES + member, CALLED)
      Atomics.notify(this.words, PLACES + member)
    }
  }

  /** Whether a member has sent or gets something, of what was handed over in a round. */
  private wanted(round: number): (member: number) => boolean {
    const ends = new Set<number>()
    this.eachFrame(round, (from, to) => ends.add(from).add(to))
    return (member) => ends.has(member) || ends.has(EVERYONE)
  }

  private locked(action: () => void): void {
    while (Atomics.compareExchange(this.words, LOCK, 0, 1) !== 0);
    try {
      action()
    } finally {
      Atomics.store(this.words, LOCK, 0)
    }
  }
}

/** What a frame takes of a box. */
export function sizeInBox(frame: Uint8Array): number {
  return FRAME_HEAD + ((frame.length + 7) & ~7)
}

/** Two a member: while one round's are read the next one's may be written. */
function boxAt(member: number, round: number): number {
  return BOXES_AT + (member * 2 + (round & 1)) * BOX
}
