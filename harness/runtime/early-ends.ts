/** How a step ends otherwise than it was to: the machine stops by itself, or the guest has said that it cannot go on, or hangs. */
import type { Machine, MachineExit } from '../../machine/machine.js'
import { claimsExit } from '../protocol/condition.js'
import type { Script } from '../protocol/script.js'
import { describeExit } from '../words/exit-words.js'
import type { ScriptPosition } from './script-position.js'
import { awaitedAhead, isLastInput, isWanted, StepFailed, whileWhat } from './steps.js'
import { HangWatch } from './watches/hang-watch.js'
import { PanicWatch } from './watches/panic-watch.js'

/** The exit that a later step waits for came while the last keys were typed: the script goes on behind that step. */
export class GoOnAt extends Error {
  constructor(readonly step: number) {
    super()
  }
}

export class EarlyEnds {
  readonly panics = new PanicWatch()
  readonly hang: HangWatch
  /** Why the machine stopped last, while the present step waited. */
  lastExit: MachineExit | undefined
  /** It came while something else was waited for, which was met by then: the next wait has it. */
  unclaimed: MachineExit | undefined
  private failsEarly = true

  constructor(
    private readonly machine: Machine,
    private readonly at: ScriptPosition,
  ) {
    this.hang = new HangWatch(machine)
  }

  begin(failOn: Script['failOn']): void {
    this.lastExit = undefined
    this.panics.configure(failOn)
    this.failsEarly = failOn !== false
  }

  takeUnclaimed(): MachineExit | undefined {
    const exit = this.unclaimed
    this.unclaimed = undefined
    return exit
  }

  /** Nothing that was waited for has come at this frame. Throws a StepFailed where nothing more is to be expected. */
  atFrame(): void {
    const { at, machine } = this
    const verdict = at.endsOnPanic && this.panics.verdict(machine.now())
    if (verdict) this.fail('panic', `${verdict} ${whileWhat(at.step, undefined)}`)
    const stuck = this.hang.atFrame()
    if (!stuck || !this.failsEarly || !at.endsOnHang) return
    const meanwhile = whileWhat(at.step, undefined)
    this.fail('hang', `the guest hangs: ${stuck}${meanwhile === '' ? '' : `, ${meanwhile}`}`)
  }

  /** The machine stopped by itself. True: that is what was waited for; false: it runs on. Throws if it cannot. */
  atExit(exit: MachineExit): boolean {
    const { at, panics } = this
    if (at.atExit(exit)) {
      this.lastExit = exit
      if (at.awaited === undefined || !claimsExit(at.awaited, exit)) this.unclaimed = exit
      else if (panics.said !== undefined && at.endsOnPanic)
        this.fail('panic', `${panics.said}; then ${describeExit(exit)}`, exit)
      return true
    }
    if (exit.reason === 'reset') panics.forget()
    const behind = at.isWatching ? undefined : awaitedAhead(at.steps, at.index, exit)
    if (behind !== undefined) {
      this.lastExit = exit
      throw new GoOnAt(behind)
    }
    if (exit.reason === 'reset') return false
    if (!at.isWatching && isLastInput(at.steps, at.index) && isWanted(exit)) {
      this.unclaimed = exit
      throw new GoOnAt(at.steps.length)
    }
    const said = at.endsOnPanic && panics.said !== undefined ? `${panics.said}; then ` : ''
    this.fail(exit.reason, `${said}${describeExit(exit)} ${whileWhat(at.step, exit)}`, exit)
  }

  private fail(reason: StepFailed['reason'], sentence: string, exit?: MachineExit): never {
    throw new StepFailed('failed', reason, sentence.trim(), exit)
  }
}
