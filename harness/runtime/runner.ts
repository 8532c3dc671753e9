/**
 * Runs scripts on a machine, in the thread of the machine. Guest time passes only while a step waits for something, and
 * stands still at the very frame or byte at which the condition came true; the host's clock is looked at for nothing
 * but the host time-out and the progress report.
 * The file is longer than others, because each kind of end of a step meets in its one loop.
 */

import type { State } from '../../machine/device.js'
import type { Frame } from '../../machine/devices/display/display.js'
import type { InputEvent } from '../../machine/input.js'
import type { Machine, MachineExit, MachineOptions } from '../../machine/machine.js'
import type { LoggedRequest } from '../../machine/network/lan/services/request-log.js'
import { describeUnexpected, isUnexpected } from '../../machine/unexpected.js'
import type { BitmapFont } from '../picture/bitmap-font.js'
import type { Area } from '../picture/compare-pictures.js'
import type { ScreenReading } from '../picture/screen-reading.js'
import {
  type Condition,
  claimsExit,
  comesByItself,
  compilePattern,
  DEBUG_CONSOLE,
  describeCondition,
  NETWORK,
  outlivesPanic,
  STOPPED,
  STREAMS,
} from '../protocol/condition.js'
import type { LivePicture, Progress, TraceInput } from '../protocol/messages.js'
import type { Look, RunResult, Script, Shot, Step } from '../protocol/script.js'
import { describeExit } from '../words/exit-words.js'
import { whereWords } from '../words/place-words.js'
import { requestWords, tellingRequests } from '../words/request-words.js'
import { DebugError, StopPoints } from './debug/stop-points.js'
import { FirmwareAccesses } from './firmware-accesses.js'
import { GuestOutput, type OutputHooks } from './guest-output.js'
import { LiveInput } from './live-input.js'
import type { Lockstep } from './lockstep.js'
import { Pace } from './pace.js'
import { Pointing } from './pointing.js'
import { RunLimits } from './run-limits.js'
import { SerialLog } from './serial-log.js'
import { awaitedAhead, isLastInput, isWanted, StepFailed, timeoutWhile, whileWhat } from './steps.js'
import { Tracer } from './tracer.js'
import { Typist } from './typist.js'
import { nextFrame } from './watches/guest-frames.js'
import { HangWatch } from './watches/hang-watch.js'
import { PanicWatch } from './watches/panic-watch.js'
import { PhaseWatch } from './watches/phase-watch.js'
import { SampledDisplay } from './watches/sampled-display.js'
import type { Scene, Watch } from './watches/watch.js'
import { WatchedScreen } from './watches/watched-screen.js'
import { createWatch } from './watches/watches.js'

const SERIAL_PORTS = 4
const LAST_LINES = 20
const PROGRESS_MS = 200
/** The longest that the machine is let alone at a time, of the host's: a stop and a time-out wait so long at most. */
const HOST_SLICE_MS = 50

/** And while it has to do with the real world, ns of the guest's time. */
const OUTSIDE_SLICE = 1e6

/** What the thread around the runner is told, and what it may say, between two slices of guest time. */
export interface RunnerHooks extends OutputHooks {
  onProgress?: (progress: Progress) => void
  /** So many bytes of `serialInput` have gone to the machine. */
  onSerialTaken?: (bytes: number) => void
  /** What failed on the host's side when the guest read or wrote a medium. */
  mediaFailures?: () => readonly string[]
  /** Fonts to read text in graphics modes with; asked for when there is something to read. */
  fonts?: () => readonly BitmapFont[]
  /** Looks whether someone wants something: `stop` ends the script, input goes to the machine. */
  poll?: (runner: Runner) => void
  /** The guest has to do with the real world: its time is the host's, and what comes from there is looked for often. */
  isOutside?: () => boolean
  /** The machine shares its network with others. */
  lockstep?: Lockstep
  /** A debugger may hold the machine here; `isOver` tells that the script is to end. Returns the machine's end. */
  hold?: (isOver: () => boolean) => MachineExit | undefined
  /** The same where the machine has just ended; returns what is left of that end. */
  holdAtEnd?: (exit: MachineExit, isOver: () => boolean) => MachineExit | undefined
}

