/**
 * Guest time passes here alone: in slices that end with guest frames, at which all who watch look, and between which those
 * outside have their turn.
 */
import type { InputEvent } from '../../machine/input.js'
import type { Machine, MachineExit } from '../../machine/machine.js'
import { STOPPED } from '../protocol/condition.js'
import type { Progress } from '../protocol/messages.js'
import type { Script } from '../protocol/script.js'
import type { StopPoints } from './debug/stop-points.js'
import type { EarlyEnds } from './early-ends.js'
import { LiveInput } from './live-input.js'
import type { Lockstep } from './lockstep.js'
import { Pace } from './pace.js'
import { RunLimits } from './run-limits.js'
import type { ScriptPosition } from './script-position.js'
import { StepFailed, timeoutWhile } from './steps.js'
import { nextFrame } from './watches/guest-frames.js'

const PROGRESS_MS = 200
/** The longest that the machine is let alone at a time, of the host's: a stop and a time-out wait so long at most. */
const HOST_SLICE_MS = 50
/** And while it has to do with the real world, ns of the guest's time. */
const OUTSIDE_SLICE = 1e6

/** What the thread around is told, and what it may say, between two slices. */
export interface SliceHooks {
  onProgress?: (progress: Progress) => void
  /** So many bytes of `serialInput` have gone to the machine. */
  onSerialTaken?: (bytes: number) => void
  /** Looks whether someone wants something of the runner. */
  poll?: () => void
  /** The guest has to do with the real world: its time is the host's, and what comes from there is looked for often. */
  isOutside?: () => boolean
  /** The machine shares its network with others. */
  lockstep?: Lockstep
  /** A debugger may hold the machine here; `isOver` tells that the script is to end. Returns the machine's end. */
  hold?: (isOver: () => boolean) => MachineExit | undefined
  /** The same where the machine has just ended; returns what is left of that end. */
  holdAtEnd?: (exit: MachineExit, isOver: () => boolean) => MachineExit | undefined
}

/** Who looks when time has passed. */
export interface Onlookers {
  /** A slice is over: what the guest sent is to be handed on, and its screen may be another one. */
  afterSlice(): void
  atFrame(): void
  atExit(exit: MachineExit): void
  /** How far the guest has come, in its own words. */
  said(): Pick<Progress, 'lastLine' | 'phase'>
}

export class GuestTime {
  limits = new RunLimits()
  private readonly live: LiveInput
  private pace: Pace | undefined
  private readonly outsidePace = new Pace()
  private stopAsked = false
  /** What of the test's own failed while the guest ran. */
  private broken: string | undefined
  private nextProgress = 0

  constructor(
    private readonly machine: Machine,
    private readonly at: ScriptPosition,
    private readonly ends: EarlyEnds,
    private readonly stops: StopPoints,
    private readonly onlookers: Onlookers,
    private readonly hooks: SliceHooks,
  ) {
    this.live = new LiveInput((bytes) => hooks.onSerialTaken?.(bytes))
  }

  begin(script: Script): void {
    this.pace = script.realTime ? (this.pace ?? new Pace()) : undefined
    this.limits = new RunLimits(script, this.machine.now())
    this.nextProgress = this.limits.started
    this.stopAsked = false
  }

  /** The script is to end, and nothing that it waits for is worth waiting for. */
  get isEnding(): boolean {
    return this.stopAsked || this.limits.isPast
  }

  /** Ends the script at the next slice. */
  stop(): void {
    this.stopAsked = true
  }

  /** The script fails at the next slice. */
  failBy(sentence: string): void {
    this.broken ??= sentence
  }

  /** The next slice gets it, or a later one. */
  input(event: InputEvent): void {
    this.live.add(event)
  }

  /** Runs for some ns. */
  pass(ns: number): boolean {
    return this.advance(this.machine.now() + ns)
  }

