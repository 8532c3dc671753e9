/**
 * How a machine runs: time passes, timers fire and CPUs execute in one loop, until the guest time that was asked for or
 * until the machine stops by itself. What hardware does to the whole machine (a reset, power-off, ACPI S3) is asked for
 * from inside an access, and done here when the engine is out of the instruction.
 */
import type { Board, PowerControl } from './boards/board.js'
import type { MachineClock } from './clock.js'
import type { Engine } from './cpu/engine.js'
import { cpuStates, formatAllRegisters } from './cpu/registers.js'
import type { MachineDebugger } from './debug/machine-debugger.js'
import type { MachineLog } from './debug/machine-log.js'
import type { Field, State, Stateful, StateTable } from './device.js'
import { describeHalt } from './halted.js'
import type { MachineExit } from './machine.js'
import { flag, isRecord, orNone, u16 } from './state/fields.js'
import { describeUnexpected, isUnexpected } from './unexpected.js'

/** Guest time and timers between two looks at the host's clock: some milliseconds, whatever the guest does. */
const LOOK_INTERVAL = 1e6
const MOST_TIMERS = 100

/** Why a run ended, as a state has it. */
const EXIT: Field = {
  wanted: 'the end of a run',
  fits: (value) => isRecord(value) && typeof value.reason === 'string',
  save: (present) => ({ ...(present as MachineExit) }) as State,
  load: (saved) => ({ ...(saved as State) }),
}

const STATE: StateTable = {
  ...{ resetDue: flag, exitDue: orNone(EXIT), over: orNone(EXIT), asleep: flag, wakeEvent: u16, waits: flag },
}

export class RunLoop implements Stateful {
  readonly state = STATE
  /** The last run ended in a reset: it is done when the machine runs on, so that what was on the screen can be looked at. */
  private resetDue = false
  /** What a device asked for from inside an access. */
  private exitDue: MachineExit | undefined
  /** After poweroff, and after a halt that nothing can end. */
  private over: MachineExit | undefined
  /** In ACPI S3: RAM and the clock are kept, nothing runs. */
  asleep = false
  /** What wakes it when it runs on, a bit of PMSTS; 0 is nothing yet. */
  private wakeEvent = 0
  /** All CPUs have halted, and nothing has come since. */
  private waits = false
  private stopRequested = false

  /** @param board Is built with this loop's `control`, and asked for when it is there. */
  constructor(
    private readonly cpu: Engine,
    private readonly clock: MachineClock,
    private readonly board: () => Board,
    private readonly debugTarget: MachineDebugger,
    private readonly log: MachineLog,
  ) {}

  /** What hardware does to the whole machine. */
  control(giveBack: PowerControl['giveBack']): PowerControl {
    const isSuspended = () => this.asleep
    return {
      giveBack,
      reset: () => this.ask({ reason: 'reset' }),
      powerOff: () => this.ask({ reason: 'poweroff' }),
      debugExit: (code) => this.ask({ reason: 'debug-exit', code }),
      watchdog: (detail, action) => this.ask({ reason: 'watchdog', action, detail }),
      suspend: () => {
        this.asleep = true
        this.board().power.suspending()
        this.cpu.stop()
      },
      wake: (event) => this.wakeBy(event),
      get isSuspended() {
        return isSuspended()
      },
    }
  }

  private ask(exit: MachineExit): void {
    this.exitDue ??= exit
    this.cpu.stop()
  }

  /** @param event A bit of PMSTS. */
  wakeBy(event: number): void {
    this.wakeEvent = event
  }

  /** Something has come from outside. */
  stir(): void {
    this.waits = false
  }

  idleUntil(): number {
    if (this.over) return Number.POSITIVE_INFINITY
    return this.waits ? Math.max(this.cpu.now(), this.clock.nextDeadline()) : this.cpu.now()
  }

  /** As the machine's own. */
  run(until: number, hostEnd: number): MachineExit | undefined {
    if (this.over) return this.over
    try {
      return this.runOn(until, hostEnd)
    } catch (error) {
      // In the middle of an instruction: there is no way on from here.
      this.over = { reason: 'failure', detail: describeUnexpected(error) }
      if (!isUnexpected(error)) throw error
      return this.over
    }
  }

  private runOn(until: number, hostEnd: number): MachineExit | undefined {
    const { clock, cpu } = this
    const longest = hostEnd === Number.POSITIVE_INFINITY ? hostEnd : LOOK_INTERVAL
    const isOver = () => performance.now() >= hostEnd
    if (this.resetDue) this.reset()
    this.stopRequested = false
    for (let turns = 0; !this.stopRequested; turns++) {
      if (turns > 0 && isOver()) return undefined
      if (clock.nextDeadline() <= cpu.now()) this.waits = false
      if (!clock.runDue(MOST_TIMERS, isOver)) return undefined
      if (this.exitDue) return this.takeExit(this.exitDue)
      if (this.wakeEvent) this.board().power.resume(this.wakeEvent, () => this.reset())
      const now = cpu.now()
      if (now >= until) return undefined
      if (this.asleep) {
        if (this.board().power.alarm() === Number.POSITIVE_INFINITY) return { reason: 'suspended' }
        this.skipTo(until)
        continue
      }
      this.waits = false
      const stop = cpu.run(Math.min(until, clock.nextDeadline(), now + longest), hostEnd)
      switch (stop.reason) {
        case 'budget':
          break
        case 'halt':
          if (!cpu.interruptsEnabled()) return this.end('halted', describeHalt(cpuStates(cpu)))
          this.skipTo(until)
          break
        case 'shutdown':
          this.log.tripleFault()
          this.resetDue = true
          return { reason: 'triple-fault', detail: this.withRegisters(stop.detail) }
        case 'breakpoint':
          this.debugTarget.noteStop({ why: 'breakpoint', cpu: cpu.current, hit: stop.hit })
          return undefined
        case 'step':
          this.debugTarget.noteStop({ why: 'step', cpu: cpu.current })
          return undefined
        case 'failure':
          return this.end('failure', this.withRegisters(stop.detail))
      }
    }
    return undefined
  }

  private takeExit(exit: MachineExit): MachineExit {
    this.exitDue = undefined
    this.resetDue = exit.reason === 'reset' || exit.action === 'reset'
    if (exit.reason === 'poweroff' || exit.action === 'poweroff') this.over = exit
    return exit
  }

  /** Nothing executes: time goes on to the next timer. */
  private skipTo(until: number): void {
    this.waits = true
    this.cpu.skipTo(Math.min(until, this.clock.nextDeadline()))
  }

  private end(reason: 'halted' | 'failure', detail: string): MachineExit {
    this.over = { reason, detail }
    return this.over
  }

  private withRegisters(detail: string): string {
    return `${detail}\n${formatAllRegisters(this.cpu)}`
  }

  requestStop(): void {
    this.stopRequested = true
    this.cpu.stop()
  }

  reset(): void {
    if (this.log.has('cpu_reset')) this.log.reset(cpuStates(this.cpu))
    for (const device of this.board().devices) device.reset()
    this.asleep = false
    this.wakeEvent = 0
    this.cpu.reset()
    this.exitDue = undefined
    this.over = undefined
    this.resetDue = false
  }
}
