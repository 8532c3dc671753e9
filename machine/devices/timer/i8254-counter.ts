/**
 * The counting element of one 8254 counter: six modes, gate, output.
 *
 * Intel 8254 data sheet (231164), "Mode definitions". Nothing happens per tick: the counter remembers when its count
 * was loaded, and computes its value and its output from the clock. The tick grid starts when the count is loaded (as
 * in QEMU), so a read straight after the load sees the new count and not a stale one; periods are counted in ticks of
 * that grid, so that they never drift.
 */
import type { Clock } from '../../clock.js'
import type { StateTable } from '../../device.js'
import { count, flag, integer, time } from '../../state/fields.js'

/** Hz. */
export const PIT_FREQUENCY = 1193182
const NS_PER_SECOND = 1_000_000_000
const NONE = -1
const NEVER = Number.POSITIVE_INFINITY

/** Whole ticks in `ns`; in two parts, so that every product stays below 2^53 and the result is exact. */
export function pitTicks(ns: number): number {
  const seconds = Math.floor(ns / NS_PER_SECOND)
  return seconds * PIT_FREQUENCY + Math.floor(((ns - seconds * NS_PER_SECOND) * PIT_FREQUENCY) / NS_PER_SECOND)
}

/** The first whole ns by which `ticks` have passed. */
export function pitNanoseconds(ticks: number): number {
  const seconds = Math.floor(ticks / PIT_FREQUENCY)
  return seconds * NS_PER_SECOND + Math.ceil(((ticks - seconds * PIT_FREQUENCY) * NS_PER_SECOND) / PIT_FREQUENCY)
}

const TERMINAL_COUNT = 0
const ONE_SHOT = 1
const RATE_GENERATOR = 2
const SQUARE_WAVE = 3

/** Waiting for a count or a trigger. */
const IDLE = 0
const COUNTING = 1
/** Stopped by the gate. */
const HELD = 2

function fromBcd(value: number): number {
  return (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15)
}

function toBcd(value: number): number {
  const thousands = Math.floor(value / 1000)
  const hundreds = Math.floor(value / 100) % 10
  return (thousands << 12) | (hundreds << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10)
}

const STATE: StateTable = {
  ...{ mode: integer(TERMINAL_COUNT, 5), bcd: flag, gate: flag, nullCount: flag, phase: integer(IDLE, HELD) },
  ...{ count: integer(1, 0x10000), register: integer(NONE, 0x10000) },
  ...{ gridStart: time, periodStart: count, switchAt: count, heldAt: count, idleValue: count, idleOutput: flag },
}

export class I8254Counter {
  readonly state = STATE
  mode = SQUARE_WAVE
  bcd = false
  gate: boolean
  /** NULL COUNT: a count is programmed, or awaited, that the counting element has not taken over. */
  nullCount = false
  private phase = COUNTING
  /** The period that is counted, 1 to 65536 (BCD: to 10000). */
  private count = 0x10000
  /** The count register: what the next load takes; NONE since the control word. */
  private register = 0x10000
  /** Guest ns of tick 0 of the grid. */
  private gridStart = 0
  /** Tick at which the first period of the present count began. */
  private periodStart = 0
  /** Tick at which the count register goes into effect by itself (modes 2 and 3), or NONE. */
  private switchAt = NONE
  /** Ticks since `periodStart` when the gate stopped it. */
  private heldAt = 0
  /** What the counting element and the output show while idle. */
  private idleValue = 0
  private idleOutput = true

  constructor(
    private readonly clock: Clock,
    private readonly gateAtReset: boolean,
  ) {
    this.gate = gateAtReset
    this.start()
  }

  /** The firmware's state of a PC: mode 3, 65536, running where the gate is tied high. */
  reset(): void {
    this.mode = SQUARE_WAVE
    this.bcd = false
    this.gate = this.gateAtReset
    this.register = 0x10000
    this.start()
  }

  /** A control word: the output goes to its initial level and everything waits for a count. */
  program(mode: number, bcd: boolean): void {
    const value = this.binaryValue()
    this.mode = mode
    this.bcd = bcd
    this.nullCount = true
    this.register = this.switchAt = NONE
    this.toIdle(value, mode !== TERMINAL_COUNT)
  }

  /** The first byte of a two-byte count: in mode 0 it stops the counter and drops the output. */
  firstByte(): void {
    if (this.mode === TERMINAL_COUNT) this.toIdle(this.binaryValue(), false)
  }

