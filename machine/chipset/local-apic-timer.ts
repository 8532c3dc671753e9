/**
 * The timer of a local APIC: one-shot, periodic, TSC-deadline.
 *
 * Intel SDM volume 3, section 11.5.4. The count is computed from the clock; a masked timer arms nothing.
 */
import type { Clock, Timer } from '../clock.js'
import type { StateTable } from '../device.js'
import { flag, integer, starts, time, timer, u8, u32, u64 } from '../state/fields.js'
import { resetState } from '../state/state-table.js'

/** The time stamp counter of the APIC's CPU. */
export interface TscConversion {
  /** Guest ns at which the counter reaches `tsc`; may lie in the past. */
  toNs(tsc: bigint): number
}

/** Bits 18:17 of the LVT timer register. */
const ONE_SHOT = 0
const PERIODIC = 1
const TSC_DEADLINE = 2
const NEVER = Number.POSITIVE_INFINITY

/** Shorter periods are delivered only this often (ns), lest a guest stops time with a period of one tick. */
const SHORTEST_PERIOD = 1000

const STATE: StateTable = {
  mode: starts(integer(ONE_SHOT, 3), ONE_SHOT),
  masked: starts(flag, true),
  initialCount: starts(u32, 0),
  divide: starts(u8, 0),
  start: starts(time, 0),
  tscDeadline: starts(u64, 0n),
  timer: starts(timer, null),
}

export class LocalApicTimer {
  readonly state = STATE
  private mode = ONE_SHOT
  private masked = true
  private initialCount = 0
  /** Divide configuration register. */
  private divide = 0
  /** Guest ns at which the initial count was written. */
  private start = 0
  private tscDeadline = 0n
  private readonly timer: Timer

  constructor(
    private readonly clock: Clock,
    private readonly tsc: TscConversion | undefined,
    name: string,
    private readonly fire: () => void,
  ) {
    this.timer = clock.timer(name, () => this.expire())
  }

  /** The LVT entry changed. */
  configure(mode: number, masked: boolean): void {
    if ((mode === TSC_DEADLINE) !== (this.mode === TSC_DEADLINE)) {
      // Changing to or from TSC-deadline mode disarms the timer.
      this.initialCount = 0
      this.tscDeadline = 0n
    } else if (mode !== this.mode) this.settle()
    this.mode = mode
    this.masked = masked
    this.arm()
  }

  get initial(): number {
    return this.initialCount
  }

  set initial(count: number) {
    if (this.mode === TSC_DEADLINE) return
    this.initialCount = count
    this.start = this.clock.now()
    this.arm()
  }

  get divideConfiguration(): number {
    return this.divide
  }

  /** The count goes on from where it is at the new rate. */
  set divideConfiguration(value: number) {
    const done = this.period > 0 ? (this.clock.now() - this.start) / this.divisor : 0
    this.divide = value & 0x0b
    this.start = this.clock.now() - done * this.divisor
    this.arm()
  }

  get current(): number {
    if (this.initialCount === 0 || this.mode === TSC_DEADLINE) return 0
    const ticks = Math.floor((this.clock.now() - this.start) / this.divisor)
    if (this.mode === PERIODIC) return this.initialCount - (ticks % this.initialCount)
    return Math.max(this.initialCount - ticks, 0)
  }

  /** IA32_TSC_DEADLINE: 0 when it has fired or another mode is set. */
  get deadline(): bigint {
    return this.mode === TSC_DEADLINE ? this.tscDeadline : 0n
  }

  set deadline(tsc: bigint) {
    if (this.mode !== TSC_DEADLINE) return
    this.tscDeadline = tsc
    this.arm()
  }

  /** The guest wrote the time stamp counter: an armed deadline has moved. */
  tscChanged(): void {
    if (this.mode === TSC_DEADLINE) this.arm()
  }

  /** Ticks of the 1 GHz bus clock per count. */
  private get divisor(): number {
    const code = (this.divide & 3) | ((this.divide >> 1) & 4)
    return 1 << ((code + 1) & 7)
  }

  /** In ns; 0 while stopped. */
  private get period(): number {
    return this.initialCount * this.divisor
  }

  /** A one-shot that becomes periodic, or the reverse, goes on with the count that is left. */
  private settle(): void {
    if (this.period === 0) return
    const passed = this.clock.now() - this.start
    if (this.mode === PERIODIC) this.start += Math.floor(passed / this.period) * this.period
    else if (passed >= this.period) this.initialCount = 0
  }

  private arm(): void {
    let next = NEVER
    if (this.mode === TSC_DEADLINE) {
      // A masked deadline still has to disarm itself when its time comes.
      if (this.tscDeadline !== 0n && this.tsc) next = this.tsc.toNs(this.tscDeadline)
    } else if (!this.masked && this.period > 0) {
      const now = this.clock.now()
      if (this.mode === PERIODIC) {
        const { period } = this
        const after = period < SHORTEST_PERIOD ? now + SHORTEST_PERIOD - period : now
        next = this.start + (Math.floor((after - this.start) / period) + 1) * period
      } else if (now < this.start + this.period) next = this.start + this.period
    }
    this.timer.set(next)
  }

  private expire(): void {
    if (this.mode === TSC_DEADLINE) this.tscDeadline = 0n
    else if (this.mode === PERIODIC) this.arm()
    if (!this.masked) this.fire()
  }

  reset(): void {
    resetState(this)
  }
}