/** The exit that a later step waits for came while the last keys were typed: the script goes on behind that step. */
class GoOnAt extends Error {
  constructor(readonly step: number) {
    super()
  }
}

export class Runner {
  readonly machine: Machine
  /** Of the serial lines, and the last of the debug console. */
  private readonly logs = Array.from({ length: DEBUG_CONSOLE + 1 }, () => new SerialLog())
  private readonly firmware = new FirmwareAccesses(() => this.machine.report().unhandled)
  private readonly output: GuestOutput
  private readonly scene: Scene
  private readonly typist: Typist
  private readonly pointing: Pointing
  private readonly display: SampledDisplay
  private readonly screen: WatchedScreen
  private tracer: Tracer | undefined

  private steps: readonly Step[] = []
  private step = 0
  private watch: Watch | undefined
  /** The watch's condition came true at a serial byte. */
  private hit = false
  /** What the watch watches for. */
  private awaited: Condition | undefined
  /** The test's thread waits for something of its own. */
  private polled = false
  private lastExit: MachineExit | undefined
  /** It came while something else was waited for, which was met by then: the next wait has it. */
  private unclaimed: MachineExit | undefined
  private readonly panics = new PanicWatch()
  private readonly phases = new PhaseWatch()
  private readonly hang: HangWatch
  private readonly stops: StopPoints
  private failsEarly = true
  private resets = 0
  private hostInput = false
  private readonly live = new LiveInput((bytes) => this.hooks.onSerialTaken?.(bytes))
  private pace: Pace | undefined
  private readonly outsidePace = new Pace()
  private stopAsked = false
  private runs = false
  /** What of the test's own failed while the guest ran. */
  private broken: string | undefined
  private shots: Shot[] = []
  private matched: string[] | undefined

  private limits = new RunLimits()
  private nextProgress = 0

  /**
   * @param create Makes the machine with these callbacks, e.g. `(callbacks) => createMachine({ ...options, ...callbacks })`.
   */
  constructor(
    create: (callbacks: Required<Pick<MachineOptions, 'onSerial' | 'onDebug' | 'onRequest'>>) => Machine,
    private readonly hooks: RunnerHooks = {},
  ) {
    this.output = new GuestOutput(SERIAL_PORTS, hooks)
    this.machine = create({
      onSerial: (port, byte) => this.serialByte(port, byte),
      onDebug: (byte) => {
        this.output.debugByte(byte)
        this.firmware.byte(byte)
        this.heard(DEBUG_CONSOLE, byte)
      },
      onRequest: (request) => this.requested(request),
    })
    const { machine } = this
    this.hang = new HangWatch(machine)
    this.stops = new StopPoints(machine.debugTarget)
    const display = new SampledDisplay(machine.display)
    this.display = display
    this.screen = new WatchedScreen(display, () => this.hooks.fonts?.() ?? [])
    this.scene = {
      now: () => machine.now(),
      display,
      text: (area) => this.screen.text(area),
      serial: (port) => this.logs[port],
      requests: () => machine.requests(),
      stops: this.stops,
    }
    const advance = (ns: number) => {
      this.advance(machine.now() + ns)
    }
    this.typist = new Typist(machine, advance)
    this.pointing = new Pointing(display, this.screen, this.typist, advance)
  }

  run(script: Script): RunResult {
    this.steps = script.steps
    this.pace = script.realTime ? (this.pace ?? new Pace()) : undefined
    this.limits = new RunLimits(script, this.machine.now())
    this.nextProgress = this.limits.started
    this.lastExit = undefined
    this.stopAsked = false
    this.shots = []
    this.matched = undefined
    this.panics.configure(script.failOn)
    this.phases.configure(script.phases)
    this.failsEarly = script.failOn !== false
    let end: StepFailed | undefined
    this.runs = true
    this.display.passed()
    this.screen.begin()
    this.tracer?.begin(script.title)
    for (this.step = 0; this.step < this.steps.length && !end; this.step++) {
      try {
        this.execute(this.steps[this.step])
      } catch (thrown) {
        if (thrown instanceof GoOnAt) this.step = thrown.step - 1
        else if (thrown instanceof StepFailed) end = thrown
        else if (thrown instanceof DebugError) end = new StepFailed('failed', 'script', thrown.message)
        else if (isUnexpected(thrown)) end = new StepFailed('failed', 'failure', describeUnexpected(thrown))
        else throw thrown
      } finally {
        this.watch = undefined
        this.awaited = undefined
        this.stops.clear()
        this.polled = false
        this.flush()
      }
      if (end) break
    }
    this.runs = false
    this.tracer?.end()
    return this.result(end)
  }

