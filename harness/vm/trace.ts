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
import { encodeVideo } from '../picture/video.js'
import type { TraceInput } from '../protocol/messages.js'

const pack = promisify<Uint8Array, { level: number }, Uint8Array>(deflate)
const unpack = promisify<Uint8Array, Uint8Array>(inflate)

/** How long a video shows its last screen, ns. */
const LAST_NS = 1e9

export interface TraceSink {
  event(event: TraceInput): void
}

export class TraceRecorder implements TraceSink {
  private readonly started = performance.now()
  private readonly date = new Date()
  private readonly events: TraceEvent[] = []
  /** Deflated at once: most traces are thrown away, and a picture has megabytes. */
  private readonly frames = new Map<string, { width: number; height: number; packed: Promise<Uint8Array> }>()
  private readonly decoders: InstanceType<typeof TextDecoder>[] = []
  private waiting: { title: string; guestTimeNs: number; hostMs: number } | undefined
  private lastScreen = ''

  constructor(
    private readonly title: string,
    private readonly engine: string,
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
        if (text !== '') this.events.push({ kind: 'serial', guestTimeNs, hostMs, port: event.port, text })
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
    const shown = this.events.filter((event) => event.kind === 'screen')
    const every = Math.ceil(shown.length / most)
    const kept = shown.filter((_, i) => i % every === 0 || i === shown.length - 1)
    if (kept.length === 0) return undefined
    const end = Math.max(...this.events.map(({ guestTimeNs }) => guestTimeNs)) + LAST_NS
    const frames = kept.map(async ({ screen, guestTimeNs }, i) => ({
      frame: await this.frame(screen),
      ms: ((kept[i + 1]?.guestTimeNs ?? end) - guestTimeNs) / 1e6,
    }))
    return encodeVideo(await Promise.all(frames))
  }

  private async frame(hash: string): Promise<Frame> {
    const { width, height, packed } = this.frames.get(hash) as {
      width: number
      height: number
      packed: Promise<Buffer>
    }
    return { width, height, data: await unpack(await packed) }
  }

  private screen(frame: Frame, text: string | undefined, at: { guestTimeNs: number; hostMs: number }): void {
    if (frame.width < 1 || frame.height < 1) return
    const { width, height, data } = frame
    const hash = createHash('sha256').update(`${width}x${height} `).update(data).digest('hex').slice(0, 20)
    if (hash === this.lastScreen) return
    this.lastScreen = hash
    if (!this.frames.has(hash)) this.frames.set(hash, { width, height, packed: pack(data, { level: 1 }) })
    this.events.push({ kind: 'screen', ...at, screen: hash, ...(text !== undefined && { text }) })
  }
}
