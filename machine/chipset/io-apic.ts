/**
 * The I/O APIC: 24 interrupt inputs, each with a redirection entry.
 *
 * Intel 82093AA data sheet (290566); the EOI register of version 20h: Intel ICH data sheets, "EOIR". Guest-visible
 * behaviour as QEMU 7.2: version 20h, edges on a masked input are lost, and switching an entry to edge-triggered clears
 * its remote IRR (Linux ends stuck interrupts that way). Polarity is the board's wiring: `true` asserts an input
 * whatever bit 13 says.
 */
import type { Clock, Timer } from '../clock.js'
import type { Device, IrqLine, MmioRange, StateTable, Warn } from '../device.js'
import { integer, list, starts, timer, u8, u32 } from '../state/fields.js'
import { resetState } from '../state/state-table.js'
import { type ApicBus, DELIVERY_EXTINT, DELIVERY_FIXED, type EoiTarget } from './apic-bus.js'

const PINS = 24

// Offsets
const IOREGSEL = 0x00
const IOWIN = 0x10
const EOI = 0x40
// Indices
const IOAPICID = 0x00
const IOAPICVER = 0x01
const IOAPICARB = 0x02
const IOREDTBL = 0x10

const VERSION_VALUE = 0x20 | ((PINS - 1) << 16)

// Redirection entry, low dword
const VECTOR = 0xff
const LOGICAL = 0x0800
const DELIVERY_STATUS = 0x1000
const REMOTE_IRR = 0x4000
const TRIGGER_LEVEL = 0x8000
const MASKED = 0x10000
const READ_ONLY = DELIVERY_STATUS | REMOTE_IRR
const LOW_BITS = 0x1ffff
const HIGH_BITS = 0xff000000

/**
 * An input that stays up through so many EOIs is a storm: what it interrupts would never go on, as hardware's does, whose
 * next message takes its time. From then on that comes so much later. (8139cp unmasks a card while its own poll is still
 * to run, and counts on it.)
 */
const STORM = 100
const STORM_NS = 100_000

export interface IoApicOptions {
  bus: ApicBus
  clock: Clock
  /** Default FEC00000h. */
  base?: number
  /** The 8259s, asked for the vector of an entry in ExtINT mode. */
  pic?: { acknowledge(): number }
  warn?: Warn
}

const STATE: StateTable = {
  low: starts(list(u32, PINS), MASKED),
  high: starts(list(u32, PINS), 0),
  ...{ select: starts(u8, 0), id: starts(u8, 0), lines: u32, irr: starts(u32, 0) },
  ...{ successive: starts(list(integer(0, STORM), PINS), 0), later: timer },
}

export class IoApic implements Device, EoiTarget {
  readonly name = 'ioapic'
  readonly state = STATE
  readonly mmio: readonly MmioRange[]
  private readonly pins: IrqLine[]
  private readonly low = new Uint32Array(PINS)
  private readonly high = new Uint32Array(PINS)
  private select = 0
  private id = 0
  /** Levels of the inputs. */
  private lines = 0
  /** Requests: edges not yet delivered, and the levels of level-triggered inputs. */
  private irr = 0
  /** EOIs of each input since it was down. */
  private readonly successive = new Uint8Array(PINS)
  private readonly later: Timer

  constructor(private readonly options: IoApicOptions) {
    this.low.fill(MASKED)
    this.later = options.clock.timer('ioapic later', () => {
      for (let pin = 0; pin < PINS; pin++) if (this.successive[pin] === STORM) this.service(pin)
    })
    this.pins = Array.from(
      { length: PINS },
      (_, pin): IrqLine =>
        (level) =>
          this.setPin(pin, level),
    )
    this.mmio = [
      {
        name: 'I/O APIC',
        base: options.base ?? 0xfec00000,
        size: 0x1000,
        read: (offset, size) => this.read(offset, size),
        write: (offset, value, size) => this.write(offset, value, size),
        peek: (offset) => this.read(offset, 4),
      },
    ]
    options.bus.attachIoApic(this)
  }

  /** Input 0 to 23 (the board maps ISA IRQ 0 to input 2); one function for the machine's life. */
  line(pin: number): IrqLine {
    return this.pins[pin]
  }

