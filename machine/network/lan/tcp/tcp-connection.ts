/**
 * One TCP connection with a guest (RFC 9293): its states, the sender with congestion control (RFC 5681, 6582)
 * and selective acknowledgments (RFC 2018, 6675 in short), the receiver with what comes out of order, and the probes of
 * a closed window. Nothing of the other end is trusted; whatever counts is bounded.
 *
 * Longer than others of its kind: a connection's variables are used by all of it, as in RFC 9293 3.10.
 */
import type { Clock } from '../../../clock.js'
import type { Stateful, StateTable } from '../../../device.js'
import { bytes, count, flag, integer, list, time, u16, u32 } from '../../../state/fields.js'
import { part } from '../../../state/state-table.js'
import type { Address } from '../addresses.js'
import { MTU } from '../ethernet.js'
import { ByteQueue, byteQueue } from './byte-queue.js'
import { OutOfOrder } from './out-of-order.js'
import { RetransmissionTimeout } from './retransmission.js'
import { ACK, after, FIN, lengthOf, PSH, RST, type Segment, SYN } from './tcp-segment.js'

/** LISTEN is the end point's. HELD: a SYN has come, and is answered when the far side of it is known to be there. */
export const STATES = [
  ...(['SYN-RECEIVED', 'ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'CLOSE-WAIT'] as const),
  ...(['CLOSING', 'LAST-ACK', 'TIME-WAIT', 'CLOSED', 'SYN-SENT', 'HELD'] as const),
]
export type TcpState = (typeof STATES)[number]

/** Less what the application holds. */
export const RECEIVE_WINDOW = 65535
/** The other end may have seen a window smaller than this, and wait. */
export const SMALL_WINDOW = RECEIVE_WINDOW >> 1
export const SEND_BUFFER = 128 << 10
const DEFAULT_MSS = 536
const LEAST_MSS = 64
const INITIAL_SEGMENTS = 10
/** Then the other end is taken for gone. */
const MOST_TRIES = 10
const MOST_SYN_TRIES = 5
const MOST_SACKED = 64
/** Twice the longest that a segment lives: in this LAN nothing does for long. */
const TIME_WAIT = 10e9
const FIN_WAIT = 60e9
/** A connection on which nothing is said, and nothing is to be. */
const IDLE = 120e9

/** What a connection is for: gets its bytes in order, and says what is sent. */
export interface TcpApplication extends Stateful {
  /** Bytes that it was given and has not handed on: the window is smaller by them. */
  readonly held?: number
  /** A connection on which nothing is said stays. */
  readonly isPatient?: true
  /** The other end has taken the connection that was opened to it. */
  opened?(): void
  /** @param isMore The other end has said more at once, which comes with what follows. */
  received(data: Uint8Array, isMore?: boolean): void
  /** The other end has nothing more to say. */
  ended(): void
  /** There is room to write again. */
  writable(): void
  /** It is over; `why` where that was not in order. */
  closed(why?: string): void
}

/** What connections share. */
export interface TcpHost {
  readonly clock: Clock
  transmit(connection: TcpConnection, segment: Segment): void
  /** Bytes of data that one segment can have, options left out, where the other end's card takes more than its MSS. */
  longest(connection: TcpConnection): number
  /** Something is due at that time. */
  due(time: number): void
  application(connection: TcpConnection): TcpApplication
}

const ADDRESS = bytes(4, 16)
const NEVER = -1

/** Of IP and TCP, without options. */
export const headersOf = ({ length }: Address) => (length === 4 ? 40 : 60)

export class TcpConnection implements Stateful {
  readonly state: StateTable = {
    ...{ mac: bytes(6), localAddress: ADDRESS, localPort: u16, remoteAddress: ADDRESS, remotePort: u16 },
    ...{ place: integer(0, STATES.length - 1), unacknowledged: u32, next: u32, highest: u32, initial: u32 },
    ...{ window: integer(0, 2 ** 30), windowSequence: u32, windowAcknowledgment: u32, mss: u16 },
    ...{ scale: integer(0, 14), isScaled: flag, canSack: flag, queue: byteQueue(SEND_BUFFER), finQueued: flag },
    ...{ congestion: integer(0, 2 ** 31), threshold: integer(0, 2 ** 31), duplicates: count, isRecovering: flag },
    ...{ recover: u32, resent: u32, sacked: list(list(u32, 2), 0, MOST_SACKED), timed: time, timedSequence: u32 },
    ...{ received: u32, outOfOrder: part(), finSequence: u32, hasFin: flag, finTaken: flag },
    ...{ timeout: part(), tries: integer(0, 255), deadline: time, heard: time, application: part() },
  }
  mac: Uint8Array = new Uint8Array(6)
  localAddress: Address = new Uint8Array(4)
  localPort = 0
  remoteAddress: Address = new Uint8Array(4)
  remotePort = 0
  private place = 0

  // Sending: SND.UNA, SND.NXT, and the highest that SND.NXT was.
  private unacknowledged = 0
  private next = 0
  private highest = 0
  private initial = 0
  private window = 0
  private windowSequence = 0
  private windowAcknowledgment = 0
  private mss = DEFAULT_MSS
  private scale = 0
  private isScaled = false
  private canSack = false
  /** From `unacknowledged` on. */
  private queue = new ByteQueue()
  private finQueued = false

  private congestion = 0
  private threshold = 2 ** 30
  private duplicates = 0
  private isRecovering = false
  private recover = 0
  /** Up to where was sent again in this recovery. */
  private resent = 0
  private sacked: [number, number][] = []
  /** Guest time at which the segment went that is measured, and what acknowledges it. */
  private timed = NEVER
  private timedSequence = 0

  private received = 0
  private readonly outOfOrder = new OutOfOrder()
  private finSequence = 0
  private hasFin = false
  private finTaken = false

  private readonly timeout = new RetransmissionTimeout()
  private tries = 0
  /** Guest time, ns; NEVER: nothing is to be done. */
  deadline = NEVER
  /** When the other end was heard last. */
  heard = 0
  readonly application: TcpApplication

  constructor(private readonly host: TcpHost) {
    this.application = host.application(this)
  }

  get status(): TcpState {
    return STATES[this.place]
  }

  private set status(status: TcpState) {
    this.place = STATES.indexOf(status)
  }

  /** A SYN that a listener takes. */
  accept(syn: Segment, initial: number): void {
    this.hold(syn, initial)
    this.answer()
  }

  /** A SYN that `answer` answers later. */
  hold(syn: Segment, initial: number): void {
    this.status = 'HELD'
    this.begin(initial)
    this.agree(syn)
  }

  answer(): void {
    if (this.status !== 'HELD') return
    this.status = 'SYN-RECEIVED'
    this.sendFirst()
  }

  /** Opens a connection to the other end. */
  open(initial: number): void {
    this.status = 'SYN-SENT'
    this.begin(initial)
    this.isScaled = this.canSack = true
    this.sendFirst()
  }

  private begin(initial: number): void {
    this.initial = initial
    this.unacknowledged = this.next = this.highest = this.recover = initial
    this.heard = this.host.clock.now()
  }

  private sendFirst(): void {
    this.sendSyn()
    this.next = this.highest = (this.initial + 1) >>> 0
    this.arm()
  }

  /** What the other end's SYN says is so. */
  private agree(syn: Segment): void {
    this.received = (syn.sequence + 1) >>> 0
    this.window = syn.window
    this.windowSequence = syn.sequence
    this.mss = Math.max(LEAST_MSS, Math.min(syn.mss ?? DEFAULT_MSS, this.ownMss))
    this.isScaled = syn.windowScale !== undefined
    this.scale = syn.windowScale ?? 0
    this.canSack = syn.sackPermitted ?? false
    this.congestion = INITIAL_SEGMENTS * this.mss
  }

  /** How many bytes can be written now. */
  get room(): number {
    const isOpen = !this.finQueued && (this.isOpening || this.hasStates(['ESTABLISHED', 'CLOSE-WAIT']))
    return isOpen ? SEND_BUFFER - this.queue.length : 0
  }

  /** How many of those that were written the other end has not acknowledged. */
  get queued(): number {
    return this.queue.length
  }

  /** The other end has not taken it yet, or we not what it asked for. */
  private get isOpening(): boolean {
    return this.hasStates(['SYN-RECEIVED', 'SYN-SENT', 'HELD'])
  }

  private get ownMss(): number {
    return MTU - headersOf(this.remoteAddress)
  }

  /** Bytes that are taken now, beyond those that came. */
  private get space(): number {
    return Math.max(0, RECEIVE_WINDOW - (this.application.held ?? 0))
  }

  /** No more than there is room for. */
  write(data: Uint8Array): void {
    this.queue.append(data.subarray(0, this.room))
    this.output()
  }

  /** The same, of bytes that `fill` puts where they are kept. */
  writeBy(count: number, fill: (into: Uint8Array) => void): void {
    fill(this.queue.extend(Math.min(count, this.room)))
    this.output()
  }

  /** Nothing more will be written; what was, is sent. */
  end(): void {
    if (this.finQueued) return
    this.finQueued = true
    if (this.status === 'ESTABLISHED') this.status = 'FIN-WAIT-1'
    else if (this.status === 'CLOSE-WAIT') this.status = 'LAST-ACK'
    this.output()
  }

  /** Ends it at once, with a reset. */
  abort(why: string): void {
    if (this.status !== 'CLOSED' && this.status !== 'TIME-WAIT')
      this.transmit({ flags: RST | ACK, sequence: this.next, data: new Uint8Array() })
    this.close(why)
  }

  receive(segment: Segment): void {
    const { flags, sequence, acknowledgment } = segment
    this.heard = this.host.clock.now()
    if (this.status === 'SYN-SENT') {
      this.receiveAnswer(segment)
      return
    }
    if (this.status === 'HELD') {
      if (flags & RST) this.close('reset by the guest')
      return
    }
    if (!this.isAcceptable(segment)) {
      if (flags & RST) return
      // Of TIME-WAIT: the other end has not heard the last word.
      if (this.status === 'TIME-WAIT') this.deadline = this.heard + TIME_WAIT
      this.sendAck()
      return
    }
    if (flags & RST) {
      // RFC 5961: only one that stands exactly there is meant.
      if (sequence === this.received) this.close('reset by the guest')
      else this.sendAck()
      return
    }
    if (flags & SYN) {
      this.sendAck()
      return
    }
    if (!(flags & ACK)) return
    if (after(acknowledgment, this.highest) > 0) {
      if (this.status === 'SYN-RECEIVED') this.host.transmit(this, this.resetFor(segment))
      else this.sendAck()
      return
    }
    if (this.status === 'SYN-RECEIVED') {
      if (after(acknowledgment, this.unacknowledged) <= 0) {
        this.host.transmit(this, this.resetFor(segment))
        return
      }
      this.unacknowledged = this.first
      this.status = this.finQueued ? 'FIN-WAIT-1' : 'ESTABLISHED'
      this.tries = this.timeout.backoff = 0
      this.updateWindow(segment, true)
    }
    this.acknowledge(segment)
    if (this.status === 'CLOSED') return
    this.take(segment)
    this.output()
  }

  /** To our SYN (RFC 9293 3.10.7.3); a SYN of the other end's own that crosses it is left alone. */
  private receiveAnswer(segment: Segment): void {
    const { flags, acknowledgment } = segment
    const isOurs = flags & ACK && acknowledgment === this.highest
    if (flags & RST) {
      if (isOurs) this.close('refused by the guest')
      return
    }
    if (flags & ACK && !isOurs) this.host.transmit(this, this.resetFor(segment))
    if (!isOurs || !(flags & SYN)) return
    this.agree(segment)
    this.unacknowledged = this.first
    this.status = this.finQueued ? 'FIN-WAIT-1' : 'ESTABLISHED'
    this.tries = this.timeout.backoff = 0
    this.windowAcknowledgment = acknowledgment
    this.sendAck()
    this.application.opened?.()
    this.output()
  }

  /** The application has handed on what it held: the other end, which may wait for it, hears so. */
  announceWindow(): void {
    if (this.hasStates(['ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2'])) this.sendAck()
  }

  /** The time of `deadline` has come. */
  tick(): void {
    const now = this.host.clock.now()
    if (this.status === 'TIME-WAIT') {
      this.close()
      return
    }
    if (this.status === 'FIN-WAIT-2') {
      this.abort('the guest did not close its side')
      return
    }
    if (this.status === 'ESTABLISHED' && this.unsent === 0 && this.flight === 0) {
      // Nothing is to be sent: it was idle.
      if (now - this.heard >= IDLE && !this.application.isPatient) this.end()
      this.arm()
      return
    }
    this.tries++
    if (this.tries > (this.isOpening ? MOST_SYN_TRIES : MOST_TRIES)) {
      this.abort('the guest does not answer')
      return
    }
    this.timeout.ranOut()
    this.timed = NEVER
    if (this.isOpening) this.sendSyn()
    else if (this.window === 0 && this.queue.length > 0) this.probe()
    else this.retransmitAll()
    this.arm()
  }

  // Receiving ---------------------------------------------------------------------------------------------------------

  /** RFC 9293 3.10.7.4: something of it is in the window. */
  private isAcceptable(segment: Segment): boolean {
    const length = lengthOf(segment)
    const first = after(segment.sequence, this.received)
    const { space } = this
    if (length === 0) return first >= 0 && first < Math.max(1, space)
    return (first >= 0 && first < space) || (first < 0 && first + length > 0)
  }

  private take(segment: Segment): void {
    const { flags, sequence } = segment
    if (!['ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2'].includes(this.status)) {
      if (lengthOf(segment) > 0) this.sendAck()
      return
    }
    let { data } = segment
    if (flags & FIN) {
      this.finSequence = (sequence + data.length) >>> 0
      this.hasFin = true
    }
    if (this.hasFin && after(sequence + data.length, this.finSequence) > 0)
      data = data.subarray(0, Math.max(0, after(this.finSequence, sequence)))
    const known = after(this.received, sequence)
    if (known < 0) {
      const room = this.space + known
      if (data.length > 0 && room > 0) this.outOfOrder.add(sequence, data.subarray(0, room))
    } else if (known < data.length) {
      this.deliver(data.subarray(known, known + this.space), !(flags & PSH))
      for (let more = this.outOfOrder.take(this.received); more; more = this.outOfOrder.take(this.received))
        this.deliver(more)
    }
    if (this.status === 'CLOSED') return
    if (this.hasFin && this.finSequence === this.received && !this.finTaken) this.takeFin()
    if (lengthOf(segment) > 0) this.sendAck()
  }

  private deliver(data: Uint8Array, isMore = false): void {
    this.received = (this.received + data.length) >>> 0
    if (this.status !== 'CLOSED') this.application.received(data.slice(), isMore)
  }

  private takeFin(): void {
    this.finTaken = true
    this.received = (this.received + 1) >>> 0
    if (this.status === 'ESTABLISHED') this.status = 'CLOSE-WAIT'
    else if (this.status === 'FIN-WAIT-1') this.status = 'CLOSING'
    this.application.ended()
    if (this.status === 'FIN-WAIT-2') this.waitOut()
  }

  private waitOut(): void {
    this.status = 'TIME-WAIT'
    this.setDeadline(this.host.clock.now() + TIME_WAIT)
    this.application.closed()
  }

  // Sending -----------------------------------------------------------------------------------------------------------

  /** Bytes that are under way, FIN and SYN among them. */
  private get flight(): number {
    return after(this.next, this.unacknowledged)
  }

  /** Bytes that were not sent, or are to be sent again. */
  private get unsent(): number {
    return this.queue.length - Math.max(0, after(this.next, this.first))
  }

  /** The number of the queue's first byte. */
  private get first(): number {
    return this.isOpening ? (this.initial + 1) >>> 0 : this.unacknowledged
  }

  private get finNumber(): number {
    return (this.first + this.queue.length) >>> 0
  }

  private acknowledge(segment: Segment): void {
    const { acknowledgment } = segment
    const before = this.window
    const progress = after(acknowledgment, this.unacknowledged)
    this.noteSack(segment)
    this.updateWindow(segment, false)
    if (progress > 0) this.advance(acknowledgment, progress)
    else if (progress === 0 && this.flight > 0 && segment.data.length === 0 && this.window === before) this.duplicate()
    // A window that is closed is probed as long as somebody says so.
    if (this.window === 0) this.tries = 0
  }

  private advance(acknowledgment: number, progress: number): void {
    const now = this.host.clock.now()
    const isFinAcknowledged = this.finQueued && acknowledgment === (this.finNumber + 1) >>> 0
    this.queue.drop(progress - (isFinAcknowledged ? 1 : 0))
    this.unacknowledged = acknowledgment
    if (after(this.next, acknowledgment) < 0) this.next = acknowledgment
    this.tries = 0
    this.timeout.backoff = 0
    this.sacked = this.sacked.filter(([, end]) => after(end, acknowledgment) > 0)
    if (this.timed !== NEVER && after(acknowledgment, this.timedSequence) >= 0) {
      this.timeout.measured(now - this.timed)
      this.timed = NEVER
    }
    if (this.isRecovering && after(acknowledgment, this.recover) < 0) {
      // Part of it (RFC 6582): the next gap is sent at once.
      this.congestion = Math.max(this.mss, this.congestion - progress + this.mss)
      this.resendGap()
    } else {
      if (this.isRecovering) this.congestion = this.threshold
      // What came in one piece is acknowledged at once.
      else if (this.congestion < this.threshold) this.congestion += Math.min(progress, this.piece)
      else this.congestion += Math.max(1, Math.floor((this.mss * this.mss) / this.congestion))
      this.congestion = Math.min(this.congestion, 2 ** 30)
      this.isRecovering = false
      this.duplicates = 0
    }
    this.arm()
    if (isFinAcknowledged) this.finIsAcknowledged()
    else if (this.room > 0) this.application.writable()
  }

  private finIsAcknowledged(): void {
    if (this.status === 'FIN-WAIT-1') {
      this.status = 'FIN-WAIT-2'
      if (this.application.isPatient) this.deadline = NEVER
      else this.setDeadline(this.host.clock.now() + FIN_WAIT)
    } else if (this.status === 'CLOSING') this.waitOut()
    else if (this.status === 'LAST-ACK') this.close()
  }

  private updateWindow({ sequence, acknowledgment, window }: Segment, isFirst: boolean): void {
    const order = after(sequence, this.windowSequence)
    const isNewer = order > 0 || (order === 0 && after(acknowledgment, this.windowAcknowledgment) >= 0)
    if (!isFirst && !isNewer) return
    const wasClosed = this.window === 0
    this.window = window * 2 ** (this.isScaled ? this.scale : 0)
    this.windowSequence = sequence
    this.windowAcknowledgment = acknowledgment
    if (!wasClosed || this.window === 0) return
    // It is open again: what was a probe may have been thrown away.
    this.timeout.backoff = 0
    this.next = this.unacknowledged
  }

  private noteSack({ sack = [] }: Segment): void {
    if (!this.canSack) return
    for (const [start, end] of sack) {
      const isSane = after(start, this.unacknowledged) > 0 && after(end, start) > 0 && after(end, this.highest) <= 0
      if (!isSane || this.sacked.some(([a, b]) => a === start && b === end)) continue
      this.sacked.push([start, end])
    }
    this.sacked.sort((a, b) => after(a[0], b[0]))
    const merged: [number, number][] = []
    for (const [start, end] of this.sacked) {
      const last = merged.at(-1)
      if (last && after(start, last[1]) <= 0) last[1] = after(end, last[1]) > 0 ? end : last[1]
      else merged.push([start, end])
    }
    this.sacked = merged.slice(0, MOST_SACKED)
  }

  private duplicate(): void {
    this.duplicates++
    if (this.isRecovering) {
      this.congestion += this.mss
      if (this.canSack) this.resendGap()
      return
    }
    // RFC 6582: after a time-out, what was sent twice is acknowledged twice.
    if (this.duplicates < 3 || after(this.unacknowledged, this.recover) < 0) return
    this.isRecovering = true
    this.recover = this.highest
    this.resent = this.unacknowledged
    this.threshold = Math.max(Math.floor(this.flight / 2), 2 * this.mss)
    this.congestion = this.threshold + 3 * this.mss
    this.timed = NEVER
    this.resendGap()
    this.arm()
  }

  /** The first bytes that are missing at the other end and were not sent again in this recovery. */
  private resendGap(): void {
    let start = after(this.resent, this.unacknowledged) > 0 ? this.resent : this.unacknowledged
    for (const [from, to] of this.sacked) if (after(start, from) >= 0 && after(start, to) < 0) start = to
    const beyond = this.sacked.find(([from]) => after(from, start) > 0)
    // What lies behind all that came is not known to be lost.
    if (!beyond && start !== this.unacknowledged) return
    const limit = beyond ? after(beyond[0], start) : this.mss
    const length = Math.min(limit, this.mss, after(this.highest, start))
    if (length <= 0) return
    this.sendFrom(start, length)
    this.resent = (start + length) >>> 0
  }

  /** All that is not acknowledged is taken for lost. */
  private retransmitAll(): void {
    if (!this.isRecovering || this.tries > 1) this.threshold = Math.max(Math.floor(this.flight / 2), 2 * this.mss)
    this.congestion = this.mss
    this.isRecovering = false
    this.duplicates = 0
    this.sacked = []
    this.recover = this.highest
    this.next = this.first
    this.output()
  }

  /** One byte into a closed window: the answer says whether it is open again. */
  private probe(): void {
    this.sendFrom(this.first, 1)
    const end = (this.first + 1) >>> 0
    if (after(this.next, end) < 0) this.next = end
    if (after(this.highest, end) < 0) this.highest = end
  }

  /** Whatever the windows allow. */
  private output(): void {
    if (this.isOpening || this.status === 'CLOSED' || this.status === 'TIME-WAIT') return
    const { mss, piece } = this
    for (;;) {
      const usable = Math.min(this.window, this.congestion) - this.flight
      const { unsent } = this
      let length = Math.min(unsent, piece, usable)
      if (length > mss && length < unsent) length -= length % mss
      // No small segments while others are under way, unless they are the last.
      const isWorthIt = length >= mss || length === unsent || this.flight === 0
      if (length > 0 && isWorthIt) {
        this.sendNext(length)
        continue
      }
      const isFinDue = this.finQueued && unsent === 0 && this.next === this.finNumber
      if (isFinDue && this.hasStates(['FIN-WAIT-1', 'CLOSING', 'LAST-ACK'])) this.sendNext(0)
      break
    }
    if (this.deadline === NEVER || this.flight > 0 || this.unsent > 0) this.arm(true)
  }

  /** The most that is sent at once: whole segments that the other end's card takes together. */
  private get piece(): number {
    return Math.max(1, Math.floor(this.host.longest(this) / this.mss)) * this.mss
  }

  private hasStates(states: readonly TcpState[]): boolean {
    return states.includes(this.status)
  }

  private sendNext(length: number): void {
    const start = this.next
    const isNew = start === this.highest
    const sent = this.sendFrom(start, length)
    this.next = (start + sent) >>> 0
    if (after(this.next, this.highest) > 0) this.highest = this.next
    if (isNew && this.timed === NEVER && length > 0) {
      this.timed = this.host.clock.now()
      this.timedSequence = this.next
    }
  }

  /** Returns how far it goes, with the FIN where that is its end. */
  private sendFrom(start: number, length: number): number {
    const offset = after(start, this.first)
    const data = this.queue.view(offset, length)
    const isLast = this.finQueued && offset + data.length === this.queue.length
    const push = offset + data.length === this.queue.length && data.length > 0 ? PSH : 0
    const fin = isLast && this.hasStates(['FIN-WAIT-1', 'CLOSING', 'LAST-ACK']) ? FIN : 0
    this.transmit({ flags: ACK | push | fin, sequence: start, data })
    return data.length + (fin ? 1 : 0)
  }

  private sendAck(): void {
    const { sacked } = this.outOfOrder
    this.transmit({
      ...{ flags: ACK, sequence: this.next, data: new Uint8Array() },
      ...(this.canSack && sacked.length > 0 && { sack: sacked }),
    })
  }

  private sendSyn(): void {
    const flags = this.status === 'SYN-SENT' ? SYN : SYN | ACK
    this.transmit({
      ...{ flags, sequence: this.initial, data: new Uint8Array(), mss: this.ownMss },
      ...(this.isScaled && { windowScale: 0 }),
      ...(this.canSack && { sackPermitted: true }),
    })
  }

  private resetFor({ acknowledgment }: Segment): Segment {
    return this.whole({ flags: RST, sequence: acknowledgment, data: new Uint8Array() })
  }

  private transmit(
    segment: Pick<Segment, 'flags' | 'sequence' | 'data' | 'mss' | 'windowScale' | 'sackPermitted' | 'sack'>,
  ): void {
    this.host.transmit(this, this.whole(segment))
  }

  /** Field by field, because it is made for every frame. */
  private whole(
    part: Pick<Segment, 'flags' | 'sequence' | 'data' | 'mss' | 'windowScale' | 'sackPermitted' | 'sack'>,
  ): Segment {
    const { flags, sequence, data, mss, windowScale, sackPermitted, sack } = part
    const acknowledgment = flags & ACK ? this.received : 0
    const { localPort: from, remotePort: to } = this
    const window = this.space
    return { from, to, sequence, acknowledgment, flags, window, data, mss, windowScale, sackPermitted, sack }
  }

  // Time --------------------------------------------------------------------------------------------------------------

  /** @param isKept One that runs already goes on. */
  private arm(isKept = false): void {
    if (this.status === 'TIME-WAIT' || this.status === 'FIN-WAIT-2' || this.status === 'CLOSED') return
    const isIdle = this.flight === 0 && this.unsent <= 0
    const { isPatient } = this.application
    if (isIdle && this.status === 'ESTABLISHED' && !isPatient) this.setDeadline(this.heard + IDLE)
    else if (isIdle && this.hasStates(['ESTABLISHED', 'CLOSE-WAIT'])) this.deadline = NEVER
    else if (!isKept || this.deadline === NEVER || this.deadline > this.host.clock.now() + this.timeout.ns)
      this.setDeadline(this.host.clock.now() + this.timeout.ns)
  }

  private setDeadline(time: number): void {
    this.deadline = time
    this.host.due(time)
  }

  private close(why?: string): void {
    const isOver = this.status === 'CLOSED' || this.status === 'TIME-WAIT'
    this.status = 'CLOSED'
    this.deadline = NEVER
    if (!isOver) this.application.closed(why)
  }
}
