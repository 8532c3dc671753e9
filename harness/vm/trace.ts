/**
 * Records a trace: what was done with a machine, what it showed and said, and what was waited for. The machine's thread
 * tells a sink; the recorder is one that keeps each picture once, and gives the trace or a video when all is over.
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { deflate, inflate } from 'node:zlib'
import type { Frame } from '../../machine/devices/display/display.js'
import { TRACE_VERSION, type Trace, type TraceEvent } from '../../reports/trace.js'
import { encodePng } from '../picture/screenshot.js'
import { encodeShown } from '../picture/video.js'
import type { TraceInput } from '../protocol/messages.js'

const pack = promisify<Uint8Array, { level: number }, Uint8Array>(deflate)
const unpack = promisify<Uint8Array, Uint8Array>(inflate)

/** How long a video shows its last screen, ns. */
const LAST_NS = 1e9
/** What a guest that shows and says without end may take. */
const MOST = {
  /** Bytes of pictures, deflated: of more each second one goes. */
  pictures: 96 << 20,
  /** Bytes of those that are not deflated yet: further ones are left out. */
  waiting: 256 << 20,
  /** Characters that came over serial lines: the oldest go. */
  serial: 16 << 20,
}

export interface TraceSink {
  event(event: TraceInput): void
}

interface PackedFrame {
  width: number
  height: number
  packed: Promise<Uint8Array>
  /** Bytes, as soon as it is deflated. */
  size: number
}

export class TraceRecorder implements TraceSink {
  private readonly started = performance.now()
  private readonly date = new Date()
  private events: TraceEvent[] = []
  /** Deflated at once: most traces are thrown away, and a picture has megabytes. */
  private readonly frames = new Map<string, PackedFrame>()
  /** Bytes of pictures that are deflated, and of those that are not yet. */
  private size = 0
  private waitingSize = 0
  /** Of the screens that come one in so many is kept. */
  private every = 1
  private screens = 0
  private serialSize = 0
  private readonly decoders: InstanceType<typeof TextDecoder>[] = []
  private waiting: { title: string; guestTimeNs: number; hostMs: number } | undefined
  private lastScreen = ''

  constructor(
    private readonly title: string,
    private readonly engine: string,
    private readonly most = MOST,
  ) {}

  event(event: TraceInput): void {
    const hostMs = performance.now() - this.started
    const { guestTimeNs } = event
    switch (event.kind) {
      case 'screen':
        this.screen(event.frame, event.text, { guestTimeNs, hostMs })
        break
      case 'serial': {
        this.decoders[event.port] ??= new TextDecoder()
        const text = this.decoders[event.port].decode(event.bytes, { stream: true })
        if (text === '') break
        this.events.push({ kind: 'serial', guestTimeNs, hostMs, port: event.port, text })
        this.serialSize += text.length
        // Not at each byte more, which would take long.
        if (this.serialSize > 2 * this.most.serial) this.forgetSerial()
        break
      }
      case 'wait':
        this.waiting = { title: event.title, guestTimeNs, hostMs }
        break
      case 'waited': {
        const began = this.waiting ?? { title: 'a wait', guestTimeNs, hostMs }
        this.waiting = undefined
        const { outcome, error } = event
        const until = { untilGuestTimeNs: guestTimeNs, untilHostMs: hostMs }
        this.events.push({ kind: 'condition', ...began, ...until, outcome, ...(error !== undefined && { error }) })
        break
      }
      default:
        this.events.push({ kind: event.kind, guestTimeNs, hostMs, title: event.title })
    }
  }

  /** The trace so far. Pictures are encoded now, not while the test runs. */
  async finish(status?: 'passed' | 'failed'): Promise<Trace> {
    await this.deflated()
    const screens: Trace['screens'] = {}
    for (const hash of this.frames.keys()) {
      const frame = await this.frame(hash)
      const png = Buffer.from(await encodePng(frame)).toString('base64')
      screens[hash] = { png, width: frame.width, height: frame.height }
    }
    // A wait stands where it began.
    const events = [...this.events].sort((a, b) => a.guestTimeNs - b.guestTimeNs || a.hostMs - b.hostMs)
    const { title, engine } = this
    const head = { format: 'bootwright-trace', version: TRACE_VERSION } as const
    return { ...head, title, date: this.date.toISOString(), engine, ...(status && { status }), screens, events }
  }

  /**
   * The screens as an animated WebP at the pace of guest time; undefined where nothing was shown.
   * @param most Of many screens so many are shown, evenly spread.
   */
  async video(most = 150): Promise<Uint8Array | undefined> {
    await this.deflated()
    const shown = this.events.filter((event) => event.kind === 'screen')
    const every = Math.ceil(shown.length / most)
    const kept = shown.filter((_, i) => i % every === 0 || i === shown.length - 1)
    if (kept.length === 0) return undefined
    const end = Math.max(...this.events.map(({ guestTimeNs }) => guestTimeNs)) + LAST_NS
    const frames = kept.map(({ screen, guestTimeNs }, i) => ({
      ...(this.frames.get(screen) as PackedFrame),
      ms: ((kept[i + 1]?.guestTimeNs ?? end) - guestTimeNs) / 1e6,
      data: async () => (await this.frame(screen)).data,
    }))
    return encodeShown(frames)
  }

  /** From then on no picture goes. */
  private async deflated(): Promise<void> {
    await Promise.all([...this.frames.values()].map(({ packed }) => packed))
  }

  private async frame(hash: string): Promise<Frame> {
    const { width, height, packed } = this.frames.get(hash) as PackedFrame
    return { width, height, data: await unpack(await packed) }
  }

  private screen(frame: Frame, text: string | undefined, at: { guestTimeNs: number; hostMs: number }): void {
    if (frame.width < 1 || frame.height < 1) return
    const { width, height, data } = frame
    const hash = createHash('sha256').update(`${width}x${height} `).update(data).digest('hex').slice(0, 20)
    if (hash === this.lastScreen) return
    this.lastScreen = hash
    if (!this.frames.has(hash)) {
      if (++this.screens % this.every !== 0 || this.waitingSize > this.most.waiting) return
      this.keep(hash, frame)
    }
    this.events.push({ kind: 'screen', ...at, screen: hash, ...(text !== undefined && { text }) })
  }

  private keep(hash: string, { width, height, data }: Frame): void {
    this.waitingSize += data.length
    const packed = pack(data, { level: 1 })
    const kept: PackedFrame = { width, height, packed, size: 0 }
    this.frames.set(hash, kept)
    void packed.then(({ length }) => {
      this.waitingSize -= data.length
      if (this.frames.get(hash) !== kept) return
      kept.size = length
      this.size += length
      while (this.size > this.most.pictures && this.frames.size > 2) this.thin()
    })
  }

  /** Each second picture goes; the last one stays. */
  private thin(): void {
    const last = this.events.findLastIndex(({ kind }) => kind === 'screen')
    let screens = 0
    this.events = this.events.filter(({ kind }, i) => kind !== 'screen' || i === last || screens++ % 2 === 0)
    const kept = new Set(this.events.flatMap((event) => (event.kind === 'screen' ? [event.screen] : [])))
    for (const [hash, { size }] of this.frames) {
      if (kept.has(hash)) continue
      this.frames.delete(hash)
      this.size -= size
    }
    this.every *= 2
  }

  private forgetSerial(): void {
    let over = this.serialSize - this.most.serial
    this.events = this.events.filter((event) => {
      if (event.kind !== 'serial' || over <= 0) return true
      over -= event.text.length
      this.serialSize -= event.text.length
      return false
    })
  }
}
