/**
 * The 8254 programmable interval timer at ports 40h to 43h.
 *
 * Intel 8254 data sheet (231164), "Programming the 8254". Counter 0 drives IRQ 0, counter 2 the speaker, counter 1
 * (once DRAM refresh) nothing. This file holds the ports, latches and the interrupt; the counters are in
 * `i8254-counter.ts`.
 */
import type { Clock, Timer } from '../../clock.js'
import type { Device, IrqLine, PortRange, StateTable, Warn } from '../../device.js'
import { count, flag, integer, list, timer, u8 } from '../../state/fields.js'
import { part } from '../../state/state-table.js'
import { I8254Counter } from './i8254-counter.js'

export { PIT_FREQUENCY, pitNanoseconds, pitTicks } from './i8254-counter.js'

// Control word
const SELECT_READ_BACK = 3
const RW_LATCH = 0
const RW_LSB = 1
const RW_MSB = 2
const RW_WORD = 3
const READ_BACK_NO_COUNT = 0x20
const READ_BACK_NO_STATUS = 0x10
// Status byte
const STATUS_OUTPUT = 0x80
const STATUS_NULL_COUNT = 0x40

const CONTROL = 3
const NONE = -1

const CHANNEL: StateTable = {
  ...{ rw: integer(0, 3), readHigh: flag, writeHigh: flag, lowByte: u8 },
  ...{ latchedCount: count, latchedStatus: integer(NONE, 0xff) },
  counter: part(),
}

/** The port side of a counter: byte order, latches. */
class Channel {
  readonly state = CHANNEL
  private rw = RW_WORD
  /** The next byte of a word access is the high one. */
  private readHigh = false
  private writeHigh = false
  private lowByte = 0
  private latchedCount = NONE
  private latchedStatus = NONE

  constructor(readonly counter: I8254Counter) {}

  control(word: number): void {
    const mode = (word >> 1) & 7
    this.rw = (word >> 4) & 3
    // Bit 2 of the mode is "don't care" in modes 2 and 3.
    this.counter.program(mode > 5 ? mode & 3 : mode, (word & 1) !== 0)
    this.clearLatches()
  }

  write(value: number): void {
    if (this.rw === RW_LSB) this.counter.writeCount(value)
    else if (this.rw === RW_MSB) this.counter.writeCount(value << 8)
    else if (this.writeHigh) {
      this.writeHigh = false
      this.counter.writeCount((value << 8) | this.lowByte)
    } else {
      this.writeHigh = true
      this.lowByte = value
      this.counter.firstByte()
    }
  }

  read(): number {
    if (this.latchedStatus !== NONE) {
      const status = this.latchedStatus
      this.latchedStatus = NONE
      return status
    }
    const value = this.latchedCount === NONE ? this.counter.value() : this.latchedCount
    let high = this.rw === RW_MSB
    if (this.rw === RW_WORD) {
      high = this.readHigh
      this.readHigh = !high
    }
    if (high || this.rw === RW_LSB) this.latchedCount = NONE
    return high ? value >> 8 : value & 0xff
  }

  /** What is latched already stays until it is read. */
  latchCount(): void {
    if (this.latchedCount === NONE) this.latchedCount = this.counter.value()
  }

  latchStatus(): void {
    if (this.latchedStatus !== NONE) return
    const { counter } = this
    // The output first: asking for it takes over a waiting count.
    const output = counter.output() ? STATUS_OUTPUT : 0
    const nullCount = counter.nullCount ? STATUS_NULL_COUNT : 0
    this.latchedStatus = output | nullCount | (this.rw << 4) | (counter.mode << 1) | (counter.bcd ? 1 : 0)
  }

  private clearLatches(): void {
    this.readHigh = this.writeHigh = false
    this.latchedCount = this.latchedStatus = NONE
  }

  reset(): void {
    this.rw = RW_WORD
    this.lowByte = 0
    this.clearLatches()
    this.counter.reset()
  }
}

export interface I8254Options {
  clock: Clock
  /**
   * Output of counter 0, to IRQ 0. In modes 2 and 3 the line is high but for a pulse at each rising edge, which is all
   * that an interrupt controller sees of it; so a period costs one event.
   */
  output0: IrqLine
  warn?: Warn
}

const STATE: StateTable = { interruptEnabled: flag, channels: list(part(), 3), edge: timer }

export class I8254 implements Device {
  readonly name = 'isa-pit'
  readonly state = STATE
  readonly ports: readonly PortRange[]
  private readonly channels: Channel[]
  private readonly output0: IrqLine
  private readonly edge: Timer
  /** Off while the HPET's legacy replacement owns IRQ 0. */
  private interruptEnabled = true

  constructor(options: I8254Options) {
    const { clock } = options
    this.output0 = options.output0
    this.channels = [0, 1, 2].map((i) => new Channel(new I8254Counter(clock, i !== 2)))
    this.edge = clock.timer('i8254 counter 0', () => {
      this.output0(false)
      this.output0(true)
      this.arm()
    })
    this.ports = [
      {
        name: 'PIT',
        base: 0x40,
        count: 4,
        // The control port cannot be read.
        read: (offset) => (offset === CONTROL ? 0 : this.channels[offset].read()),
        write: (offset, value) => {
          if (offset === CONTROL) this.control(value)
          else this.channels[offset].write(value)
          if (offset === 0) this.follow()
        },
      },
    ]
    this.arm()
  }

  /** The GATE input of a counter; those of 0 and 1 are tied high on a PC. */
  setGate(counter: number, level: boolean): void {
    this.channels[counter].counter.setGate(level)
    if (counter === 0) this.follow()
  }

  gate(counter: number): boolean {
    return this.channels[counter].counter.gate
  }

  /** The OUT pin of a counter at this moment. */
  output(counter: number): boolean {
    return this.channels[counter].counter.output()
  }

  /** Connects counter 0 to IRQ 0, or cuts it off (HPET legacy replacement); counting goes on. */
  setInterruptEnabled(enabled: boolean): void {
    if (enabled === this.interruptEnabled) return
    this.interruptEnabled = enabled
    if (!enabled) this.output0(false)
    this.follow()
  }

  private control(word: number): void {
    const select = word >> 6
    if (select === SELECT_READ_BACK) {
      for (let i = 0; i < 3; i++) {
        if (!(word & (2 << i))) continue
        if (!(word & READ_BACK_NO_COUNT)) this.channels[i].latchCount()
        if (!(word & READ_BACK_NO_STATUS)) this.channels[i].latchStatus()
      }
      return
    }
    if (((word >> 4) & 3) === RW_LATCH) {
      this.channels[select].latchCount()
      return
    }
    this.channels[select].control(word)
    if (select === 0) this.follow()
  }

  /** Counter 0 was touched: its line takes the output's level and its next edge is found. */
  private follow(): void {
    if (this.interruptEnabled) this.output0(this.channels[0].counter.output())
    this.arm()
  }

  private arm(): void {
    this.edge.set(this.interruptEnabled ? this.channels[0].counter.nextRise() : Number.POSITIVE_INFINITY)
  }

  reset(): void {
    this.interruptEnabled = true
    for (const channel of this.channels) channel.reset()
    this.follow()
  }
}
