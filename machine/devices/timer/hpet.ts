/**
 * The high precision event timer: a 100 MHz main counter and three comparators at FED00000h.
 *
 * IA-PC HPET specification 1.0a. Guest-visible behaviour as QEMU's: vendor 8086h, 64-bit, every comparator
 * periodic-capable, no FSB delivery. The specification compares for equality alone; as on QEMU 7.2 a comparator that is
 * more than half the counter away counts as passed and fires at once, lest a guest that came late waits for the wrap,
 * but not where its period is as long. The counter is computed from the clock, in two halves so that a read makes no
 * BigInt; only armed comparators have timers.
 * The file is longer than others, because counter and comparators are one chip.
 */

import type { Clock, Timer } from '../../clock.js'
import type { AcpiDevice, Device, IrqLine, MmioRange, StateTable, Warn } from '../../device.js'
import { PRESENT } from '../../firmware/tables/acpi-device.js'
import * as aml from '../../firmware/tables/aml.js'
import { flag, list, time, timer, u32, word } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { deviceType } from '../device-type.js'

const COMPARATORS = 3
/** ns of a tick; the capabilities give it in fs. */
const TICK = 10
const PERIOD_FEMTOSECONDS = TICK * 1_000_000

// Registers
const CAPABILITIES = 0x000
const CAPABILITIES_HIGH = 0x004
const CONFIGURATION = 0x010
const INTERRUPT_STATUS = 0x020
const COUNTER = 0x0f0
const COUNTER_HIGH = 0x0f4
/** First comparator; they are 20h apart. */
const TIMERS = 0x100
const TIMER_CONFIGURATION = 0x00
const TIMER_CAPABILITIES_HIGH = 0x04
const TIMER_COMPARATOR = 0x08
const TIMER_COMPARATOR_HIGH = 0x0c

/** Vendor, legacy replacement route, 64 bits, revision 1. */
const CAPABILITIES_VALUE = 0x8086a001 + ((COMPARATORS - 1) << 8)

const ENABLE = 0x01
const LEGACY_REPLACEMENT = 0x02

const TN_LEVEL = 0x0002
const TN_INTERRUPT_ENABLE = 0x0004
const TN_PERIODIC = 0x0008
const TN_PERIODIC_CAPABLE = 0x0010
const TN_SIZE_CAPABLE = 0x0020
const TN_VALUE_SET = 0x0040
const TN_32BIT = 0x0100
const TN_ROUTE = 0x3e00
const TN_WRITABLE = TN_LEVEL | TN_INTERRUPT_ENABLE | TN_PERIODIC | TN_VALUE_SET | TN_32BIT | TN_ROUTE

const TWO_32 = 2 ** 32
const NEVER = Number.POSITIVE_INFINITY
/** Interrupts of one comparator come at most this often, each microsecond, lest a guest stops time with a period of one tick. */
const SHORTEST_TICKS = 100n
/** ISA interrupts that comparators 0 and 1 take over in legacy replacement mode. */
const LEGACY_IRQ = [0, 8]

export interface HpetOptions {
  clock: Clock
  /**
   * The line of a GSI. 0 and 8 mean the ISA interrupts of the PIT and the RTC, wherever those go; asked once for each
   * in the constructor, and for the others that `routes` names.
   */
  irq: (gsi: number) => IrqLine
  /** Legacy replacement was switched: the board takes IRQ 0 from the PIT and IRQ 8 from the RTC, or gives them back. */
  legacy: (enabled: boolean) => void
  /** Bit n: comparators may use GSI n; default 4, GSI 2 alone, as on QEMU's i440FX. */
  routes?: number
  warn?: Warn
}

const COMPARATOR: StateTable = {
  config: word,
  low: u32,
  high: u32,
  periodLow: u32,
  periodHigh: u32,
  setHigh: flag,
  timer,
}

class Comparator {
  readonly state = COMPARATOR
  config = TN_PERIODIC_CAPABLE | TN_SIZE_CAPABLE
  /** The 64-bit comparator and period in halves. */
  low = 0xffffffff
  high = 0xffffffff
  periodLow = 0
  periodHigh = 0
  /** The low half was written under VALUE_SET, and the high half of the same write is due. */
  setHigh = false