  /** From now on tells what is done and shown; undefined: no more. */
  trace(tell: ((event: TraceInput) => void) | undefined): void {
    this.tracer = tell && new Tracer(this.machine, this.display, tell)
  }

  /** A script runs. */
  get isRunning(): boolean {
    return this.runs
  }

  /** The script is to end, and nothing that it waits for is worth waiting for. */
  get isEnding(): boolean {
    return this.stopAsked || this.limits.isPast
  }

  /** A function of the test's failed: the script fails at the next slice. */
  failBy(sentence: string): void {
    this.broken ??= sentence
  }

  /** What comes in is nothing that another run need get. */
  markHostInput(): void {
    this.hostInput = true
  }

  /** Something has left for the world outside. */
  streamed(): void {
    this.noticed(STREAMS)
  }

  /** Ends the script at the next slice. */
  stop(): void {
    this.stopAsked = true
  }

  /**
   * Input of a person: the next slice of guest time gets it, or a later one. It marks the result, because it comes at no
   * reproducible moment.
   */
  input(event: InputEvent): void {
    this.hostInput = true
    this.live.add(event)
  }

  /** The screen as it is, if anything has changed since the generation `since`. */
  picture(since: number): LivePicture | undefined {
    const { display } = this
    const generation = display.generation()
    return generation === since ? undefined : { generation, mode: display.mode(), frame: this.frame() }
  }

  look(): Look {
    this.display.passed()
    const report = this.machine.report()
    const departures = this.machine.departures?.()
    return {
      ...report,
      guestTimeNs: this.machine.now(),
      instructions: this.machine.instructions(),
      ...this.screen.fresh(),
      serial: this.logs.flatMap((log, port) =>
        log.bytes > 0 && port !== DEBUG_CONSOLE ? [{ port, lines: log.lastLines(LAST_LINES) }] : [],
      ),
      unhandled: this.firmware.others(report.unhandled),
      unhandledByFirmware: this.firmware.own(),
      mediaFailures: [...(this.hooks.mediaFailures?.() ?? [])],
      requests: tellingRequests(this.machine.requests(), LAST_LINES),
      ...(departures && { departures: departures.length }),
      ...(this.phases.reached.length > 0 && { phases: [...this.phases.reached] }),
    }
  }

  /** The screen's text and where it is, in text modes exactly, in graphics modes as far as the fonts go. */
  read(area?: Area): ScreenReading {
    return this.screen.read(area)
  }

  frame(): Frame {
    const { width, height, data } = this.display.frame()
    return { width, height, data: data.slice() }
  }

  /** What the runner itself knows of the guest, for snapshots. Between scripts. */
  save(): State {
    const { resets, hostInput, screen, typist, unclaimed } = this
    return {
      logs: this.logs.map((log) => log.save()),
      typist: typist.save(),
      resets,
      hostInput,
      unclaimed: unclaimed ? { ...unclaimed } : null,
      screens: screen.save(),
      firmware: this.firmware.save(),
      ...(this.hooks.lockstep && { lockstep: this.hooks.lockstep.save() }),
    }
  }

  load(state: State): void {
    for (const [i, log] of (state.logs as State[]).entries()) this.logs[i].load(log)
    this.typist.load(state.typist as State)
    this.resets = state.resets as number
    this.hostInput = state.hostInput as boolean
    this.unclaimed = (state.unclaimed as MachineExit | null | undefined) ?? undefined
    this.panics.load()
    this.hang.forget()
    this.display.passed()
    this.screen.load(state.screens as State)
    this.firmware.load(state.firmware)
    this.hooks.lockstep?.load(state.lockstep as State)
    this.output.forget()
  }

