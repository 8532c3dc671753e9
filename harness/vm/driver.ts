/**
 * Between a `Vm` and its thread: runs small scripts one after the other, with time-outs, and turns what went wrong into
 * errors with evidence. All parts of a `Vm` stand on it.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Pattern } from '../keys/boot-command.js'
import { writePng } from '../picture/screenshot.js'
import type { Condition } from '../protocol/condition.js'
import type { Look, PhasePattern, RunResult, Step } from '../protocol/script.js'
import type { VmThread } from '../thread/machine-thread.js'
import { parseDuration } from '../units/durations.js'
import { evidence, pictureWords } from '../words/evidence.js'
import { asked } from './call-site.js'
import { failureOf, InterruptedError, MachineClosedError, TimeoutError } from './errors.js'

/** A number is seconds. */
export type Duration = string | number

export interface TimeoutOptions {
  /** Guest time, e.g. `'30s'`; default the machine's own, 5 minutes. */
  timeout?: Duration
  /** Host time; default the machine's own, 10 minutes. */
  hostTimeout?: Duration
}

export interface RunOptions extends TimeoutOptions {
  /** What is done, in words for the trace. */
  title?: string
}

export interface DriverSettings {
  timeout: Duration
  /** The time-out that the user gave; assertions have a shorter one of their own otherwise. */
  givenTimeout: Duration | undefined
  hostTimeout: Duration
  /** What a guest says when it cannot go on, beside what known systems say; false: nothing ends a wait early. */
  failOn?: false | readonly Pattern[]
  /** Phases of long work, told in progress reports and failures. */
  phases?: readonly PhasePattern[]
  /** Where pictures of failures go. */
  outputFolder: string
}

/** What a machine is of a network that it shares: the others stand still or go along. */
export interface Membership {
  /** Guest time passes. */
  run<T>(action: () => Promise<T>): Promise<T>
  /** None does. */
  ask<T>(action: () => Promise<T>): Promise<T>
  leave(): void
}

export const DEFAULT_TIMEOUT = '5m'
export const DEFAULT_HOST_TIMEOUT = '10m'
/** Guest time between two looks at what only this thread can judge, ns. */
const POLL = 100e6

/** Guest time that a key may take beyond the time-out, ns. */
const TAP = 200e6

/** Machines in a process get numbers, so that their pictures do not overwrite each other. */
let drivers = 0

export class VmDriver {
  private tail: Promise<unknown> = Promise.resolve()
  private closedBy: string | undefined
  private readonly number = ++drivers
  private pictures = 0
  /** Guest time at the end of the last script, ns. */
  guestTimeNs = 0
  /** Where it shares its network with other machines. */
  membership: Membership | undefined
  /** Called after every script. */
  onResult: ((result: RunResult) => void) | undefined

  constructor(
    readonly thread: VmThread,
    readonly settings: DriverSettings,
  ) {}

  /**
   * Runs steps after those that were asked for before. Rejects with a TimeoutError, a GuestExitError or an ActionError.
   * Steps that wait without a time-out of their own get the one given here.
   */
  run(steps: readonly Step[], options: RunOptions = {}): Promise<RunResult> {
    const limitNs = parseDuration(options.timeout ?? this.settings.timeout)
    // Many keys take long without anything being wrong.
    const timeoutNs = limitNs + steps.filter(({ kind }) => kind === 'tap').length * TAP
    const hostTimeoutMs = parseDuration(options.hostTimeout ?? this.settings.hostTimeout) / 1e6
    const waits = steps.some((step) => ['until', 'wait-text', 'wait', 'poll'].includes(step.kind))
    const timed = steps.map((step) =>
      step.kind === 'until' || step.kind === 'wait-text' ? { ...step, timeoutNs: step.timeoutNs ?? limitNs } : step,
    )
    return asked(() =>
      this.exclusively(async () => {
        const { failOn, phases } = this.settings
        const limit = waits ? undefined : timeoutNs
        const script = { steps: timed, hostTimeoutMs, timeoutNs: limit, failOn, phases, title: options.title }
        const result = await this.inTurn(() => this.thread.run(script))
        this.guestTimeNs = result.guestTimeNs
        this.onResult?.(result)
        if (result.outcome !== 'ok') throw failureOf(result, await this.keepPicture(result))
        return result
      }),
    )
  }

  until(condition: Condition, options?: TimeoutOptions): Promise<RunResult> {
    return this.run([{ kind: 'until', condition }], options)
  }