  constructor(readonly timer: Timer) {}

  get periodic(): boolean {
    return (this.config & TN_PERIODIC) !== 0
  }

  get period(): bigint {
    return this.config & TN_32BIT ? BigInt(this.periodLow) : qword(this.periodHigh, this.periodLow)
  }

  reset(): void {
    this.config = TN_PERIODIC_CAPABLE | TN_SIZE_CAPABLE
    this.low = this.high = 0xffffffff
    this.periodLow = this.periodHigh = 0
    this.setHigh = false
    this.timer.cancel()
  }
}

const STATE: StateTable = {
  ...{ configuration: word, status: word, baseLow: u32, baseHigh: u32, start: time, rtcLevel: flag },
  comparators: list(part(), COMPARATORS),
}

export class Hpet implements Device {
  readonly name = 'hpet'
  readonly state = STATE
  readonly mmio: readonly MmioRange[]
  private readonly clock: Clock
  private readonly routes: number
  private readonly lines = new Map<number, IrqLine>()
  private readonly comparators: Comparator[]
  private configuration = 0
  private status = 0
  /** The main counter when it was last started or set. */
  private baseLow = 0
  private baseHigh = 0
  /** Guest ns at which it was started. */
  private start = 0
  /** What the RTC drives, for when it gets its line back. */
  private rtcLevel = false

  constructor(private readonly options: HpetOptions) {
    this.clock = options.clock
    this.routes = (options.routes ?? 4) >>> 0
    for (let gsi = 0; gsi < 32; gsi++) {
      if ((this.routes >>> gsi) & 1 || LEGACY_IRQ.includes(gsi)) this.lines.set(gsi, options.irq(gsi))
    }
    this.comparators = Array.from(
      { length: COMPARATORS },
      (_, n) => new Comparator(options.clock.timer(`hpet ${n}`, () => this.expire(n))),
    )
    this.mmio = [
      {
        name: 'HPET',
        base: 0xfed00000,
        size: 0x400,
        read: (offset, size) => this.read(offset, size),
        write: (offset, value, size) => this.write(offset, value, size),
        peek: (offset) => this.read(offset, 4),
      },
    ]
  }

  /** For the PIT's counter 0 on its way to IRQ 0: cut off in legacy replacement mode. A bound function. */
  readonly pitInput: IrqLine = (level) => {
    if (!this.legacy) this.lines.get(0)?.(level)
  }

  /** For the RTC on its way to IRQ 8. A bound function. */
  readonly rtcInput: IrqLine = (level) => {
    this.rtcLevel = level
    if (!this.legacy) this.lines.get(8)?.(level)
  }

  /** Legacy replacement is on. */
  get legacy(): boolean {
    return (this.configuration & LEGACY_REPLACEMENT) !== 0
  }

  // Main counter -------------------------------------------------------------------------------------------------

  private get enabled(): boolean {
    return (this.configuration & ENABLE) !== 0
  }

  /** Ticks since the counter was started; 0 while it stands. */
  private get ticks(): number {
    return this.enabled ? Math.floor((this.clock.now() - this.start) / TICK) : 0
  }

  private counterLow(): number {
    return (this.baseLow + this.ticks) % TWO_32
  }

  private counterHigh(): number {
    return (this.baseHigh + Math.floor((this.baseLow + this.ticks) / TWO_32)) % TWO_32
  }

  // Registers ----------------------------------------------------------------------------------------------------

  private read(offset: number, size: number): number {
    const value = this.readRegister(offset & ~3)
    if (size === 4) return value
    return (value >>> ((offset & 3) * 8)) & (size === 1 ? 0xff : 0xffff)
  }

  private readRegister(offset: number): number {
    if (offset >= TIMERS) {
      const comparator = this.comparators[(offset - TIMERS) >> 5]
      if (!comparator) return 0
      switch (offset & 0x1f) {
        case TIMER_CONFIGURATION:
          return comparator.config
        case TIMER_CAPABILITIES_HIGH:
          return this.routes
        case TIMER_COMPARATOR:
          return comparator.low
        case TIMER_COMPARATOR_HIGH:
          return comparator.high
        default:
          return 0
      }
    }
    switch (offset) {
      case CAPABILITIES:
        return CAPABILITIES_VALUE
      case CAPABILITIES_HIGH:
        return PERIOD_FEMTOSECONDS
      case CONFIGURATION:
        return this.configuration
      case INTERRUPT_STATUS:
        return this.status
      case COUNTER:
        return this.counterLow()
      case COUNTER_HIGH:
        return this.counterHigh()
      default:
        return 0
    }
  }