  private execute(step: Step): void {
    this.display.passed()
    const { machine, typist } = this
    this.tracer?.step(step)
    switch (step.kind) {
      case 'tap':
        typist.tap(step.codes)
        break
      case 'key':
        typist.key(step.code, step.down)
        break
      case 'wait':
        this.advance(machine.now() + step.ns)
        break
      case 'poll':
        this.polled = true
        if (step.condition) this.watch = createWatch(step.condition, this.scene)
        this.advance(machine.now() + step.ns)
        break
      case 'go-along':
        this.goAlong()
        break
      case 'until-time':
        if (step.ns > machine.now()) this.advance(step.ns)
        break
      case 'wait-text':
        this.until({ kind: 'text', pattern: step.pattern }, step.timeoutNs)
        break
      case 'until':
        this.until(step.condition, step.timeoutNs)
        break
      case 'mouse-move':
        typist.move(step.dx, step.dy)
        break
      case 'mouse-click':
        typist.click(step.button, step.count)
        break
      case 'mouse-button':
        typist.button(step.button, step.down)
        break
      case 'mouse-wheel':
        typist.wheel(step.notches)
        break
      case 'mouse-to':
        this.pointing.moveTo(step.x, step.y)
        break
      case 'click-text':
        this.pointing.moveToText(compilePattern(step.pattern), step.area)
        typist.click(step.button ?? 'left', step.count)
        break
      case 'learn-font':
        this.screen.learn(step.font)
        break
      case 'screenshot':
        this.shots.push({
          name: step.name,
          guestTimeNs: machine.now(),
          frame: this.frame(),
          cells: this.display.text(),
        })
        break
      case 'serial-input':
        machine.input({
          kind: 'serial',
          port: step.port,
          bytes: typeof step.text === 'string' ? new TextEncoder().encode(step.text) : step.text,
        })
        break
      case 'power-button':
        machine.input({ kind: 'power-button' })
        break
      case 'reset':
        this.unclaimed = undefined
        this.panics.forget()
        machine.input({ kind: 'reset' })
        break
    }
  }

  private until(condition: Condition, timeoutNs?: number): void {
    this.tracer?.wait(describeCondition(condition))
    try {
      this.runUntil(condition, timeoutNs)
      this.tracer?.waited('met')
    } catch (thrown) {
      if (thrown instanceof StepFailed) this.tracer?.waited(thrown.outcome, this.withPlace(thrown.message))
      throw thrown
    }
  }

  private runUntil(condition: Condition, timeoutNs = Number.POSITIVE_INFINITY): void {
    this.lastExit = undefined
    const watch = createWatch(condition, this.scene)
    this.watch = watch
    this.awaited = condition
    if (watch.atFrame() || this.advance(this.machine.now() + timeoutNs)) {
      if (condition.kind === 'serial') this.matched = this.logs[condition.port].lastMatch
      this.panics.waitMet()
      return
    }
    const seconds = timeoutNs / 1e9
    throw new StepFailed('timeout', 'timeout', `waited ${seconds} s of guest time for ${describeCondition(condition)}`)
  }

  /**
   * Runs to the guest time `until`, in slices of a guest frame. True as soon as the watch's condition is met. Throws
   * what ends the script.
   */
  private advance(until: number): boolean {
    const { machine } = this
    while (machine.now() < until) {
      this.attend()
      const frame = nextFrame(machine.now())
      this.hit = false
      const slice = machine.now() + (this.isOutside ? OUTSIDE_SLICE : Number.POSITIVE_INFINITY)
      const exit = this.unclaimed ?? this.runOn(Math.min(until, frame, slice, this.limits.guestEnd))
      this.unclaimed = undefined
      if (exit && this.stopped(exit)) return true
      if (this.hit) return true
      if (machine.now() >= frame && this.atFrame()) return true
    }
    return false
  }

