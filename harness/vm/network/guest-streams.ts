/**
 * Connections of the test's to ports of the guest, as streams of Node's. The guest runs only while somebody waits for an
 * answer, and stands still at the very instruction at which it came until it was dealt with, so a test that says what it
 * says because of what it heard is the same in every run.
 */
import { Duplex } from 'node:stream'
import { type OutsideEvent, type OutsideInput, STREAM_CREDIT } from '../../../machine/network/outside.js'
import { STREAMS } from '../../protocol/condition.js'
import { parseDuration } from '../../units/durations.js'
import type { TimeoutOptions, VmDriver } from '../driver.js'
import { ConnectionError } from '../errors.js'

/** Guest time between two looks at what only this thread can judge, ns. */
const POLL = 100e6
/** Turns of the event loop in which nothing is said after which nothing more is expected of whoever heard something. */
const QUIET_TURNS = 3

export interface DialOptions {
  /** Of the guest's cards, by which its address is found on a network that machines share. */
  macs?: readonly string[]
  /** Of the guest; by default the one that got its address last. */
  guest?: string
  /** What is said on it is not the same in every run: the result says `hostInput`. */
  isChance?: boolean
  /** Nobody waits by reading: `waitFor` is called. */
  isManual?: boolean
}

export class GuestStreams {
  private readonly streams = new Map<number, GuestStream>()
  /** To this machine's guest. */
  private readonly own = new Set<GuestStream>()
  private last = 0
  /** Counts what is said and heard. */
  private activity = 0
  /** Whose machine has the LAN that they go through: on a network that machines share, its services'. */
  carrier: GuestStreams = this

  constructor(private readonly driver: VmDriver) {}

  /** A connection that the guest has still to take. */
  dial(port: number, { guest, macs, isChance = false, isManual = false }: DialOptions = {}): GuestStream {
    const { carrier } = this
    const number = ++carrier.last
    const say = (event: OutsideInput) => carrier.say(event, isChance)
    const stream = new GuestStream(number, say, isManual ? undefined : () => this.waitForMore(stream))
    carrier.streams.set(number, stream)
    this.own.add(stream)
    stream.once('close', () => this.own.delete(stream))
    say({ kind: 'dial', stream: number, port, ...(guest !== undefined && { guest }), ...(macs && { macs }) })
    return stream
  }

  hear(event: OutsideEvent): void {
    if (!('stream' in event)) return
    this.activity++
    this.streams.get(event.stream)?.hear(event)
    if (event.kind === 'closed') this.streams.delete(event.stream)
  }

  /** The guest at the other ends is gone, or another one. */
  reset(why: string): void {
    for (const stream of this.own) {
      const { number } = stream
      this.carrier.streams.delete(number)
      stream.hear({ kind: 'closed', stream: number, why })
      // The services live on, and would keep it.
      if (this.carrier !== this) this.carrier.say({ kind: 'stream-gone', stream: number, why }, false)
    }
    this.own.clear()
  }

  /** Runs the guest until what came of it made this true. Rejects with a TimeoutError or a GuestExitError. */
  async waitFor(isThere: () => boolean, what: string, options: TimeoutOptions = {}): Promise<void> {
    const { driver } = this
    const timeoutNs = parseDuration(options.timeout ?? driver.settings.timeout)
    const hostTimeoutMs = parseDuration(options.hostTimeout ?? driver.settings.hostTimeout) / 1e6
    const hostEnd = performance.now() + hostTimeoutMs
    let begin: number | undefined
    for (;;) {
      await this.carrier.quiet()
      if (isThere()) return
      // Of one thread alone, so that what several wait for at once is asked for in the same order in every run.
      const now = (await this.carrier.driver.ask((thread) => thread.look())).guestTimeNs
      begin ??= now
      const left = begin + timeoutNs - now
      if (left <= 0) throw await driver.timeout(`waited ${timeoutNs / 1e9} s of guest time for ${what}`)
      const hostLeft = hostEnd - performance.now()
      if (hostLeft <= 0) throw await driver.timeout(`waited ${hostTimeoutMs / 1e3} s of host time for ${what}`)
      const condition = { kind: 'output', port: STREAMS } as const
      const step = { kind: 'poll', ns: Math.min(left, POLL), what, condition } as const
      await this.carrier.driver.run([step], { hostTimeout: hostLeft / 1e3 })
    }
  }