  private write(offset: number, value: number, size: number): void {
    if (size !== 4 || offset & 3) {
      this.options.warn?.('HPET: write that is not an aligned dword', offset)
      return
    }
    const dword = value >>> 0
    if (offset >= TIMERS) {
      const n = (offset - TIMERS) >> 5
      if (n < COMPARATORS) this.writeComparator(n, offset & 0x1f, dword)
      return
    }
    switch (offset) {
      case CONFIGURATION:
        this.configure(dword & (ENABLE | LEGACY_REPLACEMENT))
        break
      case INTERRUPT_STATUS:
        for (let n = 0; n < COMPARATORS; n++) if (dword & this.status & (1 << n)) this.lower(n)
        break
      case COUNTER:
        // Undefined while counting; left alone, as in effect in QEMU.
        if (!this.enabled) this.baseLow = dword
        break
      case COUNTER_HIGH:
        if (!this.enabled) this.baseHigh = dword
        break
    }
  }

  private configure(value: number): void {
    const changed = this.configuration ^ value
    if (changed & ENABLE) {
      if (value & ENABLE) this.start = this.clock.now()
      else {
        const high = this.counterHigh()
        this.baseLow = this.counterLow()
        this.baseHigh = high
      }
    }
    this.configuration = value
    if (changed & LEGACY_REPLACEMENT) this.switchLegacy()
    if (!(changed & ENABLE)) return
    for (let n = 0; n < COMPARATORS; n++) {
      if (value & ENABLE && this.status & (1 << n) && this.comparators[n].config & TN_INTERRUPT_ENABLE) {
        this.lines.get(this.route(n))?.(true)
      }
      this.arm(n)
    }
  }

  private switchLegacy(): void {
    // First the lines fall, so that whoever gets them next starts from a low one.
    this.lines.get(0)?.(false)
    this.lines.get(8)?.(false)
    this.options.legacy(this.legacy)
    if (!this.legacy) this.lines.get(8)?.(this.rtcLevel)
  }

  private writeComparator(n: number, register: number, value: number): void {
    const comparator = this.comparators[n]
    const wide = (comparator.config & TN_32BIT) === 0
    switch (register) {
      case TIMER_CONFIGURATION: {
        const old = comparator.config
        const config = (old & ~TN_WRITABLE) | (value & TN_WRITABLE)
        // A level that the comparator holds goes with the level mode, the enable bit or the old route.
        const dropped = old & ~config & (TN_LEVEL | TN_INTERRUPT_ENABLE)
        if (this.status & (1 << n) && (dropped || (old ^ config) & TN_ROUTE)) this.lower(n)
        comparator.config = config
        if (config & TN_32BIT) comparator.high = comparator.periodHigh = 0
        // Only the enable bit starts a comparator: one that has fired must not fire again for a change of mode.
        if ((old ^ config) & TN_INTERRUPT_ENABLE) this.arm(n)
        break
      }
      case TIMER_COMPARATOR:
        comparator.setHigh = comparator.periodic && (comparator.config & TN_VALUE_SET) !== 0
        if (!comparator.periodic || comparator.setHigh) comparator.low = value
        if (comparator.periodic) comparator.periodLow = value
        comparator.config &= ~TN_VALUE_SET
        this.arm(n)
        break
      case TIMER_COMPARATOR_HIGH: {
        // The bit "will automatically clear" at either half, also where the high one holds nothing.
        if (!wide) {
          comparator.config &= ~TN_VALUE_SET
          comparator.setHigh = false
          break
        }
        const set = comparator.setHigh || (comparator.config & TN_VALUE_SET) !== 0
        if (!comparator.periodic || set) comparator.high = value
        if (comparator.periodic) comparator.periodHigh = value
        comparator.config &= ~TN_VALUE_SET
        comparator.setHigh = false
        this.arm(n)
        break
      }
    }
  }