  private runOn(until: number): MachineExit | undefined {
    const { machine, hooks } = this
    const hostEnd = performance.now() + HOST_SLICE_MS
    const ended = hooks.lockstep
      ? hooks.lockstep.run(machine, until, hostEnd, () => this.hit)
      : machine.run(until, hostEnd)
    const exit = ended && hooks.holdAtEnd ? hooks.holdAtEnd(ended, () => this.isOver()) : ended
    this.display.passed()
    this.flush()
    if (exit) this.noteExit(exit)
    if (this.stops.take()) this.noticed(STOPPED)
    return exit
  }

  /** The others of its network are awaited: runs with them, until it is stopped where it waits for them. */
  private goAlong(): void {
    const { machine, hooks } = this
    for (let isOver = false; ; ) {
      this.attend()
      if (isOver) {
        hooks.lockstep?.standBy(machine, performance.now() + HOST_SLICE_MS)
        continue
      }
      const frame = nextFrame(machine.now())
      this.hit = false
      const exit = this.runOn(frame)
      if (exit && exit.reason !== 'reset') this.unclaimed = exit
      if (exit) isOver = ['poweroff', 'halted', 'suspended', 'failure'].includes(exit.action ?? exit.reason)
      if (machine.now() >= frame) this.atFrame()
    }
  }

  private atFrame(): boolean {
    const { machine, display, screen, panics } = this
    if (display.mode().kind === 'text') {
      const { text } = screen.fresh()
      panics.atFrame(text, machine.now())
      this.phases.atFrame(text, machine.now())
    }
    this.tracer?.atFrame()
    if (this.watch?.atFrame()) return true
    const verdict = this.endsOnPanic && panics.verdict(machine.now())
    if (verdict) throw new StepFailed('failed', 'panic', `${verdict} ${this.whileWhat()}`.trim())
    const stuck = this.hang.atFrame()
    if (stuck && this.endsOnHang)
      throw new StepFailed(
        'failed',
        'hang',
        [`the guest hangs: ${stuck}`, this.whileWhat()].filter((part) => part !== '').join(', '),
      )
    return false
  }

  /** The guest waits for somebody of the real world. */
  private get isOutside(): boolean {
    return this.hooks.isOutside?.() === true
  }

  private get endsOnHang(): boolean {
    return this.failsEarly && this.endsOnPanic && (this.awaited === undefined || !comesByItself(this.awaited))
  }

  private get endsOnPanic(): boolean {
    return this.polled || (this.awaited !== undefined && !outlivesPanic(this.awaited))
  }

  private noteExit(exit: MachineExit): void {
    this.tracer?.exit(describeExit(exit))
    if (exit.reason === 'reset') this.resets++
    if (exit.reason === 'reset' || exit.reason === 'triple-fault' || exit.action === 'reset') {
      this.firmware.began()
      this.screen.keepLast()
    }
  }

  /** The machine stopped by itself. True: that is what was waited for; false: it runs on. Throws if it cannot. */
  private stopped(exit: MachineExit): boolean {
    const wasMet = this.hit
    if (wasMet || this.watch?.atExit(exit)) {
      this.lastExit = exit
      const isClaimed = this.awaited !== undefined && claimsExit(this.awaited, exit)
      if (!isClaimed) this.unclaimed = exit
      else if (this.panics.said !== undefined && this.endsOnPanic)
        throw new StepFailed('failed', 'panic', `${this.panics.said}; then ${describeExit(exit)}`, exit)
      return true
    }
    if (exit.reason === 'reset') this.panics.forget()
    const behind = this.watch ? undefined : awaitedAhead(this.steps, this.step, exit)
    if (behind !== undefined) {
      this.lastExit = exit
      throw new GoOnAt(behind)
    }
    if (exit.reason === 'reset') return false
    if (!this.watch && isLastInput(this.steps, this.step) && isWanted(exit)) {
      this.unclaimed = exit
      throw new GoOnAt(this.steps.length)
    }
    const said = this.endsOnPanic && this.panics.said !== undefined ? `${this.panics.said}; then ` : ''
    throw new StepFailed('failed', exit.reason, `${said}${describeExit(exit)} ${this.whileWhat(exit)}`.trim(), exit)
  }