  /**
   * For what only this thread can judge: looks now and every 100 ms of guest time until `check` gives something.
   * @param what Is waited for, for the error: `the needle 'login'`.
   */
  poll<T>(check: () => Promise<T | undefined>, what: string, options: TimeoutOptions = {}): Promise<T> {
    return asked(() => this.pollUntil(check, what, options))
  }

  private async pollUntil<T>(check: () => Promise<T | undefined>, what: string, options: TimeoutOptions): Promise<T> {
    const timeoutNs = parseDuration(options.timeout ?? this.settings.timeout)
    const hostTimeoutMs = parseDuration(options.hostTimeout ?? this.settings.hostTimeout) / 1e6
    const started = performance.now()
    const begin = (await this.ask((thread) => thread.look())).guestTimeNs
    for (;;) {
      const found = await check()
      if (found !== undefined) return found
      const spent = (await this.ask((thread) => thread.look())).guestTimeNs - begin
      const left = Math.min(POLL, timeoutNs - spent)
      if (left <= 0) throw await this.timeout(`waited ${timeoutNs / 1e9} s of guest time for ${what}`)
      const hostLeft = hostTimeoutMs - (performance.now() - started)
      if (hostLeft <= 0) throw await this.timeout(`waited ${hostTimeoutMs / 1e3} s of host time for ${what}`)
      await this.run([{ kind: 'poll', ns: left, what }], { hostTimeout: hostLeft / 1e3 })
    }
  }

  /** Asks the thread for something between two scripts. */
  ask<T>(question: (thread: VmThread) => Promise<T>): Promise<T> {
    const { thread } = this
    return asked(() => this.exclusively(() => this.membership?.ask(() => question(thread)) ?? question(thread)))
  }

  /** @param why In words for errors of later calls: `was switched off`. */
  async close(why: string): Promise<void> {
    if (this.closedBy !== undefined) return
    this.closedBy = why
    await this.thread.close()
    this.membership?.leave()
  }

  get closed(): boolean {
    return this.closedBy !== undefined
  }

  async timeout(sentence: string): Promise<TimeoutError> {
    const result = await this.exclusively(() => this.inTurn(() => this.thread.run({ steps: [] })))
    const timedOut: RunResult = { ...result, outcome: 'timeout', exit: { reason: 'timeout' }, error: sentence }
    return new TimeoutError(sentence, timedOut, await this.keepPicture(timedOut))
  }

  /** What went wrong in a test, with what the machine shows now, unless that is said already. Never rejects. */
  async withEvidence(message: string): Promise<string> {
    if (this.closed || /^last screen/m.test(message)) return message
    try {
      const look = await this.ask((thread) => thread.look())
      const picture = await this.keepPicture(look)
      return `${message}\n\n${evidence(look, pictureWords(picture)).trimEnd()}`
    } catch {
      // A machine that cannot be asked any more has said so itself.
      return message
    }
  }

  /** How many pictures of failures were kept. */
  get kept(): number {
    return this.pictures
  }

  /** The path of a picture of the last screen, for graphics modes: text is shown as text. */
  async keepPicture(result: Pick<Look, 'mode'>): Promise<string | undefined> {
    if (result.mode.kind !== 'graphics') return undefined
    const path = join(this.settings.outputFolder, `last-screen-${process.pid}-${this.number}-${++this.pictures}.png`)
    try {
      mkdirSync(this.settings.outputFolder, { recursive: true })
      await writePng(path, await this.thread.frame())
      return path
    } catch {
      // A full disk shall not hide what went wrong with the guest.
      return undefined
    }
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    return this.membership ? this.membership.run(action) : action()
  }

  private exclusively<T>(action: () => Promise<T>): Promise<T> {
    const wasClosed = this.closedBy !== undefined
    const turn = this.tail.then(async () => {
      if (this.closedBy === undefined) {
        try {
          return await action()
        } catch (error) {
          // Whoever closed the machine did not wait for this.
          if (this.closedBy === undefined || !(error instanceof InterruptedError)) throw error
        }
      }
      throw new MachineClosedError(
        wasClosed
          ? `the machine ${this.closedBy}; launch another one`
          : `the machine ${this.closedBy} before what this line asked for was done: write 'await' in front of it`,
      )
    })
    this.tail = turn.catch(() => {})
    return turn
  }
}
