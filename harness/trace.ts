/**
 * Records a trace: what was done with a machine, what it showed and said, and what was waited for. A machine's owner
 * tells a sink; the recorder is one that keeps each picture once and gives the trace when all is over.
 */
import { createHash } from 'node:crypto'
import type { Frame } from '../machine/devices/display/display.js'
import { TRACE_VERSION, type Trace, type TraceEvent } from '../reports/trace.js'
import { type Condition, describeCondition } from './condition.js'
import { describeExit } from './runner.js'
import { encodePng } from './screenshot.js'
import type { RunResult, Step } from './script.js'
import type { VmThread } from './vm-thread.js'

/** Host time is the sink's own business. Times are guest time in ns. */
export type TraceInput =
  | { kind: 'screen'; guestTimeNs: number; frame: Frame; text?: string }
  | { kind: 'input' | 'exit' | 'note'; guestTimeNs: number; title: string }
  /** Without a time: when it came within a run is not known outside the machine's thread. */
  | { kind: 'serial'; guestTimeNs?: number; port: number; bytes: Uint8Array }
  | { kind: 'wait'; guestTimeNs: number; title: string }
  | { kind: 'waited'; guestTimeNs: number; outcome: 'met' | 'timeout' | 'failed' | 'interrupted'; error?: string }

export interface TraceSink {
  event(event: TraceInput): void
}

export class TraceRecorder implements TraceSink {
  private readonly started = performance.now()
  private readonly date = new Date()
  private readonly events: TraceEvent[] = []
  private readonly frames = new Map<string, Frame>()
  private readonly decoders: InstanceType<typeof TextDecoder>[] = []
  private waiting: { title: string; guestTimeNs: number; hostMs: number } | undefined
  private lastTime = 0
  private lastScreen = ''

  constructor(
    private readonly title: string,
    private readonly engine: string,
  ) {}

  event(event: TraceInput): void {
    const hostMs = performance.now() - this.started
    const guestTimeNs = event.guestTimeNs ?? this.lastTime
    this.lastTime = guestTimeNs
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
    for (const [hash, frame] of this.frames) {
      const png = (await encodePng(frame)).toString('base64')
      screens[hash] = { png, width: frame.width, height: frame.height }
    }
    // A wait stands where it began.
    const events = [...this.events].sort((a, b) => a.guestTimeNs - b.guestTimeNs || a.hostMs - b.hostMs)
    const { title, engine } = this
    const head = { format: 'bootwright-trace', version: TRACE_VERSION } as const
    return { ...head, title, date: this.date.toISOString(), engine, ...(status && { status }), screens, events }
  }

  private screen(frame: Frame, text: string | undefined, at: { guestTimeNs: number; hostMs: number }): void {
    if (frame.width < 1 || frame.height < 1) return
    const { width, height, data } = frame
    const hash = createHash('sha256').update(`${width}x${height} `).update(data).digest('hex').slice(0, 20)
    if (hash === this.lastScreen) return
    this.lastScreen = hash
    if (!this.frames.has(hash)) this.frames.set(hash, { width, height, data: data.slice() })
    this.events.push({ kind: 'screen', ...at, screen: hash, ...(text !== undefined && { text }) })
  }
}

/**
 * Runs steps on a machine's thread and tells the sink: each input, each wait with how it ended, and the screen after
 * it. The thread's owner passes serial output on by `onSerial`. Stops at the first step that fails.
 */
export async function runTraced(vm: VmThread, steps: readonly Step[], sink: TraceSink): Promise<RunResult> {
  let result = await vm.run({ steps: [] })
  for (const group of waits(steps)) {
    for (const step of group) {
      const title = inputTitle(step)
      if (title !== undefined) sink.event({ kind: 'input', guestTimeNs: result.guestTimeNs, title })
    }
    const condition = conditionOf(group[group.length - 1])
    if (condition) sink.event({ kind: 'wait', guestTimeNs: result.guestTimeNs, title: describeCondition(condition) })
    result = await vm.run({ steps: group })
    const { guestTimeNs, text, error } = result
    for (const shot of result.shots) sink.event({ kind: 'screen', guestTimeNs: shot.guestTimeNs, frame: shot.frame })
    sink.event({ kind: 'screen', guestTimeNs, frame: await vm.frame(), text })
    if (condition) sink.event({ kind: 'waited', guestTimeNs, outcome: outcomeOf(result), error })
    const { exit } = result
    if (isMachineExit(exit)) sink.event({ kind: 'exit', guestTimeNs, title: describeExit(exit) })
    if (result.outcome !== 'ok') break
  }
  return result
}

/** In groups that end with a wait: within a group nothing is to be seen from outside. */
function waits(steps: readonly Step[]): Step[][] {
  const groups: Step[][] = [[]]
  for (const step of steps) {
    groups[groups.length - 1].push(step)
    if (conditionOf(step)) groups.push([])
  }
  return groups.filter((group) => group.length > 0)
}

function conditionOf(step: Step): Condition | undefined {
  if (step.kind === 'until') return step.condition
  return step.kind === 'wait-text' ? { kind: 'text', pattern: step.pattern } : undefined
}

function outcomeOf({ outcome }: RunResult): 'met' | 'timeout' | 'failed' | 'interrupted' {
  return outcome === 'ok' ? 'met' : outcome
}

function isMachineExit(exit: RunResult['exit']): exit is RunResult['exit'] & Parameters<typeof describeExit>[0] {
  return !['condition', 'timeout', 'script', 'interrupted'].includes(exit.reason)
}

/** undefined for what is no input. */
function inputTitle(step: Step): string | undefined {
  switch (step.kind) {
    case 'tap':
      return `keys ${step.codes.join('+')}`
    case 'key':
      return `${step.code} ${step.down ? 'down' : 'up'}`
    case 'mouse-move':
      return `mouse by ${step.dx},${step.dy}`
    case 'mouse-click':
      return `${step.button} click`
    case 'click-text':
      return `click on /${step.pattern.source}/`
    case 'serial-input':
      return `to COM${step.port + 1}: ${JSON.stringify(step.text)}`
    case 'power-button':
      return 'power button'
    case 'reset':
      return 'reset button'
    default:
      return undefined
  }
}