  private whileWhat(exit?: MachineExit): string {
    return whileWhat(this.steps[this.step], exit)
  }

  private timeoutWhile(): string {
    return timeoutWhile(this.steps[this.step], this.machine.pending('keyboard'))
  }

  /** Between two slices: the outside. */
  private attend(): void {
    if (this.isOutside) this.outsidePace.keep(this.machine.now())
    else this.pace?.keep(this.machine.now())
    this.hooks.poll?.(this)
    this.live.feed(this.machine)
    const { broken } = this
    this.broken = undefined
    if (broken !== undefined) throw new StepFailed('failed', 'script', broken)
    const before = this.machine.now()
    const exit = this.hooks.hold?.(() => this.isOver())
    // Its past was changed.
    if (this.machine.now() < before) this.hang.forget()
    this.display.passed()
    if (exit) {
      this.noteExit(exit)
      this.unclaimed = exit
    }
    if (this.stopAsked && this.mayStop) throw new StepFailed('interrupted', 'interrupted', 'the run was interrupted')
    this.limits.check(this.machine.now(), () => this.timeoutWhile())
    const now = performance.now()
    if (this.hooks.onProgress && now >= this.nextProgress) {
      this.nextProgress = now + PROGRESS_MS
      const { machine } = this
      const { hostMs } = this.limits
      this.hooks.onProgress({
        guestTimeNs: machine.now(),
        instructions: machine.instructions(),
        hostMs,
        lastLine: this.screen.lastLine(),
        phase: this.phases.reached.at(-1),
      })
    }
  }

  /** While a debugger holds the machine. */
  private isOver(): boolean {
    this.display.passed()
    this.hooks.poll?.(this)
    return this.stopAsked
  }

  /** One that goes along finishes what it has begun, so that it stops at a moment of its guest's time. */
  private get mayStop(): boolean {
    const { lockstep } = this.hooks
    return this.steps[this.step]?.kind !== 'go-along' || !lockstep || lockstep.stands(this.machine)
  }

  private serialByte(port: number, byte: number): void {
    this.output.serialByte(port, byte)
    this.panics.serialByte(port, byte, this.machine.now())
    this.phases.serialByte(port, byte, this.machine.now())
    this.heard(port, byte)
  }

  private requested(request: LoggedRequest): void {
    if (request.result === undefined) return
    this.tracer?.note(`${requestWords(request)}`)
    this.noticed(NETWORK)
  }

  private heard(port: number, byte: number): void {
    this.logs[port].add(byte)
    this.noticed(port)
  }

  private noticed(port: number): void {
    if (this.watch && !this.hit && this.watch.atByte(port)) {
      this.hit = true
      this.machine.requestStop()
    }
  }

  private flush(): void {
    this.output.flush(this.machine.now())
  }

  /** A failure's sentence, with where the guest was. */
  private withPlace(sentence: string): string {
    const where = whereWords(this.machine.report().backtraces)
    return where === '' ? sentence : `${sentence}; ${where}`
  }

  /** Where the host failed first, that is what to mend. */
  private withMedia(sentence: string): string {
    const [failed] = this.hooks.mediaFailures?.() ?? []
    return failed === undefined ? sentence : `${sentence}; before that, ${failed}`
  }

  private result(end: StepFailed | undefined): RunResult {
    const exit = end ? end.exit : this.lastExit
    const screen = this.screen.last(exit)
    const reason = end?.reason ?? exit?.reason ?? 'condition'
    return {
      ...this.look(),
      ...screen,
      outcome: end?.outcome ?? 'ok',
      exit: {
        reason,
        ...(exit?.code !== undefined && { code: exit.code }),
        ...(exit?.action !== undefined && { action: exit.action }),
        ...(exit?.detail !== undefined && { detail: exit.detail }),
      },
      error: end && this.withMedia(this.withPlace(end.message)),
      step: this.step,
      matched: this.matched,
      resets: this.resets,
      hostMs: this.limits.hostMs,
      shots: this.shots,
      hostInput: this.hostInput || this.machine.debugTarget?.touched === true,
    }
  }
}