  /** Redirection entry as the guest sees it, for the board's own questions and for tests. */
  entry(pin: number): { low: number; high: number } {
    return { low: this.low[pin], high: this.high[pin] }
  }

  /** Every pin is masked. */
  get isSilent(): boolean {
    return this.low.every((entry) => (entry & MASKED) !== 0)
  }

  private setPin(pin: number, level: boolean): void {
    const bit = 1 << pin
    const rising = level && !(this.lines & bit)
    if (level) this.lines |= bit
    else {
      this.lines &= ~bit
      this.successive[pin] = 0
    }
    if (this.low[pin] & TRIGGER_LEVEL) {
      if (!level) this.irr &= ~bit
      else {
        this.irr |= bit
        this.service(pin)
      }
    } else if (rising && !(this.low[pin] & MASKED)) {
      this.irr |= bit
      this.service(pin)
    }
  }

  /** Sends the request of an input, if its entry lets it. */
  private service(pin: number): void {
    const bit = 1 << pin
    const low = this.low[pin]
    if (!(this.irr & bit) || low & MASKED) return
    const level = (low & TRIGGER_LEVEL) !== 0
    if (level) {
      if (low & REMOTE_IRR) return
      this.low[pin] = low | REMOTE_IRR
    } else this.irr &= ~bit
    let mode = (low >> 8) & 7
    let vector = low & VECTOR
    if (mode === DELIVERY_EXTINT) {
      if (!this.options.pic) return
      mode = DELIVERY_FIXED
      vector = this.options.pic.acknowledge()
    }
    this.options.bus.deliver(this.high[pin] >>> 24, (low & LOGICAL) !== 0, mode, vector, level)
  }

  /** An EOI message; an input that is still up interrupts again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < PINS; pin++) {
      const low = this.low[pin]
      if ((low & VECTOR) !== vector || !(low & REMOTE_IRR)) continue
      this.low[pin] = low & ~REMOTE_IRR
      if (!(this.irr & (1 << pin))) continue
      if (this.successive[pin] < STORM) {
        this.successive[pin]++
        this.service(pin)
      } else if (this.later.deadline === Number.POSITIVE_INFINITY) this.later.at(this.options.clock.now() + STORM_NS)
    }
  }

  private read(offset: number, size: number): number {
    let value = 0
    if ((offset & ~3) === IOREGSEL) value = this.select
    else if ((offset & ~3) === IOWIN) value = this.readRegister()
    if (size === 4) return value
    return (value >>> ((offset & 3) * 8)) & (size === 1 ? 0xff : 0xffff)
  }

  private write(offset: number, value: number, size: number): void {
    if (offset === IOREGSEL) this.select = value & 0xff
    else if (offset === EOI) this.endOfInterrupt(value & 0xff)
    else if (offset === IOWIN && size === 4) this.writeRegister(value >>> 0)
    else this.options.warn?.('I/O APIC: write', offset)
  }

  private readRegister(): number {
    switch (this.select) {
      case IOAPICID:
      case IOAPICARB:
        return this.id << 24
      case IOAPICVER:
        return VERSION_VALUE
    }
    const pin = (this.select - IOREDTBL) >> 1
    if (pin < 0 || pin >= PINS) return 0
    return this.select & 1 ? this.high[pin] : this.low[pin]
  }

  private writeRegister(value: number): void {
    if (this.select === IOAPICID) {
      this.id = (value >>> 24) & 0x0f
      return
    }
    const pin = (this.select - IOREDTBL) >> 1
    if (pin < 0 || pin >= PINS) return
    if (this.select & 1) {
      this.high[pin] = value & HIGH_BITS
      return
    }
    let low = (value & LOW_BITS & ~READ_ONLY) | (this.low[pin] & READ_ONLY)
    if (!(low & TRIGGER_LEVEL)) low &= ~REMOTE_IRR
    // A level-triggered input requests for as long as it is up, also if it rose while edge-triggered.
    const bit = 1 << pin
    const wasLevel = (this.low[pin] & TRIGGER_LEVEL) !== 0
    if (low & TRIGGER_LEVEL) this.irr = this.lines & bit ? this.irr | bit : this.irr & ~bit
    else if (wasLevel) this.irr &= ~bit
    this.low[pin] = low
    this.service(pin)
  }

  reset(): void {
    resetState(this)
    this.later.cancel()
  }
}