  /** A whole count as the guest wrote it; 0 stands for the largest. */
  writeCount(written: number): void {
    // A count that waits may have come due since anyone looked.
    const elapsed = this.elapsed()
    this.register = this.bcd ? fromBcd(written) || 10000 : written || 0x10000
    this.nullCount = true
    if (this.triggered) return
    if (!this.periodic || this.phase === IDLE) {
      this.start()
      return
    }
    if (this.phase === HELD) return
    // The present period ends first; in mode 3 the present half.
    const period = Math.floor(elapsed / this.count) * this.count
    const half = this.mode === SQUARE_WAVE && elapsed - period < this.highTicks
    this.switchAt = this.periodStart + period + (half ? this.highTicks : this.count)
  }

  setGate(level: boolean): void {
    if (level === this.gate) return
    if (!level && this.phase === COUNTING && !this.triggered) {
      this.heldAt = this.elapsed()
      this.phase = HELD
    }
    this.gate = level
    if (!level) return
    if (this.triggered) {
      if (this.register !== NONE) this.start()
    } else if (this.phase === HELD) {
      if (this.periodic) this.start()
      else {
        this.phase = COUNTING
        this.gridStart = this.clock.now()
        this.periodStart = 0 - this.heldAt
      }
    }
  }

  output(): boolean {
    if (this.phase === IDLE) return this.idleOutput
    if (this.periodic && !this.gate) return true
    const elapsed = this.elapsed()
    switch (this.mode) {
      case TERMINAL_COUNT:
      case ONE_SHOT:
        return elapsed >= this.count
      case RATE_GENERATOR:
        return elapsed % this.count !== this.count - 1
      case SQUARE_WAVE:
        return elapsed % this.count < this.highTicks
      default:
        return elapsed !== this.count
    }
  }

  /** The counting element, as a read returns it. */
  value(): number {
    const value = this.binaryValue()
    return this.bcd ? toBcd(value) : value
  }

  /** Guest ns of the output's next rising edge; Infinity when none comes. */
  nextRise(): number {
    if (this.phase !== COUNTING) return NEVER
    const elapsed = this.elapsed()
    const { count } = this
    let tick: number
    if (this.mode === RATE_GENERATOR || this.mode === SQUARE_WAVE) {
      // A count of 1 is illegal in these modes: the output stays where it is.
      if (count === 1 && this.switchAt === NONE) return NEVER
      tick = (Math.floor(elapsed / count) + 1) * count
      const untilSwitch = this.switchAt - this.periodStart
      if (this.switchAt !== NONE && untilSwitch < tick) tick = untilSwitch + (this.register >> 1)
    } else {
      tick = this.mode === TERMINAL_COUNT || this.mode === ONE_SHOT ? count : count + 1
      if (tick <= elapsed) return NEVER
    }
    return this.gridStart + pitNanoseconds(this.periodStart + tick)
  }

  /** Modes 2 and 3, which start over by themselves. */
  private get periodic(): boolean {
    return this.mode === RATE_GENERATOR || this.mode === SQUARE_WAVE
  }

  /** Modes 1 and 5, which only a rising gate starts. */
  private get triggered(): boolean {
    return this.mode === ONE_SHOT || this.mode === 5
  }

  /** Ticks of the high half of mode 3. */
  private get highTicks(): number {
    return (this.count + 1) >> 1
  }

  private start(): void {
    this.count = this.register
    this.nullCount = false
    this.switchAt = NONE
    this.gridStart = this.clock.now()
    this.periodStart = 0
    this.heldAt = 0
    this.phase = this.gate || this.triggered ? COUNTING : HELD
  }

  private toIdle(value: number, output: boolean): void {
    this.phase = IDLE
    this.idleValue = value
    this.idleOutput = output
  }

  /** Ticks since `periodStart`, after taking over a waiting count whose time has come. */
  private elapsed(): number {
    if (this.phase === HELD) return this.heldAt
    const tick = pitTicks(this.clock.now() - this.gridStart)
    if (this.switchAt !== NONE && tick >= this.switchAt) {
      const atHalf = (this.switchAt - this.periodStart) % this.count !== 0
      this.count = this.register
      this.nullCount = false
      // At half-time of mode 3 the new count begins with its low half.
      this.periodStart = atHalf ? this.switchAt - this.highTicks : this.switchAt
      this.switchAt = NONE
    }
    return tick - this.periodStart
  }

  private binaryValue(): number {
    if (this.phase === IDLE) return this.idleValue
    const elapsed = this.elapsed()
    const { count } = this
    let value: number
    if (this.mode === RATE_GENERATOR) value = count - (elapsed % count)
    else if (this.mode === SQUARE_WAVE) {
      // Counts by two from an even number, twice a period.
      const position = elapsed % count
      const high = this.highTicks
      value = (count & ~1) - 2 * (position < high ? position : position - high)
    } else value = count - elapsed
    if (!this.bcd) return value & 0xffff
    const decimal = value % 10000
    return decimal < 0 ? decimal + 10000 : decimal
  }
}
