/**
 * Guest time: the only time a device knows. Nanoseconds since power-on as a JavaScript number (exact to 2^53 ns,
 * some 104 days).
 */
import type { State, StateValue } from './device.js'
import type { Exploration } from './exploration.js'

export interface Timer {
  readonly name: string
  /** Guest time in ns at which it fires; Infinity while disarmed. */
  readonly deadline: number
  /** Arms it (again) for the guest time `ns`; a time that has passed fires as soon as the engine comes to an instruction boundary. */
  at(ns: number): void
  cancel(): void
  /** Arms it, or disarms it for Infinity; leaves it alone when it already stands so. */
  set(ns: number): void
  /** Deadline and order; null while disarmed. For `timer` in a table of state. */
  save(): StateValue
  load(saved: StateValue): void
}

export interface Clock {
  /** Guest time in ns, exact to the instruction that is executing. Never runs backwards. */
  now(): number
  /** From inside an access: it takes the hardware so long that the CPU notices. What costs the host much costs the guest. */
  stall(ns: number): void
  /** Makes a disarmed timer. One-shot: a periodic device arms it again in its callback, from its own deadline. */
  timer(name: string, callback: () => void): Timer
}

class ClockTimer implements Timer {
  deadline = Number.POSITIVE_INFINITY
  /** Order of arming: timers with the same deadline fire in the order they were armed. */
  order = 0

  constructor(
    readonly name: string,
    readonly callback: () => void,
    private readonly clock: MachineClock,
  ) {}

  at(ns: number): void {
    this.deadline = ns
    this.order = this.clock.nextOrder()
    this.clock.rearmed(ns)
  }

  cancel(): void {
    if (this.deadline === Number.POSITIVE_INFINITY) return
    this.deadline = Number.POSITIVE_INFINITY
    this.clock.rearmed(Number.POSITIVE_INFINITY)
  }

  set(ns: number): void {
    if (ns === this.deadline) return
    if (ns === Number.POSITIVE_INFINITY) this.cancel()
    else this.at(ns)
  }

  save(): StateValue {
    return this.deadline === Number.POSITIVE_INFINITY ? null : [this.deadline, this.order]
  }

  load(saved: StateValue): void {
    const [deadline, order] = (saved ?? [Number.POSITIVE_INFINITY, 0]) as [number, number]
    this.deadline = deadline
    this.order = order
    this.clock.rearmed(deadline)
  }
}

/**
 * The clock of a machine. Where its time comes from is the engine's matter: `source` returns guest ns (retired
 * instructions under `soft`, the host's monotonic clock under `kvm`, a plain variable in a device test).
 */
export class MachineClock implements Clock {
  private readonly timers: ClockTimer[] = []
  private orders = 0
  private earliest = Number.POSITIVE_INFINITY
  private stale = false
  /** Called when a timer is armed earlier than every other one: a running engine shortens its budget. */
  onSooner: ((deadline: number) => void) | undefined
  /** Timers fire late by it. */
  exploration: Exploration | undefined
  /** Where the CPU waits for slow accesses. */
  onStall: ((ns: number) => void) | undefined

  constructor(public source: () => number) {}

  now(): number {
    return this.source()
  }

  stall(ns: number): void {
    this.onStall?.(ns)
  }

  timer(name: string, callback: () => void): Timer {
    const timer = new ClockTimer(name, callback, this)
    this.timers.push(timer)
    return timer
  }

  /** Guest time of the next timer; Infinity when none is armed. */
  nextDeadline(): number {
    if (this.stale) {
      let next = Number.POSITIVE_INFINITY
      for (const timer of this.timers) if (timer.deadline < next) next = timer.deadline
      this.earliest = next
      this.stale = false
    }
    return this.earliest
  }

  /**
   * Fires the timers that are due, in order of deadline; `most` of them where some are due again and again, and no more
   * behind the one after which `isEnough`. Whether it was not.
   */
  runDue(most = Number.POSITIVE_INFINITY, isEnough?: () => boolean): boolean {
    for (let fired = 0; fired < most && this.nextDeadline() <= this.now(); fired++) {
      if (fired > 0 && isEnough?.()) return false
      let due: ClockTimer | undefined
      for (const timer of this.timers) {
        if (timer.deadline > this.earliest) continue
        if (!due || timer.deadline < due.deadline || (timer.deadline === due.deadline && timer.order < due.order))
          due = timer
      }
      if (!due) break
      const late = this.exploration?.delay(due.name, due.deadline)
      if (late) {
        due.deadline += late
        this.stale = true
        continue
      }
      due.deadline = Number.POSITIVE_INFINITY
      this.stale = true
      due.callback()
    }
    return true
  }

  /** Armed timers by name, for snapshots of the clock and for the "why did it stop" report. */
  armed(): { name: string; deadline: number }[] {
    return this.timers
      .filter((t) => t.deadline !== Number.POSITIVE_INFINITY)
      .sort((a, b) => a.deadline - b.deadline || a.order - b.order)
      .map((t) => ({ name: t.name, deadline: t.deadline }))
  }

  /** Timers are saved by their devices, in the tables of their state. */
  save(): State {
    return { orders: this.orders }
  }

  /** After the devices. */
  load(state: State): void {
    this.orders = state.orders as number
    this.stale = true
    this.onSooner?.(this.nextDeadline())
  }

  /** @internal */
  nextOrder(): number {
    return this.orders++
  }

  /** @internal A timer was armed for `ns` or disarmed. */
  rearmed(ns: number): void {
    if (!this.stale && ns < this.earliest) {
      this.earliest = ns
      this.onSooner?.(ns)
      return
    }
    const before = this.earliest
    this.stale = true
    if (ns < before) this.onSooner?.(ns)
  }
}

/** A clock that a test turns by hand. */
export class ManualClock extends MachineClock {
  private time = 0

  constructor() {
    super(() => this.time)
  }

  /** Lets `ns` pass, firing what comes due at its own deadline on the way. */
  advance(ns: number): void {
    const end = this.time + ns
    while (this.nextDeadline() <= end) {
      this.time = Math.max(this.time, this.nextDeadline())
      this.runDue()
    }
    this.time = end
  }
}
