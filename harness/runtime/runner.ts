/**
 * Runs scripts on a machine, in the thread of the machine. Guest time passes only while a step waits for something
 * (`guest-time.ts`), and stands still at the very frame or byte at which the condition came true; the host's clock is looked
 * at for nothing but the host time-out and the progress report.
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
  compilePattern,
  DEBUG_CONSOLE,
  describeCondition,
  NETWORK,
  STREAMS,
} from '../protocol/condition.js'
import type { LivePicture, TraceInput } from '../protocol/messages.js'
import type { Look, RunResult, Script, Shot, Step } from '../protocol/script.js'
import { describeExit } from '../words/exit-words.js'
import { whereWords } from '../words/place-words.js'
import { requestWords, tellingRequests } from '../words/request-words.js'
import { DebugError, StopPoints } from './debug/stop-points.js'
import { EarlyEnds, GoOnAt } from './early-ends.js'
import { FirmwareAccesses } from './firmware-accesses.js'
import { GuestOutput, type OutputHooks } from './guest-output.js'
import { GuestTime, type SliceHooks } from './guest-time.js'
import { Pointing } from './pointing.js'
import { ScriptPosition } from './script-position.js'
import { SerialLog } from './serial-log.js'
import { StepFailed } from './steps.js'
import { Tracer } from './tracer.js'
import { Typist } from './typist.js'
import { PhaseWatch } from './watches/phase-watch.js'
import { SampledDisplay } from './watches/sampled-display.js'
import { WatchedScreen } from './watches/watched-screen.js'

const SERIAL_PORTS = 4
const LAST_LINES = 20

/** What the thread around the runner is told, and what it may say. */
export interface RunnerHooks extends OutputHooks, SliceHooks {
  /** What failed on the host's side when the guest read or wrote a medium. */
  mediaFailures?: () => readonly string[]
  /** Fonts to read text in graphics modes with; asked for when there is something to read. */
  fonts?: () => readonly BitmapFont[]
}

export class Runner {
  readonly machine: Machine
  /** Of the serial lines, and the last of the debug console. */
  private readonly logs = Array.from({ length: DEBUG_CONSOLE + 1 }, () => new SerialLog())
  private readonly firmware = new FirmwareAccesses(() => this.machine.report().unhandled)
  private readonly output: GuestOutput
  private readonly typist: Typist
  private readonly pointing: Pointing
  private readonly display: SampledDisplay
  private readonly screen: WatchedScreen
  private tracer: Tracer | undefined

  private readonly at: ScriptPosition
  private readonly time: GuestTime
  private readonly ends: EarlyEnds
  private readonly phases = new PhaseWatch()
  private readonly stops: StopPoints
  private resets = 0
  private hostInput = false
  private runs = false
  private shots: Shot[] = []
  private matched: string[] | undefined

  /**
   * @param create Makes the machine with these callbacks, e.g. `(callbacks) => createMachine({ ...options, ...callbacks })`.
   */
  constructor(
    create: (callbacks: Required<Pick<MachineOptions, 'onSerial' | 'onDebug' | 'onRequest'>>) => Machine,
    private readonly hooks: RunnerHooks = {},
  ) {
    this.output = new GuestOutput(SERIAL_PORTS, hooks)
    const machine = create({
      onSerial: (port, byte) => this.serialByte(port, byte),
      onDebug: (byte) => {
        this.output.debugByte(byte)
        this.firmware.byte(byte)
        this.heard(DEBUG_CONSOLE, byte)
      },
      onRequest: (request) => this.requested(request),
    })
    this.machine = machine
    const display = new SampledDisplay(machine.display)
    this.display = display
    this.screen = new WatchedScreen(display, () => this.hooks.fonts?.() ?? [])
    this.stops = new StopPoints(machine.debugTarget)
    const scene = {
      now: () => machine.now(),
      display,
      text: (area?: Area) => this.screen.text(area),
      serial: (port: number) => this.logs[port],
      requests: () => machine.requests(),
      stops: this.stops,
    }
    this.at = new ScriptPosition(scene, machine)
    this.ends = new EarlyEnds(machine, this.at)
    const onlookers = {
      afterSlice: () => this.afterSlice(),
      atFrame: () => this.atFrame(),
      atExit: (exit: MachineExit) => this.atExit(exit),
      said: () => ({ lastLine: this.screen.lastLine(), phase: this.phases.reached.at(-1) }),
    }
    this.time = new GuestTime(machine, this.at, this.ends, this.stops, onlookers, hooks)
    const pass = (ns: number) => {
      this.time.pass(ns)
    }
    this.typist = new Typist(machine, pass)
    this.pointing = new Pointing(display, this.screen, this.typist, pass)
  }

