/**
 * The MC146818 real-time clock and CMOS memory at ports 70h and 71h.
 *
 * Motorola MC146818A data sheet; Intel 82371SB data sheet, section 2.5.4 (bit 7 of port 70h masks NMI). The time is
 * computed from the clock when asked, and so are the interrupt flags: events of the past are gathered at each access.
 * A timer runs only for an enabled interrupt whose line is low, so a guest that masks or ignores the clock costs no
 * events.
 */
import type { Clock, Timer } from '../../clock.js'
import type { AcpiDevice, Device, IrqLine, PortRange, StateTable, Warn } from '../../device.js'
import { isaDevice } from '../../firmware/tables/acpi-device.js'
import * as aml from '../../firmware/tables/aml.js'
import { bytes, count, starts, time, timer, u8 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'

const SECONDS = 0x00
const SECONDS_ALARM = 0x01
const MINUTES = 0x02
const MINUTES_ALARM = 0x03
const HOURS = 0x04
const HOURS_ALARM = 0x05
const DAY_OF_WEEK = 0x06
const DAY_OF_MONTH = 0x07
const MONTH = 0x08
const YEAR = 0x09
const REGISTER_A = 0x0a
const REGISTER_B = 0x0b
const REGISTER_C = 0x0c
const REGISTER_D = 0x0d
const CENTURY = 0x32
/** Where the PS/2 has its century; QEMU makes it another name of 32h. */
const CENTURY_PS2 = 0x37

const A_UIP = 0x80
const A_DIVIDER = 0x70
const A_DIVIDER_RESET = 0x60
const A_RATE = 0x0f
const B_SET = 0x80
const B_PIE = 0x40
const B_AIE = 0x20
const B_UIE = 0x10
const B_SQWE = 0x08
const B_DM_BINARY = 0x04
const B_24_HOURS = 0x02
const C_IRQF = 0x80
const C_PF = 0x40
const C_AF = 0x20
const C_UF = 0x10
const D_VRT = 0x80

const HOUR_PM = 0x80
/** An alarm byte from here up matches everything. */
const DO_NOT_CARE = 0xc0

const NS_PER_SECOND = 1_000_000_000
/** UIP rises this long before the update: 8 cycles of 32768 Hz. */
const UIP_LEAD = 244_141
const NEVER = Number.POSITIVE_INFINITY

export interface Mc146818Options {
  clock: Clock
  /** IRQ 8, high-active and held until register C is read. */
  irq: IrqLine
  /** Unix time in seconds that the clock shows (as UTC) at guest time 0. */
  epochSeconds: number
  /** The alarm went off, and its interrupt is enabled: it may wake the machine. */
  alarm?: () => void
  /** Bit 7 of port 70h: 1 keeps NMI from the CPU. */
  nmiMask?: (masked: boolean) => void
  /** Adds the upper 128 bytes at ports 72h and 73h, which QEMU's PIIX3 lacks. */
  extendedBank?: boolean
  warn?: Warn
}

/** Days from 1970-01-01 of a date in the Gregorian calendar; month and day may overflow. */
function daysOf(year: number, month: number, day: number): number {
  // Years run from March, so that the leap day is the last.
  const y = month <= 2 ? year - 1 : year
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719468
}

const STATE: StateTable = {
  cmos: bytes(256),
  ...{ index: starts(u8, 0), extendedIndex: starts(u8, 0), base: count, phase: time, gathered: time },
  alarmTimer: timer,
}

export class Mc146818 implements Device {
  readonly name = 'mc146818rtc'
  readonly state = STATE
  readonly ports: readonly PortRange[]
  private readonly clock: Clock
  private readonly irq: IrqLine
  private readonly alarm: (() => void) | undefined
  private readonly alarmTimer: Timer
  /** While the clock stands (SET or divider reset) the time is here, else computed. */
  private readonly cmos = new Uint8Array(256)
  private index = 0
  private extendedIndex = 0
  /** Unix seconds at `phase`. */
  private base: number
  /** Guest ns of a moment at which the seconds turned (or the divider chain started). */
  private phase = 0
  /** Guest ns up to which past events are in register C. */
  private gathered = 0

  constructor(options: Mc146818Options) {
    this.clock = options.clock
    this.irq = options.irq
    this.alarm = options.alarm
    this.base = Math.floor(options.epochSeconds)
    this.cmos[REGISTER_A] = 0x26
    this.cmos[REGISTER_B] = B_24_HOURS
    this.cmos[REGISTER_D] = D_VRT
    this.alarmTimer = options.clock.timer('mc146818', () => this.gather())
    this.showTime()
    const ports: PortRange[] = [
      {
        name: 'RTC',
        base: 0x70,
        count: 2,
        // The index cannot be read back.
        read: (offset) => (offset ? this.readRegister(this.index) : 0xff),
        write: (offset, value) => {
          if (offset) this.writeRegister(this.index, value)
          else {
            this.index = value & 0x7f
            options.nmiMask?.((value & 0x80) !== 0)
          }
        },
      },
    ]
    if (options.extendedBank) {
      ports.push({
        name: 'RTC extended bank',
        base: 0x72,
        count: 2,
        read: (offset) => (offset ? this.cmos[0x80 | this.extendedIndex] : 0xff),
        write: (offset, value) => {
          if (offset) this.cmos[0x80 | this.extendedIndex] = value
          else this.extendedIndex = value & 0x7f
        },
      })
    }
    this.ports = ports
  }

  /** For the board: what the firmware finds in battery-backed memory (index 0Eh and up; 80h and up is the upper bank). */
  setCmos(index: number, value: number): void {
    this.cmos[index] = value
  }

  getCmos(index: number): number {
    return this.cmos[index]
  }

  /** Unix seconds that the clock shows, taken as UTC. */
  get seconds(): number {
    return this.running ? this.base + Math.floor((this.clock.now() - this.phase) / NS_PER_SECOND) : this.secondsShown()
  }

  // Registers ----------------------------------------------------------------------------------------------------

  private readRegister(index: number): number {
    switch (index) {
      case REGISTER_A:
        return this.cmos[REGISTER_A] | (this.updateInProgress() ? A_UIP : 0)
      case REGISTER_C: {
        this.gather()
        const flags = this.cmos[REGISTER_C]
        this.cmos[REGISTER_C] = 0
        this.irq(false)
        this.arm()
        return flags
      }
      case CENTURY_PS2:
        this.showTime()
        return this.cmos[CENTURY]
      default:
        if (index <= YEAR || index === CENTURY) this.showTime()
        return this.cmos[index]
    }
  }

  private writeRegister(index: number, value: number): void {
    switch (index) {
      case REGISTER_A:
        this.writeA(value & ~A_UIP)
        break
      case REGISTER_B:
        this.writeB(value)
        break
      case REGISTER_C:
      case REGISTER_D:
        // Read-only.
        break
      case SECONDS_ALARM:
      case MINUTES_ALARM:
      case HOURS_ALARM:
        this.gather()
        this.cmos[index] = value
        this.arm()
        break
      case SECONDS:
      case MINUTES:
      case HOURS:
      case DAY_OF_WEEK:
      case DAY_OF_MONTH:
      case MONTH:
      case YEAR:
      case CENTURY:
      case CENTURY_PS2:
        this.gather()
        this.showTime()
        this.cmos[index === CENTURY_PS2 ? CENTURY : index] = value
        if (this.running) this.takeTime()
        this.arm()
        break
      default:
        this.cmos[index] = value
    }
  }

  private writeA(value: number): void {
    this.gather()
    this.showTime()
    const ran = this.running
    const wasReset = (this.cmos[REGISTER_A] & A_DIVIDER_RESET) === A_DIVIDER_RESET
    this.cmos[REGISTER_A] = value
    // Out of reset the divider chain has half a second to go to the first update.
    if (wasReset && this.dividerRuns) this.phase = this.clock.now() - NS_PER_SECOND / 2
    if (this.running && !ran) this.takeTime()
    this.gathered = this.clock.now()
    this.arm()
  }

  private writeB(value: number): void {
    this.gather()
    this.showTime()
    const ran = this.running
    // SET aborts the update cycle and clears UIE.
    this.cmos[REGISTER_B] = value & B_SET ? value & ~B_UIE : value
    if (this.running && !ran) this.takeTime()
    this.raiseIfEnabled()
    this.arm()
  }

  // Time ---------------------------------------------------------------------------------------------------------

  private get dividerRuns(): boolean {
    return (this.cmos[REGISTER_A] & A_DIVIDER) <= 0x20
  }

  private get running(): boolean {
    return (this.cmos[REGISTER_B] & B_SET) === 0 && this.dividerRuns
  }

  private updateInProgress(): boolean {
    if (!this.running) return false
    return (this.clock.now() - this.phase) % NS_PER_SECOND >= NS_PER_SECOND - UIP_LEAD
  }

  private encode(value: number): number {
    return this.cmos[REGISTER_B] & B_DM_BINARY ? value : (Math.floor(value / 10) << 4) | (value % 10)
  }

  private decode(value: number): number {
    return this.cmos[REGISTER_B] & B_DM_BINARY ? value : (value >> 4) * 10 + (value & 15)
  }

  private decodeHours(value: number): number {
    if (this.cmos[REGISTER_B] & B_24_HOURS) return this.decode(value)
    return (this.decode(value & ~HOUR_PM) % 12) + (value & HOUR_PM ? 12 : 0)
  }

  /** Brings the time registers up to date, if the clock runs. */
  private showTime(): void {
    if (!this.running) return
    const { cmos } = this
    const time = this.seconds
    const days = Math.floor(time / 86400)
    const second = time - days * 86400
    const hours = Math.floor(second / 3600)
    cmos[SECONDS] = this.encode(second % 60)
    cmos[MINUTES] = this.encode(Math.floor(second / 60) % 60)
    if (cmos[REGISTER_B] & B_24_HOURS) cmos[HOURS] = this.encode(hours)
    else cmos[HOURS] = this.encode(hours % 12 || 12) | (hours >= 12 ? HOUR_PM : 0)
    cmos[DAY_OF_WEEK] = this.encode(((((days + 4) % 7) + 7) % 7) + 1)

    // Civil date from days, in 400-year eras that begin on 1 March.
    const shifted = days + 719468
    const era = Math.floor(shifted / 146097)
    const dayOfEra = shifted - era * 146097
    const yearOfEra = Math.floor(
      (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
    )
    const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
    const fromMarch = Math.floor((5 * dayOfYear + 2) / 153)
    const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
    const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    cmos[DAY_OF_MONTH] = this.encode(dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1)
    cmos[MONTH] = this.encode(month)
    cmos[YEAR] = this.encode(year % 100)
    cmos[CENTURY] = this.encode(Math.floor(year / 100))
  }

  /** Unix seconds that the time registers say; impossible dates run over into the next month, as in QEMU. */
  private secondsShown(): number {
    const { cmos } = this
    const year = this.decode(cmos[YEAR]) + 100 * this.decode(cmos[CENTURY])
    const month = Math.min(Math.max(this.decode(cmos[MONTH]), 1), 12)
    const days = daysOf(year, month, this.decode(cmos[DAY_OF_MONTH]))
    const minutes = this.decodeHours(cmos[HOURS]) * 60 + this.decode(cmos[MINUTES])
    return days * 86400 + minutes * 60 + this.decode(cmos[SECONDS])
  }

  /** Sets the clock from the time registers; the fraction of the second that has passed stays. */
  private takeTime(): void {
    const now = this.clock.now()
    this.base = this.secondsShown()
    this.phase += Math.floor((now - this.phase) / NS_PER_SECOND) * NS_PER_SECOND
  }

  // Interrupts ---------------------------------------------------------------------------------------------------

  /** 32768 Hz cycles of the periodic rate; 0 for none. */
  private get periodicCycles(): number {
    const rate = this.cmos[REGISTER_A] & A_RATE
    if (rate === 0 || !this.dividerRuns) return 0
    return 1 << ((rate <= 2 ? rate + 7 : rate) - 1)
  }

  /** Guest ns of the first periodic tick after `ns`. */
  private nextPeriodic(ns: number): number {
    const cycles = this.periodicCycles
    if (cycles === 0) return NEVER
    // Whole seconds hold whole periods, and 1 s / 32768 is 1953125/64 ns: all products stay exact.
    const seconds = Math.floor((ns - this.phase) / NS_PER_SECOND)
    const start = this.phase + seconds * NS_PER_SECOND
    const passed = Math.floor(Math.floor(((ns - start) * 64) / 1953125) / cycles)
    return start + Math.ceil(((passed + 1) * cycles * 1953125) / 64)
  }

  /** Guest ns of the first update after `ns`. */
  private nextUpdate(ns: number): number {
    if (!this.running) return NEVER
    return this.phase + (Math.floor((ns - this.phase) / NS_PER_SECOND) + 1) * NS_PER_SECOND
  }

  /** Guest ns of the first update after `ns` at which the alarm matches. */
  private nextAlarm(ns: number): number {
    if (!this.running) return NEVER
    const { cmos } = this
    const seconds = cmos[SECONDS_ALARM] >= DO_NOT_CARE ? NEVER : this.decode(cmos[SECONDS_ALARM])
    const minutes = cmos[MINUTES_ALARM] >= DO_NOT_CARE ? NEVER : this.decode(cmos[MINUTES_ALARM])
    const hours = cmos[HOURS_ALARM] >= DO_NOT_CARE ? NEVER : this.decodeHours(cmos[HOURS_ALARM])
    const from = this.base + Math.floor((ns - this.phase) / NS_PER_SECOND)
    let time = from + 1
    // At most a day of hours, an hour of minutes and a minute of seconds; then the alarm is impossible.
    for (let step = 0; step < 24 + 60 + 60 + 3; step++) {
      const second = ((time % 86400) + 86400) % 86400
      if (hours !== NEVER && Math.floor(second / 3600) !== hours) time += 3600 - (second % 3600)
      else if (minutes !== NEVER && Math.floor(second / 60) % 60 !== minutes) time += 60 - (second % 60)
      else if (seconds !== NEVER && second % 60 !== seconds) time++
      else return this.phase + (time - this.base) * NS_PER_SECOND
    }
    return NEVER
  }

  /** Sets the flags of everything that has happened since the last look, and the line with them. */
  private gather(): void {
    const now = this.clock.now()
    const since = this.gathered
    if (now > since) {
      let flags = this.cmos[REGISTER_C]
      if (!(flags & C_PF) && this.nextPeriodic(since) <= now) flags |= C_PF
      if (!(flags & C_UF) && this.nextUpdate(since) <= now) flags |= C_UF
      const alarm = this.nextAlarm(since) <= now
      if (alarm) flags |= C_AF
      this.cmos[REGISTER_C] = flags
      this.gathered = now
      if (alarm && this.cmos[REGISTER_B] & B_AIE) this.alarm?.()
    }
    this.raiseIfEnabled()
    this.arm()
  }

  /** Guest ns at which an enabled alarm goes off next; infinite for none. */
  get alarmDue(): number {
    return this.cmos[REGISTER_B] & B_AIE ? this.nextAlarm(this.gathered) : NEVER
  }

  private raiseIfEnabled(): void {
    const enabled = this.cmos[REGISTER_C] & this.cmos[REGISTER_B] & (B_PIE | B_AIE | B_UIE)
    if (enabled) this.cmos[REGISTER_C] |= C_IRQF
    else this.cmos[REGISTER_C] &= ~C_IRQF
    this.irq(enabled !== 0)
  }

  private arm(): void {
    const b = this.cmos[REGISTER_B]
    let next = NEVER
    // While the line is up, the next event changes nothing that the guest can see before it reads register C.
    if (!(this.cmos[REGISTER_C] & C_IRQF)) {
      if (b & B_PIE) next = Math.min(next, this.nextPeriodic(this.gathered))
      if (b & B_UIE) next = Math.min(next, this.nextUpdate(this.gathered))
    }
    // But the alarm may wake the machine.
    if (b & B_AIE) next = Math.min(next, this.nextAlarm(this.gathered))
    this.alarmTimer.set(next)
  }

  /** RESET# ends interrupts; time and memory run on their battery. */
  reset(): void {
    this.gather()
    this.cmos[REGISTER_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE)
    this.cmos[REGISTER_C] = 0
    resetState(this)
    this.irq(false)
    this.arm()
  }

  acpi(): readonly AcpiDevice[] {
    return [isaDevice('RTC', 'PNP0B00', [aml.io(0x70, 2), aml.irqNoFlags(8)])]
  }
}