  /** Runs to the guest time `until`. True as soon as what the step waits for has come. Throws what ends the script. */
  advance(until: number): boolean {
    const { machine, at, ends } = this
    while (machine.now() < until) {
      this.attend()
      const frame = nextFrame(machine.now())
      at.hit = false
      const slice = machine.now() + (this.isOutside ? OUTSIDE_SLICE : Number.POSITIVE_INFINITY)
      const exit = ends.takeUnclaimed() ?? this.runOn(Math.min(until, frame, slice, this.limits.guestEnd))
      if (exit && ends.atExit(exit)) return true
      if (at.hit) return true
      if (machine.now() >= frame && this.atFrame()) return true
    }
    return false
  }

  /** The others of its network are awaited: runs with them, until it is stopped where it waits for them. */
  goAlong(): void {
    const { machine, at, ends, hooks } = this
    for (let isOver = false; ; ) {
      this.attend()
      if (isOver) {
        hooks.lockstep?.standBy(machine, performance.now() + HOST_SLICE_MS)
        continue
      }
      const frame = nextFrame(machine.now())
      at.hit = false
      const exit = this.runOn(frame)
      if (exit && exit.reason !== 'reset') ends.unclaimed = exit
      if (exit) isOver = ['poweroff', 'halted', 'suspended', 'failure'].includes(exit.action ?? exit.reason)
      if (machine.now() >= frame) this.atFrame()
    }
  }

  private runOn(until: number): MachineExit | undefined {
    const { machine, at, hooks } = this
    const hostEnd = performance.now() + HOST_SLICE_MS
    const ended = hooks.lockstep
      ? hooks.lockstep.run(machine, until, hostEnd, () => at.hit)
      : machine.run(until, hostEnd)
    const exit = ended && hooks.holdAtEnd ? hooks.holdAtEnd(ended, () => this.isOver()) : ended
    this.onlookers.afterSlice()
    if (exit) this.onlookers.atExit(exit)
    if (this.stops.take()) at.noticed(STOPPED)
    return exit
  }

  private atFrame(): boolean {
    this.onlookers.atFrame()
    if (this.at.atFrame()) return true
    this.ends.atFrame()
    return false
  }

  /** The guest waits for somebody of the real world. */
  private get isOutside(): boolean {
    return this.hooks.isOutside?.() === true
  }

  /** Between two slices: the outside. */
  private attend(): void {
    const { machine, ends, hooks } = this
    if (this.isOutside) this.outsidePace.keep(machine.now())
    else this.pace?.keep(machine.now())
    hooks.poll?.()
    this.live.feed(machine)
    const { broken } = this
    this.broken = undefined
    if (broken !== undefined) throw new StepFailed('failed', 'script', broken)
    const before = machine.now()
    const exit = hooks.hold?.(() => this.isOver())
    // Its past was changed.
    if (machine.now() < before) ends.hang.forget()
    this.onlookers.afterSlice()
    if (exit) {
      this.onlookers.atExit(exit)
      ends.unclaimed = exit
    }
    if (this.stopAsked && this.mayStop) throw new StepFailed('interrupted', 'interrupted', 'the run was interrupted')
    this.limits.check(machine.now(), () => timeoutWhile(this.at.step, machine.pending('keyboard')))
    this.tellProgress()
  }

  private tellProgress(): void {
    const { machine, hooks } = this
    const now = performance.now()
    if (!hooks.onProgress || now < this.nextProgress) return
    this.nextProgress = now + PROGRESS_MS
    const [guestTimeNs, instructions] = [machine.now(), machine.instructions()]
    hooks.onProgress({ guestTimeNs, instructions, hostMs: this.limits.hostMs, ...this.onlookers.said() })
  }

  /** While a debugger holds the machine. */
  private isOver(): boolean {
    this.onlookers.afterSlice()
    this.hooks.poll?.()
    return this.stopAsked
  }

  /** One that goes along finishes what it has begun, so that it stops at a moment of its guest's time. */
  private get mayStop(): boolean {
    const { lockstep } = this.hooks
    return this.at.step.kind !== 'go-along' || !lockstep || lockstep.stands(this.machine)
  }
}