  run(script: Script): RunResult {
    const { at } = this
    at.steps = script.steps
    this.time.begin(script)
    this.ends.begin(script.failOn)
    this.phases.configure(script.phases)
    this.shots = []
    this.matched = undefined
    let end: StepFailed | undefined
    this.runs = true
    this.display.passed()
    this.screen.begin()
    this.tracer?.begin(script.title)
    for (at.index = 0; at.index < at.steps.length && !end; at.index++) {
      try {
        this.execute(at.step)
      } catch (thrown) {
        if (thrown instanceof GoOnAt) at.index = thrown.step - 1
        else if (thrown instanceof StepFailed) end = thrown
        else if (thrown instanceof DebugError) end = new StepFailed('failed', 'script', thrown.message)
        else if (isUnexpected(thrown)) end = new StepFailed('failed', 'failure', describeUnexpected(thrown))
        else throw thrown
      } finally {
        at.leave()
        this.stops.clear()
        this.output.flush(this.machine.now())
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
    return this.time.isEnding
  }

  /** A function of the test's failed: the script fails at the next slice. */
  failBy(sentence: string): void {
    this.time.failBy(sentence)
  }

  /** What comes in is nothing that another run need get. */
  markHostInput(): void {
    this.hostInput = true
  }

  /** Something has left for the world outside. */
  streamed(): void {
    this.at.noticed(STREAMS)
  }

  /** Ends the script at the next slice. */
  stop(): void {
    this.time.stop()
  }

  /**
   * Input of a person: the next slice of guest time gets it, or a later one. It marks the result, because it comes at no
   * reproducible moment.
   */
  input(event: InputEvent): void {
    this.hostInput = true
    this.time.input(event)
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
    const { resets, hostInput, screen, typist } = this
    const { unclaimed } = this.ends
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
    this.ends.unclaimed = (state.unclaimed as MachineExit | null | undefined) ?? undefined
    this.ends.panics.load()
    this.ends.hang.forget()
    this.display.passed()
    this.screen.load(state.screens as State)
    this.firmware.load(state.firmware)
    this.hooks.lockstep?.load(state.lockstep as State)
    this.output.forget()
  }

  private execute(step: Step): void {
    this.display.passed()
    const { machine, time, typist } = this
    this.tracer?.step(step)
    switch (step.kind) {
      case 'tap':
        typist.tap(step.codes)
        break
      case 'key':
        typist.key(step.code, step.down)
        break
      case 'wait':
        time.pass(step.ns)
        break
      case 'poll':
        this.at.poll(step.condition)
        time.pass(step.ns)
        break
      case 'go-along':
        time.goAlong()
        break
      case 'until-time':
        time.advance(step.ns)
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
        this.ends.unclaimed = undefined
        this.ends.panics.forget()
        machine.input({ kind: 'reset' })
        break
    }
  }

  private until(condition: Condition, timeoutNs = Number.POSITIVE_INFINITY): void {
    this.tracer?.wait(describeCondition(condition))
    try {
      this.ends.lastExit = undefined
      if (!this.at.waitFor(condition) && !this.time.pass(timeoutNs)) {
        const waited = `waited ${timeoutNs / 1e9} s of guest time`
        throw new StepFailed('timeout', 'timeout', `${waited} for ${describeCondition(condition)}`)
      }
      if (condition.kind === 'serial') this.matched = this.logs[condition.port].lastMatch
      this.ends.panics.waitMet()
      this.tracer?.waited('met')
    } catch (thrown) {
      if (thrown instanceof StepFailed) this.tracer?.waited(thrown.outcome, this.withPlace(thrown.message))
      throw thrown
    }
  }

  private afterSlice(): void {
    this.display.passed()
    this.output.flush(this.machine.now())
  }

  private atFrame(): void {
    if (this.display.mode().kind === 'text') {
      const { text } = this.screen.fresh()
      this.ends.panics.atFrame(text, this.machine.now())
      this.phases.atFrame(text, this.machine.now())
    }
    this.tracer?.atFrame()
  }

  private atExit(exit: MachineExit): void {
    this.tracer?.exit(describeExit(exit))
    if (exit.reason === 'reset') this.resets++
    if (exit.reason === 'reset' || exit.reason === 'triple-fault' || exit.action === 'reset') {
      this.firmware.began()
      this.screen.keepLast()
    }
  }

  private serialByte(port: number, byte: number): void {
    this.output.serialByte(port, byte)
    this.ends.panics.serialByte(port, byte, this.machine.now())
    this.phases.serialByte(port, byte, this.machine.now())
    this.heard(port, byte)
  }

  private heard(port: number, byte: number): void {
    this.logs[port].add(byte)
    this.at.noticed(port)
  }

  private requested(request: LoggedRequest): void {
    if (request.result === undefined) return
    this.tracer?.note(requestWords(request))
    this.at.noticed(NETWORK)
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
    const exit = end ? end.exit : this.ends.lastExit
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
      step: this.at.index,
      matched: this.matched,
      resets: this.resets,
      hostMs: this.time.limits.hostMs,
      shots: this.shots,
      hostInput: this.hostInput || this.machine.debugTarget?.touched === true,
    }
  }
}
