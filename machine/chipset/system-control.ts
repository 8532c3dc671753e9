/**
 * System control ports: 61h (NMI status and control, port B of the AT) and 92h (system control port A of the PS/2),
 * and the gate on address line 20 that port 92h shares with the keyboard controller.
 *
 * Intel 82371SB (PIIX3) data sheet, sections 2.5.5.1 (61h) and 2.5.5.3 (92h).
 */
import type { Clock } from '../clock.js'
import type { Device, PortRange, StateTable, Warn } from '../device.js'
import { type I8254, pitTicks } from '../devices/timer/i8254.js'
import { flag, u8 } from '../state/fields.js'

const A20: StateTable = { level: flag }

/**
 * The A20 gate. Each source writes its own wish and the last writer wins, as in QEMU; each reads back only its own bit.
 */
export class A20Gate implements Device {
  readonly name = 'a20'
  readonly state = A20
  private level = true

  constructor(private readonly output: (enabled: boolean) => void) {}

  get enabled(): boolean {
    return this.level
  }

  /** A bound function, to be handed to a source as it is. */
  readonly set = (enabled: boolean): void => {
    if (enabled === this.level) return
    this.level = enabled
    this.output(enabled)
  }

  /** A CPU comes out of reset with all its address lines. */
  reset(): void {
    this.set(true)
  }

  loaded(): void {
    this.output(this.level)
  }
}

// Port 61h
const TIMER_2_GATE = 0x01
const SPEAKER_DATA = 0x02
/** SERR# and IOCHK# enables: kept, nothing raises either. */
const WRITABLE = 0x0f
const REFRESH_TOGGLE = 0x10
const TIMER_2_OUTPUT = 0x20

// Port 92h
const FAST_INIT = 0x01
const ALT_A20_GATE = 0x02

/** PIT ticks between DRAM refreshes: 15.085 µs. */
const REFRESH_TICKS = 18

export interface SystemControlOptions {
  pit: Pick<I8254, 'setGate' | 'output'>
  clock: Clock
  setA20: (enabled: boolean) => void
  /** A rising edge of FAST_INIT: INIT# to the CPUs. */
  reset: () => void
  /** The speaker's data and gate bits changed. */
  speaker?: (data: boolean, gate: boolean) => void
  warn?: Warn
}

const SYSTEM_CONTROL: StateTable = { portA: u8, portB: u8 }

export class SystemControl implements Device {
  readonly name = 'system-control'
  readonly state = SYSTEM_CONTROL
  readonly ports: readonly PortRange[]
  private portB = 0
  private portA = 0

  constructor(private readonly options: SystemControlOptions) {
    this.ports = [
      {
        name: 'NMI status and control',
        base: 0x61,
        count: 1,
        read: () => this.readB(),
        write: (_offset, value) => this.writeB(value),
      },
      {
        name: 'port92',
        base: 0x92,
        count: 1,
        read: () => this.portA,
        write: (_offset, value) => this.writeA(value),
      },
    ]
  }

  private readB(): number {
    const { pit, clock } = this.options
    const refresh = Math.floor(pitTicks(clock.now()) / REFRESH_TICKS) & 1
    return this.portB | (refresh ? REFRESH_TOGGLE : 0) | (pit.output(2) ? TIMER_2_OUTPUT : 0)
  }

  private writeB(value: number): void {
    const changed = this.portB ^ value
    this.portB = value & WRITABLE
    if (changed & TIMER_2_GATE) this.options.pit.setGate(2, (value & TIMER_2_GATE) !== 0)
    if (changed & (TIMER_2_GATE | SPEAKER_DATA)) {
      this.options.speaker?.((value & SPEAKER_DATA) !== 0, (value & TIMER_2_GATE) !== 0)
    }
  }

  private writeA(value: number): void {
    const old = this.portA
    this.portA = value
    this.options.setA20((value & ALT_A20_GATE) !== 0)
    if (value & ~old & FAST_INIT) this.options.reset()
  }

  /** The A20 bit of port 92h survives, as in QEMU; the gate itself is reset by the board. */
  reset(): void {
    this.writeB(0)
    this.portA &= ~FAST_INIT
  }
}