  // Comparators --------------------------------------------------------------------------------------------------

  /** The line a comparator drives. */
  private route(n: number): number {
    return this.legacy && n < 2 ? LEGACY_IRQ[n] : (this.comparators[n].config & TN_ROUTE) >> 9
  }

  /** Ticks until the comparator matches; at least one when it has been passed. */
  private distance(comparator: Comparator): number {
    const bits = comparator.config & TN_32BIT ? 32 : 64
    const counter = qword(this.counterHigh(), this.counterLow())
    const ahead = BigInt.asUintN(bits, qword(comparator.high, comparator.low) - counter)
    const passed = ahead >> BigInt(bits - 1) && !(comparator.periodic && comparator.period >= ahead)
    return passed ? 1 : Math.max(Number(ahead), 1)
  }

  private arm(n: number): void {
    const comparator = this.comparators[n]
    let next = NEVER
    if (this.enabled && comparator.config & TN_INTERRUPT_ENABLE) {
      next = this.start + (this.ticks + this.distance(comparator)) * TICK
    }
    comparator.timer.set(next)
  }

  private expire(n: number): void {
    const comparator = this.comparators[n]
    if (comparator.periodic && comparator.period > 0n) {
      this.advance(comparator)
      this.arm(n)
    }
    this.raise(n)
  }

  /** Moves a periodic comparator to its first multiple that is ahead, by far enough. */
  private advance(comparator: Comparator): void {
    const { period } = comparator
    const bits = comparator.config & TN_32BIT ? 32 : 64
    const now = qword(this.counterHigh(), this.counterLow())
    const before = qword(comparator.high, comparator.low)
    const behind = BigInt.asUintN(bits, now - before)
    const ahead = period < SHORTEST_TICKS ? SHORTEST_TICKS - period : 0n
    const next = BigInt.asUintN(bits, before + ((behind + ahead) / period + 1n) * period)
    comparator.high = Number(next >> 32n)
    comparator.low = Number(next & 0xffffffffn)
  }

  private raise(n: number): void {
    const line = this.lines.get(this.route(n))
    if (!line) {
      this.options.warn?.('HPET: comparator routed to an interrupt it cannot use', this.route(n))
      return
    }
    if (this.comparators[n].config & TN_LEVEL) {
      this.status |= 1 << n
      line(true)
    } else {
      line(true)
      line(false)
    }
  }

  private lower(n: number): void {
    this.status &= ~(1 << n)
    this.lines.get(this.route(n))?.(false)
  }

  reset(): void {
    for (let n = 0; n < COMPARATORS; n++) {
      if (this.status & (1 << n)) this.lower(n)
      this.comparators[n].reset()
    }
    this.configure(0)
    this.baseLow = this.baseHigh = this.start = 0
  }

  acpi(): readonly AcpiDevice[] {
    return [
      {
        scope: 'pci',
        aml: aml.device(
          'HPET',
          aml.named('_HID', aml.eisaId('PNP0103')),
          aml.named('_UID', aml.integer(0)),
          aml.named('_STA', aml.integer(PRESENT)),
          aml.named('_CRS', aml.resources(aml.memory32Fixed(this.mmio[0].base, 0x400))),
        ),
      },
    ]
  }
}

function qword(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}

/** What the PIT and the RTC drive in place of their own interrupts where there is an HPET. */
export interface LegacyTimers {
  /** IRQ 0 is the PIT's, or not. */
  setPitInterrupt(enabled: boolean): void
  hpet: Hpet | undefined
}

export const hpet = deviceType({
  type: 'hpet',
  title: 'high precision event timer',
  category: 'Misc',
  bus: 'system',
  options: () => ({}),
  create(slot) {
    const timers = slot.bus<LegacyTimers>('legacy-timers')
    timers.hpet = new Hpet({
      clock: slot.clock,
      irq: (gsi) => slot.irq(String(gsi), gsi),
      legacy: (on) => timers.setPitInterrupt(!on),
      warn: slot.warn,
    })
    return timers.hpet
  },
})
