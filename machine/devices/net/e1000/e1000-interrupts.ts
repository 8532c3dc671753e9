/**
 * Interrupts of an 8254x: causes, mask, and the timers that hold them back (Software Developer's Manual, 3.2.7, 3.4.3
 * and 13.4.17 to 13.4.22). A timer register of 0 holds nothing back.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { IrqLine, Stateful, StateTable } from '../../../device.js'
import { flag, starts, time, timer, u32 } from '../../../state/fields.js'
import {
  CTRL_EXT,
  CTRL_EXT_IAME,
  DELAY_FPD,
  IAM,
  ICR_BITS,
  ICR_INT_ASSERTED,
  ICR_RXT0,
  ICR_TXDW,
  ITR,
  RADV,
  RDTR,
  type Registers,
  TADV,
  TIDV,
} from './e1000-registers.js'

/** Of RDTR, RADV, TIDV and TADV. */
const DELAY_UNIT_NS = 1024
/** Of ITR. */
const THROTTLE_UNIT_NS = 256

const STATE: StateTable = {
  causes: starts(u32, 0),
  mask: starts(u32, 0),
  asserted: starts(flag, false),
  quietUntil: starts(time, 0),
  ...{ throttle: timer, receiveDelay: timer, receiveAbsolute: timer, transmitDelay: timer, transmitAbsolute: timer },
}

export interface E1000InterruptsOptions {
  name: string
  clock: Clock
  irq: IrqLine
  registers: Registers
  isExpress: boolean
}

export class E1000Interrupts implements Stateful {
  readonly state = STATE
  private causes = 0
  private mask = 0
  private asserted = false
  /** By ITR: the line does not rise again before. */
  private quietUntil = 0
  private readonly throttle: Timer
  private readonly receiveDelay: Timer
  private readonly receiveAbsolute: Timer
  private readonly transmitDelay: Timer
  private readonly transmitAbsolute: Timer

  constructor(private readonly options: E1000InterruptsOptions) {
    const { name, clock } = options
    const delayed = (what: string, cause: number) => clock.timer(`${name} ${what}`, () => this.delayOver(cause))
    this.throttle = clock.timer(`${name} throttled interrupt`, () => this.update())
    this.receiveDelay = delayed('receive delay', ICR_RXT0)
    this.receiveAbsolute = delayed('absolute receive delay', ICR_RXT0)
    this.transmitDelay = delayed('transmit delay', ICR_TXDW)
    this.transmitAbsolute = delayed('absolute transmit delay', ICR_TXDW)
  }

  reset(): void {
    this.causes = 0
    this.mask = 0
    this.quietUntil = 0
    this.cancelDelays(ICR_RXT0 | ICR_TXDW)
    this.update()
  }

  /** A read of ICR, which clears it. */
  take(): number {
    const { causes, mask } = this
    const { registers, isExpress } = this.options
    if (!isExpress) {
      this.acknowledge(causes)
      return causes
    }
    // Causes that are masked stay while others are not (316080, 13.3.27).
    const isAsserted = (causes & mask) !== 0
    if (isAsserted && registers[CTRL_EXT >> 2] & CTRL_EXT_IAME) this.mask = (mask & ~registers[IAM >> 2]) >>> 0
    if (isAsserted || mask === 0) this.acknowledge(causes)
    return (causes | (isAsserted ? ICR_INT_ASSERTED : 0)) >>> 0
  }

  acknowledge(causes: number): void {
    this.causes &= ~causes
    this.update()
  }

  get masked(): number {
    return this.mask
  }

  enable(causes: number): void {
    this.mask = (this.mask | (causes & ICR_BITS)) >>> 0
    this.update()
  }

  disable(causes: number): void {
    this.mask = (this.mask & ~causes) >>> 0
    this.update()
  }

  raise(causes: number): void {
    this.causes = (this.causes | (causes & ICR_BITS)) >>> 0
    this.update()
  }

  /** A frame is in memory. */
  received(): void {
    this.delay(ICR_RXT0, RDTR, this.receiveDelay, RADV, this.receiveAbsolute)
  }

  /** A descriptor was written back; `delayed` by its IDE bit. */
  transmitted(delayed: boolean): void {
    if (delayed) this.delay(ICR_TXDW, TIDV, this.transmitDelay, TADV, this.transmitAbsolute)
    else this.delayOver(ICR_TXDW)
  }

  /** RDTR or TIDV was written: with FPD what waits for its timer waits no longer. */
  delayWritten(register: number, value: number): void {
    if (!(value & DELAY_FPD)) return
    const [cause, waiting] = register === RDTR ? [ICR_RXT0, this.receiveDelay] : [ICR_TXDW, this.transmitDelay]
    if (waiting.deadline !== Number.POSITIVE_INFINITY) this.delayOver(cause)
  }

  private delay(cause: number, delay: number, timer: Timer, absolute: number, absoluteTimer: Timer): void {
    const { clock, registers } = this.options
    const wait = registers[delay >> 2] & 0xffff
    if (wait === 0) {
      this.delayOver(cause)
      return
    }
    const now = clock.now()
    timer.at(now + wait * DELAY_UNIT_NS)
    const most = registers[absolute >> 2] & 0xffff
    if (most > 0 && absoluteTimer.deadline === Number.POSITIVE_INFINITY) absoluteTimer.at(now + most * DELAY_UNIT_NS)
  }

  private delayOver(cause: number): void {
    this.cancelDelays(cause)
    this.raise(cause)
  }

  private cancelDelays(causes: number): void {
    if (causes & ICR_RXT0) {
      this.receiveDelay.cancel()
      this.receiveAbsolute.cancel()
    }
    if (causes & ICR_TXDW) {
      this.transmitDelay.cancel()
      this.transmitAbsolute.cancel()
    }
  }

  private update(): void {
    const { clock, registers, irq } = this.options
    const wanted = (this.causes & this.mask) !== 0
    if (!wanted) {
      this.throttle.cancel()
      this.drive(false, irq)
      return
    }
    if (this.asserted) return
    const now = clock.now()
    if (now < this.quietUntil) {
      this.throttle.set(this.quietUntil)
      return
    }
    this.throttle.cancel()
    this.quietUntil = now + (registers[ITR >> 2] & 0xffff) * THROTTLE_UNIT_NS
    this.drive(true, irq)
  }

  private drive(level: boolean, irq: IrqLine): void {
    if (level === this.asserted) return
    this.asserted = level
    irq(level)
  }
}