  /** Until whoever heard something has said what it has to say. */
  private async quiet(): Promise<void> {
    for (let turns = 0, before = this.activity; turns < QUIET_TURNS; turns++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.activity === before) continue
      before = this.activity
      turns = 0
    }
  }

  private async waitForMore(stream: GuestStream): Promise<void> {
    const heard = stream.heard
    try {
      await this.waitFor(() => stream.heard !== heard || stream.destroyed, 'what the guest answers on its connection')
    } catch (error) {
      stream.destroy(error as Error)
    }
  }

  private say(event: OutsideInput, isChance: boolean): void {
    this.activity++
    // One that is closed has nobody to listen.
    this.driver.ask((thread) => thread.outside(event, isChance)).catch(() => {})
  }
}

export class GuestStream extends Duplex {
  /** Counts what came. */
  heard = 0
  /** The guest has taken the connection. */
  isOpen = false
  /** Why it ended, where that was not in order. */
  why: string | undefined
  private isOver = false
  private credit = STREAM_CREDIT
  /** Of the guest's, not read. */
  private unread = 0
  /** Somebody would read. */
  private isWanted = false
  private isWaiting = false
  private waiting: { bytes: Uint8Array; done: (error?: Error | null) => void } | undefined

  /** @param wait Somebody waits for more: runs the guest until there is. */
  constructor(
    readonly number: number,
    private readonly say: (event: OutsideInput) => void,
    private readonly wait: (() => Promise<void>) | undefined,
  ) {
    super()
    // Who reads hears of it; a test that does not is not ended by it.
    this.on('error', () => {})
  }

  hear(event: Extract<OutsideEvent, { stream: number }>): void {
    this.heard++
    switch (event.kind) {
      case 'opened':
        this.isOpen = true
        break
      case 'data':
        this.isWanted = false
        if (this.push(event.bytes)) this.taken(event.bytes.length)
        else this.unread += event.bytes.length
        break
      case 'taken':
        this.credit += event.count
        this.pump()
        break
      case 'ended':
        this.isWanted = false
        this.push(null)
        break
      case 'closed':
        this.over(event.why)
    }
  }

  override _read(): void {
    this.taken(this.unread)
    this.unread = 0
    this.isWanted = true
    if (!this.wait || this.isWaiting || this.isOver) return
    this.isWaiting = true
    void this.wait().finally(() => {
      this.isWaiting = false
      // Something else came than bytes to read.
      if (this.isWanted && !this.destroyed) this._read()
    })
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.waiting = { bytes, done }
    this.pump()
  }

  override _final(done: () => void): void {
    this.say({ kind: 'stream-ended', stream: this.number })
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.isOver) this.say({ kind: 'stream-gone', stream: this.number, why: 'the test closed it' })
    this.isOver = true
    done(error)
  }

  private over(why: string | undefined): void {
    this.isOver = true
    this.why = why
    if (why === undefined) return
    this.destroy(new ConnectionError(`the connection to the guest is over: ${why}`))
  }

  private taken(count: number): void {
    if (count > 0 && !this.isOver) this.say({ kind: 'stream-taken', stream: this.number, count })
  }

  /** As much as the guest's side has room for. */
  private pump(): void {
    const { waiting } = this
    if (!waiting) return
    const bytes = waiting.bytes.subarray(0, this.credit)
    if (bytes.length > 0) {
      this.credit -= bytes.length
      this.say({ kind: 'stream-data', stream: this.number, bytes: Uint8Array.from(bytes) })
    }
    waiting.bytes = waiting.bytes.subarray(bytes.length)
    if (waiting.bytes.length > 0) return
    this.waiting = undefined
    waiting.done()
  }
}
