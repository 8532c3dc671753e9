/**
 * The watchdog of Intel's 6300ESB I/O controller hub, QEMU's `i6300esb`, 8086:25ab (data sheet 300641, chapter 16). It counts
 * down twice: the first stage may interrupt, the second one pulls WDT_TOUT#.
 */
import type { PciFunction } from '../../bus/pci-function.js'
import type { Clock, Timer } from '../../clock.js'
import type { AccessSize, Device, IrqLine, MmioRange, StateTable } from '../../device.js'
import { flag, integer, timer } from '../../state/fields.js'
import { deviceType } from '../device-type.js'
import { watchdogActionOption, watchdogExpiry } from './watchdog-action.js'

// Configuration space
const CONFIGURATION = 0x60
/** No output at the end of the second stage. */
const WDT_OUTPUT = 0x20
/** The faster clock. */
const WDT_PRE_SEL = 0x04
/** 0 an interrupt, 2 SMI, 3 nothing. */
const WDT_INT_TYPE = 0x03
const LOCK = 0x68
const WDT_TOUT_CNF = 0x04
const WDT_ENABLE = 0x02
const WDT_LOCK = 0x01

// Memory space
const PRELOAD_1 = 0x00
const PRELOAD_2 = 0x04
const INTERRUPT_STATUS = 0x08
const RELOAD = 0x0c
const REGISTERS = 0x10
const WDT_TIMEOUT = 0x0200
const WDT_RELOAD = 0x0100
const UNLOCK_1 = 0x80
const UNLOCK_2 = 0x86

const PRELOAD_BITS = 0xfffff
/** A 33 MHz clock through 2^15 or 2^5. */
const NS_PER_CLOCK = 30

export interface I6300EsbOptions {
  name: string
  clock: Clock
  pci: Pick<PciFunction, 'config' | 'writeMask'>
  interrupt: IrqLine
  expired: () => void
}

const STATE: StateTable = {
  ...{ preload1: integer(0, PRELOAD_BITS), preload2: integer(0, PRELOAD_BITS), unlocked: integer(0, 2) },
  ...{ stage: integer(1, 2), interrupting: flag, timedOut: flag, enabled: flag, countdown: timer },
}

export class I6300Esb implements Device {
  readonly state = STATE
  readonly name: string
  private preload1 = PRELOAD_BITS
  private preload2 = PRELOAD_BITS
  /** Of the two writes that open a register for one write. */
  private unlocked = 0
  private stage = 1
  private interrupting = false
  /** Survives the reset that it caused, for the guest to read. */
  private timedOut = false
  private enabled = false
  private readonly countdown: Timer

  constructor(private readonly options: I6300EsbOptions) {
    this.name = options.name
    this.countdown = options.clock.timer(`${options.name} countdown`, () => this.endStage())
  }

  reset(): void {
    this.preload1 = PRELOAD_BITS
    this.preload2 = PRELOAD_BITS
    this.unlocked = 0
    this.stage = 1
    this.interrupting = false
    this.enabled = false
    this.countdown.cancel()
    this.options.interrupt(false)
  }

  /** The configuration space may have been written. */
  configured(): void {
    const { config, writeMask } = this.options.pci
    // Once locked, enable and lock stay until the next reset.
    writeMask[LOCK] = config[LOCK] & WDT_LOCK ? 0 : WDT_TOUT_CNF | WDT_ENABLE | WDT_LOCK
    const enable = (config[LOCK] & WDT_ENABLE) !== 0
    if (enable === this.enabled) return
    this.enabled = enable
    if (enable) this.startStage(1)
    else this.countdown.cancel()
  }

  get window(): Omit<MmioRange, 'base'> {
    return {
      ...{ name: this.name, size: REGISTERS, width: 4 },
      read: (offset, size) => this.read(offset, size),
      write: (offset, value) => this.write(offset & ~3, value),
    }
  }

  private read(offset: number, size: AccessSize): number {
    const at = offset & ~3
    const value =
      at === PRELOAD_1
        ? this.preload1
        : at === PRELOAD_2
          ? this.preload2
          : at === INTERRUPT_STATUS
            ? Number(this.interrupting)
            : this.timedOut
              ? WDT_TIMEOUT
              : 0
    return (value >>> (8 * (offset & 3))) & (0xffff_ffff >>> (32 - 8 * size))
  }

  private write(at: number, value: number): void {
    if (at === INTERRUPT_STATUS) {
      if (value & 1) this.interrupting = false
      this.options.interrupt(this.interrupting)
      return
    }
    if (at === RELOAD && value === UNLOCK_1) this.unlocked = 1
    else if (at === RELOAD && value === UNLOCK_2 && this.unlocked === 1) this.unlocked = 2
    else if (this.unlocked === 2) {
      this.unlocked = 0
      this.writeOpen(at, value)
    } else this.unlocked = 0
  }

  private writeOpen(at: number, value: number): void {
    if (at === PRELOAD_1) this.preload1 = value & PRELOAD_BITS
    else if (at === PRELOAD_2) this.preload2 = value & PRELOAD_BITS
    else {
      if (value & WDT_TIMEOUT) this.timedOut = false
      if (value & WDT_RELOAD && this.enabled) this.startStage(1)
    }
  }

  private startStage(stage: 1 | 2): void {
    const shift = this.options.pci.config[CONFIGURATION] & WDT_PRE_SEL ? 5 : 15
    const preload = stage === 1 ? this.preload1 : this.preload2
    this.stage = stage
    this.countdown.at(this.options.clock.now() + (preload + 1) * 2 ** shift * NS_PER_CLOCK)
  }

  private endStage(): void {
    const { pci, interrupt, expired } = this.options
    const settings = pci.config[CONFIGURATION]
    if (this.stage === 1) {
      if ((settings & WDT_INT_TYPE) === 0) {
        this.interrupting = true
        interrupt(true)
      }
      this.startStage(2)
      return
    }
    // Free-running mode drives nothing at the end: it counts again, where anybody could tell.
    if (pci.config[LOCK] & WDT_TOUT_CNF) {
      if ((settings & WDT_INT_TYPE) === 0) this.startStage(1)
      return
    }
    this.timedOut = true
    if (!(settings & WDT_OUTPUT)) expired()
  }
}

export const i6300esb = deviceType({
  type: 'i6300esb',
  title: 'Intel 6300ESB watchdog',
  category: 'Misc',
  bus: 'pci',
  options: () => ({ action: watchdogActionOption() }),
  create(slot, { action }) {
    const pci = slot.pci({
      ...{ vendorId: 0x8086, deviceId: 0x25ab, classCode: 0x088000, interruptPin: 1 },
      changed: () => watchdog?.configured(),
    })
    pci.writeMask.fill(0, CONFIGURATION)
    pci.writeMask[CONFIGURATION] = WDT_OUTPUT | WDT_PRE_SEL | WDT_INT_TYPE
    const watchdog: I6300Esb | undefined = new I6300Esb({
      name: slot.name,
      clock: slot.clock,
      pci,
      interrupt: pci.interrupt,
      expired: watchdogExpiry(slot, action),
    })
    pci.addMemoryBar(0, watchdog.window)
    watchdog.configured()
    return watchdog
  },
})
